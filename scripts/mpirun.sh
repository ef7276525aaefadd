#!/usr/bin/env bash
# mpirun.sh [--per numa|socket|node] [-n RANKS] [--print] PROGRAM [ARGUMENT...]
#
# mpirun with the options that Backflow's programs want: ranks bound to NUMA nodes, or to several cores; and more ranks
# than cores if asked for. At SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 or Ctrl-C the ranks get SIGUSR1 and write a checkpoint;
# one that comes a second later, or after that, kills them. The number of threads of a rank is worked out by the program.
#   --per numa    a rank on each NUMA node, bound to its cores; the default where nodes have several
#   --per socket  the same for sockets
#   --per node    one rank on each node, on all of its cores
#   -n RANKS      so many ranks in all; with --per each has an equal share of the cores. On nodes of one NUMA node, and
#                 without --per, they are not bound
#   --print       only print the commands: of mpirun, and the options of srun that mean the same
# Other options of mpirun may be given, before PROGRAM; those that map or bind ranks count. All nodes
# are taken to be like this one. Ranks are bound to cores that taskset has taken from this shell, too: then give none.
set -euo pipefail

# Its parts lie beside it in the source tree, and in share/backflow where it is installed, in bin.
parts=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [[ ! -r $parts/placement.sh ]]; then
  parts=$parts/../share/backflow
fi
source "$parts/lib.sh"
source "$parts/placement.sh"

if (($# == 0)) || [[ $1 == --help ]]; then
  show_help
  exit 0
fi

# Ranks are bound to what --per names, or else as plan_mpi says; they are not bound on a node of one NUMA node: every rank has
# several threads, and Open MPI puts them all on one core when there are 1 or 2 ranks.
mapping=() arguments=() srun=() print=no
plan_mpi "$@"
if [[ $print == yes ]]; then
  printf 'mpirun%s\n' "$(printf ' %q' "${mapping[@]}" "${arguments[@]}")"
  ((${#srun[@]} == 0)) || printf 'srun%s\n' "$(printf ' %q' "${srun[@]}")"
  exit 0
fi
command -v python3 >/dev/null || die "needs python3"
exec python3 "$parts/launch_mpi.py" mpirun "${mapping[@]}" "${arguments[@]}"

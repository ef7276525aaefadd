#!/usr/bin/env bash
# scripts/mpirun.sh -n RANKS PROGRAM [ARGUMENT...]
#
# mpirun with the options that Backflow's programs want: no binding to single cores, and more ranks than cores if asked
# for. At SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 or Ctrl-C the ranks get SIGUSR1 and write a checkpoint; one that comes a second
# later, or after that, kills them. The number of threads of a rank is worked out by the program. Other options of mpirun
# may be given, before PROGRAM.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if (($# == 0)) || [[ $1 == --help ]]; then
  show_help
  exit 0
fi
run_mpi "$@"

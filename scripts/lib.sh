# Shared by the scripts here; to be sourced. Sets root, the top of the tree, and goes nowhere else.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %s\n' "$*"; }
die() {
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The comment at the top of a script is its help.
show_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# One compiler takes up to 1.5 GB: no more of them than fit, nor than there are cores.
jobs() {
  local memory_kb fit
  memory_kb=$(awk '/MemAvailable/ {print $2}' /proc/meminfo)
  fit=$((memory_kb / 1500000))
  ((fit >= 1)) || fit=1
  ((fit <= $(nproc))) || fit=$(nproc)
  echo "$fit"
}

# build PRESET [TARGET...]: configures and builds, all of it without targets.
build() {
  local preset=$1
  shift
  (
    cd "$root"
    nice cmake --preset "$preset" --log-level=WARNING >/dev/null
    nice cmake --build --preset "$preset" --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(jobs)}" ${1:+--target "$@"}
  )
}

# targets_of PRESET: what its tests need to be built, if that is not all.
targets_of() {
  if [[ $1 == tsan ]]; then
    echo test_runtime test_ops test_nn test_distributed planted_race
  fi
}

# run_mpi ARGUMENT...: mpirun, for Open MPI 4.1 and 5, with
# - no binding: every rank has several threads, and Open MPI puts them all on one core when there are 1 or 2 ranks;
# - more ranks than cores if asked for, and root if that is who runs it (both are refused otherwise);
# - SIGTERM and Ctrl-C passed on as SIGUSR1, at which the ranks write a checkpoint and stop; a second one kills them.
#   mpirun itself would kill them within one or two seconds. Its odls_base_sigkill_timeout is no help: 4.1 waits that long
#   before SIGTERM too, and after every failure; 5 does not read it. In a session of its own, mpirun sees no Ctrl-C.
run_mpi() {
  local map=slot ranks=1 cores i pid stopping code=0
  for ((i = 1; i < $#; i++)); do
    if [[ ${!i} =~ ^--?np?$ ]]; then
      i=$((i + 1))
      ranks=${!i}
      break
    fi
  done
  # Open MPI counts cores, not hardware threads. A container may hide them: then what the process may use counts.
  cores=$( (lscpu -p=CORE,SOCKET 2>/dev/null || seq "$(nproc)") | grep -v '^#' | sort -u | wc -l)
  if ((ranks > cores)); then
    map=slot:OVERSUBSCRIBE
  fi
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    setsid mpirun --bind-to none --map-by "$map" "$@" </dev/null &
  pid=$!
  # The second time the ranks themselves, not mpirun: 4.1 crashes when it is told to stop while it stops.
  trap 'stopping=yes; kill -USR1 "$pid"; trap "stopping=yes; kill -KILL \$(cat /proc/$pid/task/*/children)" TERM INT' TERM INT
  while
    stopping=no
    wait "$pid" && code=0 || code=$?
    [[ $stopping == yes ]]
  do :; done
  trap - TERM INT
  return "$code"
}

# How mpirun is started and stopped; to be sourced after lib.sh, which has `die`.

source "$(dirname "${BASH_SOURCE[0]}")/placement.sh"

# handles_usr1 PID: whether the process catches SIGUSR1 or has blocked it; without either it would die of it.
handles_usr1() {
  local sets
  sets=$(awk '/^Sig(Cgt|Blk):/ {print "0x" $2}' "/proc/$1/status" 2>/dev/null | tr '\n' ' ')
  [[ -n $sets ]] || return 1
  local set
  for set in $sets; do
    if ((set & 1 << 9)); then
      return 0
    fi
  done
  return 1
}

# ranks_of PID: the processes that this mpirun has started on this machine.
ranks_of() { cat /proc/"$1"/task/*/children 2>/dev/null || true; }

# job_is_up PID: whether mpirun has started ranks, and these are ready for SIGUSR1. A process that mpirun has forked but
# that is not the program yet has mpirun's handlers, and loses them with exec.
job_is_up() {
  local ranks rank launcher
  launcher=$(readlink "/proc/$1/exe" 2>/dev/null) || return 1
  ranks=$(ranks_of "$1")
  [[ -n $ranks ]] && handles_usr1 "$1" || return 1
  for rank in $ranks; do
    [[ $(readlink "/proc/$rank/exe" 2>/dev/null) != "$launcher" ]] && handles_usr1 "$rank" || return 1
  done
}

# stop_job PID: the first time asks the ranks to stop, as soon as they can be asked, for which it waits five seconds at
# most: a signal that comes before is lost, or kills them. A second or more later it kills them. It is the ranks that it
# kills, not mpirun unless it has none: 4.1 crashes when it is told to stop while it stops. In a trap a plain return would
# have the status of what the signal interrupted, and end the script.
stop_job() {
  local i ranks
  if [[ $stop_asked == enough ]]; then
    return 0 # one signal comes while another is looked after, or when all are killed
  elif [[ -n $stop_asked ]]; then
    if ((${EPOCHREALTIME//[.,]/} - stop_asked >= 1000000)); then
      stop_asked=enough
      ranks=$(ranks_of "$1")
      kill -KILL ${ranks:-"$1"} 2>/dev/null || true
    fi
    return 0
  fi
  stop_asked=enough
  for ((i = 0; i < 100; i++)); do
    if job_is_up "$1" || ! kill -0 "$1" 2>/dev/null; then
      break
    fi
    sleep 0.05
  done
  kill -USR1 "$1" 2>/dev/null || true
  stop_asked=${EPOCHREALTIME//[.,]/}
}

# relay: copies standard input to standard output until nobody reads that any more, then to nowhere.
relay() {
  trap '' PIPE TERM INT HUP QUIT USR1 USR2
  cat 2>/dev/null || cat >/dev/null
}

# run_mpi ARGUMENT...: mpirun, for Open MPI 4.1 and 5, with
# - ranks bound to what --per names, or else as plan_mpi says; unbound on a node of one NUMA node: every rank has several
#   threads, and Open MPI puts them all on one core when there are 1 or 2 ranks;
# - more ranks than cores if asked for, and root if that is who runs it (both are refused otherwise);
# - every signal that would end this script passed on as SIGUSR1, at which the ranks write a checkpoint and stop; one that
#   comes a second later, or after that, kills them. mpirun itself would kill them within one or two seconds of SIGTERM
#   or SIGHUP. Its odls_base_sigkill_timeout is no help: 4.1 waits that long before SIGTERM too, and after every failure;
#   5 does not read it. In a session of its own, mpirun sees no Ctrl-C.
run_mpi() {
  local i pid= interrupted=no code=0 stop_asked= out=1 err=2 relays=() mapping=() arguments=() srun=() print=no
  plan_mpi "$@"
  if [[ $print == yes ]]; then
    printf 'mpirun%s\n' "$(printf ' %q' "${mapping[@]}" "${arguments[@]}")"
    ((${#srun[@]} == 0)) || printf 'srun%s\n' "$(printf ' %q' "${srun[@]}")"
    return
  fi
  # mpirun 4.1 crashes, and its ranks with it, when who reads what it prints has gone, as in "| head -1".
  if [[ -p /dev/stdout ]]; then
    exec {out}> >(relay)
    relays+=($!)
  fi
  if [[ -p /dev/stderr ]]; then
    exec {err}> >(relay >&2)
    relays+=($!)
  fi
  trap 'interrupted=yes; [[ -z $pid ]] || stop_job "$pid"' TERM INT HUP QUIT USR1 USR2
  # With epoll libevent warns at times, when 4.1 answers a rank that has ended the job and is gone; with poll it does not.
  EVENT_NOEPOLL=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    setsid mpirun "${mapping[@]}" "${arguments[@]}" </dev/null >&"$out" 2>&"$err" &
  pid=$!
  if [[ $interrupted == yes ]]; then # before there was anything to stop
    stop_job "$pid"
  fi
  # A signal ends wait, not the job: it is over when mpirun is gone, and then its exit code can be had again.
  while
    wait "$pid" || true
    kill -0 "$pid" 2>/dev/null
  do :; done
  trap '' TERM INT HUP QUIT USR1 USR2
  # A signal that comes while bash collects the end of mpirun can make it forget that end: it would wait for ever.
  if grep -qx "$pid" <<<"$(jobs -pr)"; then
    code=1
  else
    wait "$pid" && code=0 || code=$?
  fi
  ((out == 1)) || exec {out}>&-
  ((err == 2)) || exec {err}>&-
  for i in ${relays[@]+"${relays[@]}"}; do
    wait "$i" || true
  done
  trap - TERM INT HUP QUIT USR1 USR2
  return "$code"
}

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

# stop_job PID TIME: obeys a signal that came at this time, in microseconds. The first asks the ranks to stop, as soon as
# they can be asked, for which it waits five seconds at most: a signal that comes before is lost, or kills them. One that
# comes a second or more later kills them. It is the ranks that it kills, not mpirun unless it has none: 4.1 crashes when it
# is told to stop while it stops. Yet another second later mpirun is killed too.
stop_job() {
  local i victims
  if [[ -n $asked_at ]]; then
    if (($2 - asked_at >= 1000000)); then
      victims=$(ranks_of "$1")
      if [[ -z $victims || $ranks_killed == yes ]]; then
        victims="$victims $1"
      fi
      ranks_killed=yes
      kill -KILL $victims 2>/dev/null || true
      asked_at=${EPOCHREALTIME//[.,]/}
    fi
    return
  fi
  for ((i = 0; i < 100; i++)); do
    if job_is_up "$1" || ! kill -0 "$1" 2>/dev/null; then
      break
    fi
    sleep 0.05
  done
  kill -USR1 "$1" 2>/dev/null || true
  asked_at=${EPOCHREALTIME//[.,]/}
}

# relay: copies standard input to standard output until nobody reads that any more, then to nowhere.
relay() {
  trap '' PIPE TERM INT HUP QUIT USR1 USR2
  cat 2>/dev/null || cat >/dev/null
}

# launch_mpi STDOUT ARGUMENT...: runs mpirun and tells its end on standard output: "pid N", "code N", and the end of the file
# when all is printed. What mpirun prints goes to the descriptor STDOUT and to standard error.
launch_mpi() {
  local out=1 err=2 code=0
  exec 3>&1 1>&"$1"
  # mpirun 4.1 crashes, and its ranks with it, when who reads what it prints has gone, as in "| head -1".
  if [[ -p /dev/stdout ]]; then
    exec {out}> >(relay)
  fi
  if [[ -p /dev/stderr ]]; then
    exec {err}> >(relay >&2)
  fi
  # With epoll libevent warns at times, when 4.1 answers a rank that has ended the job and is gone; with poll it does not.
  EVENT_NOEPOLL=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    mpirun "${@:2}" </dev/null >&"$out" 2>&"$err" 3>&- &
  echo "pid $!" >&3
  wait "$!" || code=$?
  echo "code $code" >&3
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
  local pid= code=1 signals=() asked_at= ranks_killed=no stdout events event= part status
  local mapping=() arguments=() srun=() print=no
  plan_mpi "$@"
  if [[ $print == yes ]]; then
    printf 'mpirun%s\n' "$(printf ' %q' "${mapping[@]}" "${arguments[@]}")"
    ((${#srun[@]} == 0)) || printf 'srun%s\n' "$(printf ' %q' "${srun[@]}")"
    return
  fi
  # A trap that runs during "read -t" is given up when the time of that is over. So it only notes the signal.
  trap 'signals+=("${EPOCHREALTIME//[.,]/}")' TERM INT HUP QUIT USR1 USR2
  # Bash can forget the end of a child when a signal comes at that moment, and wait for ever. So it reads of the end.
  exec {stdout}>&1
  exec {events}< <(exec setsid bash -c 'source "$0"; launch_mpi "$@"' "${BASH_SOURCE[0]}" "$stdout" \
    "${mapping[@]}" "${arguments[@]}")
  while true; do
    status=0
    IFS= read -r -t 0.1 -u "$events" part || status=$?
    event+=$part # the time may be over in the middle of a line
    if ((status == 0)); then
      case $event in
        pid\ *) pid=${event#pid } ;;
        code\ *) code=${event#code } pid= ;;
      esac
      event=
    elif ((status <= 128)); then
      break # the end of the file; above it, the time is over
    fi
    while [[ -n $pid ]] && ((${#signals[@]} > 0)); do
      stop_job "$pid" "${signals[0]}"
      signals=("${signals[@]:1}")
    done
  done
  exec {stdout}>&- {events}<&-
  trap - TERM INT HUP QUIT USR1 USR2
  return "$code"
}

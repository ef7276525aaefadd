#!/usr/bin/env python3
"""launch_mpi.py MPIRUN [ARGUMENT...]: runs mpirun so that a signal lets its ranks write a checkpoint; the second half of mpirun.sh.

- Every signal that would end this program is passed on as SIGUSR1, at which the ranks write a checkpoint and stop; one that
  comes a second later, or after that, kills them. mpirun itself would kill them within one or two seconds of SIGTERM or SIGHUP.
  Its odls_base_sigkill_timeout is no help: 4.1 waits that long before SIGTERM too, and after every failure; 5 does not read
  it. In a session of its own, mpirun sees no Ctrl-C.
- mpirun 4.1 crashes, and its ranks with it, when who reads what it prints has gone, as in "| head -1". Here the rest is dropped.
- More ranks than cores, and root, are allowed.
"""
import collections
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
# With epoll libevent warns at times, when 4.1 answers a rank that has ended the job and is gone; with poll it does not.
VARIABLES = {"EVENT_NOEPOLL": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def handles_usr1(pid):
    """Whether the process catches SIGUSR1 or has blocked it; without either it would die of it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    sets = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigCgt:", "SigBlk:"))]
    return any(one & 1 << (signal.SIGUSR1 - 1) for one in sets)


def ranks_of(pid):
    """The processes that this mpirun has started on this machine."""
    ranks = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            ranks += map(int, file.read_text().split())
        except OSError:
            pass  # a thread that has ended
    return ranks


def is_up(pid):
    """Whether mpirun has started ranks, and these are ready for SIGUSR1. A process that mpirun has forked but that is not the
    program yet has mpirun's handlers, and loses them with exec.
    """
    launcher, ranks = program_of(pid), ranks_of(pid)
    return (launcher is not None and bool(ranks) and handles_usr1(pid) and
            all(program_of(rank) not in (None, launcher) and handles_usr1(rank) for rank in ranks))


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Job:
    """A running mpirun, and what was asked of it."""

    def __init__(self, process):
        self.process = process
        self.asked_at = None
        self.killed_ranks = False

    def stop(self, at):
        """Obeys a signal that came at this time, in seconds. The first asks the ranks to stop, as soon as they can be asked, for
        which it waits five seconds at most: a signal that comes before is lost, or kills them. One that comes a second or
        more later kills them. It is the ranks that it kills, not mpirun unless it has none: 4.1 crashes when it is told to
        stop while it stops. Yet another second later mpirun is killed too.
        """
        if self.asked_at is None:
            for _ in range(100):
                if is_up(self.process.pid) or self.process.poll() is not None:
                    break
                time.sleep(0.05)
            self.process.send_signal(signal.SIGUSR1)
            self.asked_at = time.monotonic()
        elif at - self.asked_at >= 1:
            ranks = ranks_of(self.process.pid)
            for rank in ranks:
                send(rank, signal.SIGKILL)
            if not ranks or self.killed_ranks:
                self.process.kill()
            self.killed_ranks = True
            self.asked_at = time.monotonic()

    def wait(self, signals):
        """The exit code of mpirun. `signals` are the times of those that have come."""
        while True:
            try:
                code = self.process.wait(timeout=0.1)
                return code if code >= 0 else 128 - code
            except subprocess.TimeoutExpired:
                while signals:
                    self.stop(signals.popleft())


def relay(source, sink):
    """Copies one descriptor to another until nobody reads that any more, then to nowhere."""
    while data := os.read(source, 1 << 16):
        while data and sink is not None:
            try:
                data = data[os.write(sink, data):]
            except OSError:
                sink = None


def is_pipe(descriptor):
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def main(command):
    signals = collections.deque()
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, lambda *_: signals.append(time.monotonic()))
    piped = [descriptor for descriptor in (1, 2) if is_pipe(descriptor)]
    outputs = {"stdout" if descriptor == 1 else "stderr": subprocess.PIPE for descriptor in piped}
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **outputs,
                                   env={**os.environ, **VARIABLES})
    except OSError as error:
        sys.exit(f"mpirun.sh: error: {command[0]}: {error.strerror}")
    sources = {1: process.stdout, 2: process.stderr}
    relays = [threading.Thread(target=relay, args=(sources[one].fileno(), one)) for one in piped]
    for one in relays:
        one.start()
    code = Job(process).wait(signals)
    for one in relays:
        one.join()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

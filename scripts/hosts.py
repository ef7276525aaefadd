"""Hosts that there are not: network namespaces with names of their own, joined by a network with a delay and a rate.

Needs root. All ends with the process that made it, however it ends.
"""
import dataclasses
import fcntl
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

SKIPPED = 77  # what CTest takes for a test that cannot run here
INSIDE = "BACKFLOW_INSIDE_NAMESPACES"


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(SKIPPED)


def needs(root, programs, package):
    """Ends the process, visibly, where something is missing."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    os.environ["PATH"] = path
    if root and os.geteuid() != 0:
        skip("need root, for namespaces")
    missing = [name for name in programs if not shutil.which(name, path=path)]
    if missing:
        skip(f"need {', '.join(missing)}; scripts/setup.sh --cluster installs {package}")


def enter_new_namespaces(name):
    """Starts this script again, as a host of this name: with processes, network, mounts and a name of its own."""
    if os.environ.get(INSIDE) != name:
        unshare = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
        tried = subprocess.run([*unshare, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if tried.returncode != 0:
            skip(f"need namespaces, which this system refuses: {tried.stderr.strip()}")
        os.environ[INSIDE] = name
        os.execvp("unshare", [*unshare, sys.executable, *sys.argv])
    socket.sethostname(name)


def set_up_network(address):
    """Gives this network namespace its loopback device, and one with an address behind which there is nobody: resolvers
    and Open MPI want one. It is there for as long as what this returns is open.
    """
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"net0", 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        def request(what, name, value):
            fcntl.ioctl(any_socket, what, struct.pack("16s16s", name, value))
        address = struct.pack("hxx4s8x", socket.AF_INET, socket.inet_aton(address))
        request(0x8916, b"net0", address)  # SIOCSIFADDR
        for name in (b"lo", b"net0"):
            request(0x8914, name, struct.pack("h14x", 0x41))  # SIOCSIFFLAGS: IFF_UP, IFF_RUNNING
    return device


class TwoHosts:
    """host-a and host-b, joined by a network that delays packets by `delay_us` each way and passes `mbit` a second. To be
    made after enter_new_namespaces, so that all of it ends with this process.
    """

    ADDRESSES = {"host-a": "10.77.0.1", "host-b": "10.77.0.2"}

    def __init__(self, folder, relay, delay_us, mbit):
        self.folder = folder
        names = folder / "hosts"
        names.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in self.ADDRESSES.items()))
        self.keepers = [self._keep(name, names) for name in self.ADDRESSES]
        self.agent = folder / "agent.sh"
        cases = "".join(f"{name}) pid={keeper.pid} ;;\n" for name, keeper in zip(self.ADDRESSES, self.keepers))
        self.agent.write_text(f'#!/bin/sh\nhost=$1\nshift\ncase $host in\n{cases}esac\n'
                              'exec nsenter -t "$pid" -m -n -u -- sh -c "$*"\n')
        self.agent.chmod(0o755)
        pids = [str(keeper.pid) for keeper in self.keepers]
        self.relay = _start_and_wait([relay, *pids, str(delay_us), str(mbit)])

    @staticmethod
    def _keep(name, names):
        """A process that holds the namespaces of a host."""
        script = 'hostname "$0" && mount --bind "$1" /etc/hosts && echo ready && exec sleep infinity'
        return _start_and_wait(["unshare", "--mount", "--net", "--uts", "sh", "-c", script, name, str(names)])

    def on(self, host, *command):
        """What runs a command on a host, in the present directory."""
        keeper = self.keepers[list(self.ADDRESSES).index(host)]
        inside = ["sh", "-c", 'cd "$0" && exec "$@"', os.getcwd(), *map(str, command)]
        return ["nsenter", "-t", str(keeper.pid), "-m", "-n", "-u", "--", *inside]

    def mpirun(self, ranks_per_host, *options):
        """mpirun on host-a, with as many ranks on either host; the program has to follow."""
        hosts = self.folder / "hostfile"
        hosts.write_text("".join(f"{name} slots={ranks_per_host}\n" for name in self.ADDRESSES))
        agent = "plm_rsh_agent" if _open_mpi_major() < 5 else "plm_ssh_agent"
        script = pathlib.Path(__file__).resolve().parent / "mpirun.sh"
        return self.on("host-a", script, "--hostfile", hosts, "-n", 2 * ranks_per_host, "--mca", agent, self.agent, *options)

    def bytes_from_a(self):
        """How many bytes host-a has sent to host-b, and has had from it."""
        lines = pathlib.Path(f"/proc/{self.keepers[0].pid}/net/dev").read_text().splitlines()
        numbers = next(line.split() for line in lines if line.split()[0] == "net0:")
        return int(numbers[9]), int(numbers[1])

    def measured(self):
        """The Link between the hosts, while each sends to the other."""
        real_time = ["chrt", "-f", "1"]  # as the relay: what else computes must not count
        before = _processor_seconds(self.relay.pid)
        server = _start_and_wait(self.on("host-b", *real_time, sys.executable, __file__, "serve"))
        found = subprocess.run(self.on("host-a", *real_time, sys.executable, __file__, "measure"), capture_output=True,
                               text=True, timeout=120, check=True).stdout.split()
        server.wait(timeout=60)
        milliseconds, rate, ends = map(float, found)
        of_relay = (_processor_seconds(self.relay.pid) - before) / (2 * STREAM)
        return Link(milliseconds, rate, ends + of_relay)

    def close(self):
        for process in (self.relay, *self.keepers):
            process.kill()
            process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _open_mpi_major():
    said = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout
    return int(said.split("(Open MPI)")[-1].split(".")[0])


def _start_and_wait(command):
    """Starts what prints "ready" when it is."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if line != "ready\n":
        raise RuntimeError(f"not ready: {command}: {line!r}, exit code {process.wait()}")
    return process


@dataclasses.dataclass
class Link:
    round_trip_ms: float  # of a small packet
    mbit: float  # a second, in each direction while the other is as busy
    processor: float  # seconds that both hosts and the network take for a byte


def _processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


STREAM = 60_000_000  # bytes, each way
PINGS = 50


def _exchange(one):
    """Sends a stream and receives another. The seconds that the last four fifths took to come."""
    sender = threading.Thread(target=one.sendall, args=(bytes(STREAM),))
    sender.start()
    got, start = 0, 0
    while got < STREAM:
        got += len(one.recv(min(1 << 20, STREAM - got)))
        if not start and got >= STREAM // 5:
            start, begin = time.monotonic(), got
    seconds = (time.monotonic() - start) / (STREAM - begin)
    sender.join()
    return seconds


def _serve():
    with socket.create_server((TwoHosts.ADDRESSES["host-b"], 5000)) as server:
        print("ready", flush=True)
        one, _ = server.accept()
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(PINGS):
        one.sendall(one.recv(1))
    before = time.process_time()
    seconds = _exchange(one)
    one.sendall(f"{seconds} {time.process_time() - before}".encode())


def _measure():
    with socket.create_connection((TwoHosts.ADDRESSES["host-b"], 5000)) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(PINGS):
            start = time.monotonic()
            one.sendall(b"x")
            one.recv(1)
            times.append(time.monotonic() - start)
        before = time.process_time()
        here = _exchange(one)
        processor = time.process_time() - before
        there, more = map(float, one.recv(100).split())
        print(sorted(times)[PINGS // 2] * 1e3, 8e-6 / max(here, there), (processor + more) / (2 * STREAM))


if __name__ == "__main__":
    {"serve": _serve, "measure": _measure}[sys.argv[1]]()

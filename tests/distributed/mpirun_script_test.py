"""Where scripts/mpirun.sh puts ranks on nodes that there are not: what it says to mpirun, and what mpirun makes of that.

A machine is made up twice: for the script by an lscpu and a taskset of our own, for mpirun by hwloc's HWLOC_SYNTHETIC.
usage: mpirun_script_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

SCRIPT = pathlib.Path(os.environ["BACKFLOW_SOURCE"]) / "scripts/mpirun.sh"
VERSION = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout
IS_4 = " 4." in VERSION.splitlines()[0]
DISPLAY = ["--do-not-launch", *(["--display-map"] if IS_4 else ["--display", "map"])]


class Machine:
    """`sockets` of `numa` NUMA nodes of `cores` cores of `threads` hyperthreads."""

    def __init__(self, folder, sockets, numa, cores, threads, usable=None):
        self.hwloc = f"package:{sockets} numa:{numa} core:{cores} pu:{threads}"
        rows = [(core * threads + thread, core, core // cores // numa, core // cores)
                for core in range(sockets * numa * cores) for thread in range(threads)]
        self.cores, self.threads = sockets * numa * cores, threads
        table = "\n".join(",".join(map(str, row)) for row in rows)
        self.tools = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.write("lscpu", f"echo '# CPU,Core,Socket,Node'\necho '{table}'")
        self.write("taskset", f"echo \"pid 1's current affinity list: {usable or f'0-{len(rows) - 1}'}\"")

    def write(self, name, text):
        path = self.tools / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def run(self, *arguments, expect=0, **environment):
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "PBS_"))}
        done = subprocess.run([SCRIPT, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, env={**plain, "PATH": f"{self.tools}:{plain['PATH']}", **environment})
        assert expect is None or done.returncode == expect, (done.returncode, done.stdout, done.stderr)
        return done

    def printed(self, *arguments, **environment):
        """What the script would say to mpirun, and to srun."""
        said = self.run("--print", *arguments, "true", **environment).stdout
        return [" ".join(shlex.split(line)).removesuffix(" true") for line in said.splitlines()]

    def bound(self, *arguments):
        """The cores that mpirun gives each rank on this machine, in one list for all sockets."""
        done = self.run(*arguments, *DISPLAY, "true", expect=None, HWLOC_SYNTHETIC=self.hwloc)
        ranks = re.findall(r"Process rank: \d+ Bound: (.*)", done.stdout)
        assert ranks, done.stdout + done.stderr
        return [cores_of(one) for one in ranks]


def cores_of(binding):
    """Of "socket 0[core 0[hwt 0-1]]...:[BB/../..][../../..]", as Open MPI 4 prints it, or "package[0][core:0-1]"."""
    if "core:" in binding:
        ends = [list(map(int, part.split("-"))) for part in re.search(r"core:([-,\d]+)", binding)[1].split(",")]
        return [core for one in ends for core in range(one[0], one[-1] + 1)]
    cores = re.findall(r"[B.]+", binding.split(":")[-1])
    return [i for i, core in enumerate(cores) if "B" in core]


def small(folder):
    return Machine(folder, sockets=1, numa=1, cores=4, threads=2)


def two(folder):
    return Machine(folder, sockets=2, numa=1, cores=32, threads=2)


def eight(folder):
    return Machine(folder, sockets=2, numa=4, cores=16, threads=1)


def shares(ranks, width):
    return [list(range(i * width, (i + 1) * width)) for i in range(ranks)]


def words(map_by):
    """The same for the Open MPI that is here."""
    return map_by if IS_4 else map_by.replace("socket", "package").replace(",", ":")


def test_ranks_are_not_bound_on_a_node_of_one_numa_node(folder):
    machine = small(folder)
    assert machine.printed("-n", 2) == ["mpirun --bind-to none --map-by slot -n 2",
                                        "srun --mpi=pmix --ntasks=2 --cpu-bind=none"]
    assert machine.printed("-n", 5)[0] == "mpirun --bind-to none --map-by slot:OVERSUBSCRIBE -n 5"


def test_a_rank_on_each_numa_node_is_the_default_where_there_are_several(folder):
    for machine, ranks in ((two(folder), 2), (eight(folder), 8)):
        mpirun, srun = machine.printed()
        assert mpirun == words(f"mpirun --bind-to numa --map-by ppr:1:numa:OVERSUBSCRIBE -n {ranks}"), mpirun
        each = machine.cores * machine.threads // ranks
        assert srun == f"srun --mpi=pmix --ntasks-per-node={ranks} --cpus-per-task={each} --cpu-bind=ldoms", srun
        assert machine.printed("--per", "numa") == [mpirun, srun] == machine.printed("-n", ranks)


def test_ranks_have_equal_shares_of_numa_nodes_where_that_comes_out_even(folder):
    assert machine_words(two(folder), "-n", 8) == ["core", words("ppr:4:numa:pe=8,OVERSUBSCRIBE")]
    assert machine_words(two(folder), "-n", 10) == ["core", words("ppr:5:numa:pe=6,OVERSUBSCRIBE")]
    if IS_4:
        assert machine_words(two(folder), "-n", 3) == ["core", "ppr:3:node:pe=21,OVERSUBSCRIBE"]
    else:
        assert machine_words(two(folder), "-n", 3) == ["none", "slot"]
        assert "need a multiple of the sockets" in two(folder).run("--per", "numa", "-n", 3, "true", expect=1).stderr
    assert machine_words(eight(folder), "-n", 2) == ["core", words("ppr:2:node:pe=64,OVERSUBSCRIBE")]
    assert machine_words(eight(folder), "--per", "socket") == [words("socket"), words("ppr:1:socket:OVERSUBSCRIBE")]
    assert machine_words(eight(folder), "--per", "socket", "-n", 4) == ["core", words("ppr:2:socket:pe=32,OVERSUBSCRIBE")]
    assert machine_words(eight(folder), "--per", "node") == ["none", words("ppr:1:node:OVERSUBSCRIBE")]
    assert machine_words(eight(folder), "--per", "node", "-n", 4) == ["core", words("ppr:4:node:pe=32,OVERSUBSCRIBE")]
    assert machine_words(two(folder), "-n", 65) == ["none", "slot:OVERSUBSCRIBE"]


def machine_words(machine, *arguments):
    printed = machine.printed(*arguments)[0].split()
    return [printed[2], printed[4]]


def test_the_nodes_of_a_job_are_counted(folder):
    machine = two(folder)
    hosts = folder / "hosts"
    hosts.write_text("# two nodes\na slots=64\nb slots=64\n\na\n")
    for options, environment in ((["--host", "a:64,b:64"], {}), (["--hostfile", hosts], {}),
                                 ([], {"SLURM_JOB_NUM_NODES": "2"}), ([], {"PBS_NODEFILE": str(hosts)})):
        if "PBS_NODEFILE" in environment:
            hosts.write_text("a\na\nb\nb\n")
        printed = machine.printed(*options, **environment)[0]
        assert words("--map-by ppr:1:numa:") in printed and " -n 4" in printed, printed
        printed = machine.printed(*options, "-n", 16, **environment)[0]
        assert words("--map-by ppr:4:numa:pe=8,") in printed, printed


def test_who_binds_ranks_is_obeyed(folder):
    machine = two(folder)
    for options, ours in ((["--bind-to", "core"], "--map-by slot"), (["--map-by", "node"], "--bind-to none"),
                          (["--map-by", "slot:pe=2"], None), (["--rankfile", "x"], None),
                          (["--cpu-set", "0-3"], "--map-by slot"), (["--bind-to", "core", "--map-by", "node"], None)):
        assert machine.printed("-n", 2, *options) == [" ".join(["mpirun", *filter(None, [ours]), "-n 2", *options])]
        assert "need no other option" in machine.run("--per", "numa", *options, "true", expect=1).stderr
    assert machine.printed("-n", 1, "true", ":", "-n", 1)[0] == "mpirun --bind-to none --map-by slot -n 1 true : -n 1"
    assert "need one program" in machine.run("--per", "numa", "-n", 1, "true", ":", "-n", 1, "true", expect=1).stderr
    # Of the program's arguments none is the script's.
    assert machine.printed("-n", 2, "true", "--per", "moon", "--print")[0].endswith("-n 2 true --per moon --print")


def test_mistakes_are_named(folder):
    machine = two(folder)
    assert "--per moon: need numa, socket or node" in machine.run("--per", "moon", "true", expect=1).stderr
    assert "-n two: need a number of ranks" in machine.run("-n", "two", "true", expect=1).stderr
    assert "65 ranks on 64 cores" in machine.run("--per", "numa", "-n", 65, "true", expect=1).stderr


def test_a_shell_that_has_not_all_cores_binds_nothing_unless_it_is_asked_to(folder):
    machine = Machine(folder, sockets=2, numa=1, cores=32, threads=2, usable="0-15,64-79")
    assert "--bind-to none --map-by slot" in machine.printed("-n", 2)[0]
    assert machine_words(machine, "--per", "numa", "-n", 4) == ["core", words("ppr:2:numa:pe=4,OVERSUBSCRIBE")]
    assert machine.printed("-n", 2, SLURM_JOB_ID="7")[0].startswith(words("mpirun --bind-to numa --map-by ppr:1:numa:"))


def test_mpirun_gives_each_rank_the_cores_that_it_should_have(folder):
    machine = two(folder)
    assert machine.bound() == shares(2, 32)
    assert machine.bound("-n", 8) == shares(8, 8)
    if IS_4:
        assert machine.bound("-n", 3) == shares(3, 21)
    assert machine.bound("--per", "socket") == shares(2, 32)
    assert machine.bound("-n", 64) == shares(64, 1)
    machine = eight(folder)
    assert machine.bound() == shares(8, 16)
    assert machine.bound("-n", 16) == shares(16, 8)
    assert machine.bound("-n", 2) == shares(2, 64)
    assert machine.bound("--per", "socket") == shares(2, 64)
    assert machine.bound("--per", "socket", "-n", 4) == shares(4, 32)


def main():
    tests = {name[5:]: f for name, f in globals().items() if name.startswith("test_")}
    for name in sys.argv[1:] or list(tests):
        with tempfile.TemporaryDirectory(prefix="backflow-mpirun-") as folder:
            try:
                tests[name](pathlib.Path(folder))
            except Exception:
                print(f"FAILED {name}; reproduce: BACKFLOW_SOURCE={os.environ['BACKFLOW_SOURCE']} /usr/bin/python3 "
                      f"{sys.argv[0]} {name}", flush=True)
                raise
        print(f"ok {name}", flush=True)


if __name__ == "__main__":
    main()

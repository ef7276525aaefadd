"""Rows of scripts/bench.py that several ranks measure together: weak scaling, and all-reduce."""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

DDP = "DDP gloo"  # a peer: PyTorch's DistributedDataParallel
ALL_REDUCE = "MPI_Allreduce"  # a peer, in the same processes
MPIRUN = ("mpirun", "--bind-to", "none", "--map-by", "slot", "--oversubscribe", "-n")
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
RANKS = 2  # of a row of weak scaling, with one thread each

# The groups "weak" and "allreduce", which only run when they are named.
RANK_GROUPS = {
    "weak": ("weak_mlp", "weak_lenet", "weak_towers8", "weak_resnet18"),
    "allreduce": ("allreduce_1mb_2", "allreduce_25mb_2", "allreduce_1mb_4", "allreduce_25mb_4"),
}
RANK_ROWS = {name: group for group, names in RANK_GROUPS.items() for name in names}
RANK_METRICS = ("step_us", "efficiency", "all_reduce_us")


def measure_weak(name, make_side, agree, pytorch, environment, options):
    """A step of two ranks, of one thread each, against DDP's; and each side's efficiency: the time of one rank by that
    of two. Yields metric, ours and the peer's by round."""
    workload = name.removeprefix("weak_")
    program = str(pathlib.Path(options.build) / "bin/bench_weak")
    plain = str(pathlib.Path(options.build) / "bin/bench_workloads")
    sides = {}
    with tempfile.TemporaryDirectory(prefix="backflow-bench-") as data:
        try:
            writer = make_side([plain], workload, 1, data)  # of the initial values, for PyTorch
            writer.ask("check")
            writer.close()
            for ranks in (1, RANKS):
                sides["ours", ranks] = make_side([*MPIRUN, str(ranks), program], name, 1, data, ENVIRONMENT)
            if pytorch:
                peers = pathlib.Path(__file__).resolve().parent.parent / "bench/peers"
                sides["peer", 1] = make_side([*pytorch, str(peers / "torch_workloads.py")], workload, 1, data, environment)
                sides["peer", RANKS] = make_side([*pytorch, str(peers / "torch_ddp.py"), str(RANKS)], name, 1, data,
                                                 environment)
            values = {key: side.ask("check")["values"] for key, side in sides.items()}
            for key in sides:
                agree(values["ours", 1], values[key], f"{name}: backflow on 1 rank and {key[0]} on {key[1]}")
            times = {key: [] for key in sides}
            # A short network takes more steps in a turn than a long one, which needs some.
            seconds = options.seconds * (4 if workload == "resnet18" else 1)
            for side in sides.values():
                side.ask(f"time {seconds / 2}")  # to warm up
            for turn in range(options.rounds):
                for key in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                    times[key].append(sides[key].ask(f"time {seconds}")["step_us"])
        finally:
            for side in sides.values():
                side.close()
    yield "step_us", times["ours", RANKS], times.get(("peer", RANKS), [])
    both = [times.get((side, ranks), []) for side in ("ours", "peer") for ranks in (1, RANKS)]
    yield "efficiency", [a / b for a, b in zip(both[0], both[1])], [a / b for a, b in zip(both[2], both[3])]


def measure_all_reduce(name, failure, options):
    """Ours and MPI's, by turns in one job. Yields metric, ours and the peer's."""
    ranks = int(name.rsplit("_", 1)[1])
    program = str(pathlib.Path(options.build) / "bin/bench_all_reduce")
    command = [*MPIRUN, str(ranks), program, str(options.rounds * options.seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT})
    if done.returncode != 0:
        raise failure(f"bench_all_reduce on {ranks} ranks: ended with code {done.returncode}: {done.stderr.strip()}")
    answers = {answer["name"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    yield "all_reduce_us", [answers[name]["ours"]["median_us"]], [answers[name]["mpi"]["median_us"]]


def middle(values):
    return statistics.median(values) if values else None

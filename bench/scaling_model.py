#!/usr/bin/env python3
"""How fast a training step is on 1 to 4,096 ranks, from the trace of one step on one rank and the speed of a network.

bench/scaling_model.py TRACE.json [OPTION...]

TRACE.json is what `backflow train CONFIG --trace` writes on one rank, with the threads and the samples that each rank
shall have. Buckets are planned from it as the program does; each is summed as soon as its gradients are there, one after
the other, while the backward goes on. Prints for each number of ranks the time of a step, its efficiency (the time
without communication over that), the communication that nothing hides, and the bucket that shows most.

  --latency US  --gbit G         of the network between nodes: for a message, and of a node in each direction
  --ranks-a-node R               they share the node's network, and sum among themselves through memory
  --memory-gb G                  bytes a second of these sums
  --algorithm ring|tree|hierarchical|best|mpi    `mpi` is what MPI_Iallreduce does with pieces of 4 MiB; `best`, the
                                 fastest of the first three for each bucket
  --bucket-mb MB                 distributed.bucket_mb
  --compression none|bf16        the bytes on the network, halved by bf16
  --speedup S                    how much faster a rank computes than in the trace, as on more cores;
  --cores P --predictions FILE   the same, from FILE of `scripts/bench.sh --only cores --record FILE`, for --workload NAME
  --json                         prints the same as JSON
"""
import argparse
import dataclasses
import json
import math
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from trace_file import bytes_of, length, read_steps, united  # noqa: E402

FIRST_BUCKET = 1 << 20
PIECE = 4 << 20  # of a reduction by MPI


@dataclasses.dataclass
class Network:
    """Times in seconds, bytes a second."""

    latency: float
    bandwidth: float
    ranks_a_node: int = 1
    memory: float = 5e9  # of sums in a node
    memory_latency: float = 5e-6
    call: float = 10e-6  # of a collective call, to reach the communication thread and to come back
    eager: int = 65536  # a larger message between nodes is sent when the receiver has asked for it: two more latencies
    # Processor time for a byte that a rank sends, and whether it has a core for that. Without one it computes meanwhile
    # only with what is left of its core.
    processor: float = 0
    spare_core: bool = True

    def message(self, size):
        """From a node to another."""
        return self.latency * (3 if size > self.eager else 1) + size / self.bandwidth

    def nodes(self, ranks):
        return max(1, math.ceil(ranks / self.ranks_a_node))


def ring(size, ranks, network):
    """Reduce-scatter and all-gather around a ring; of a node's ranks one sends to another node."""
    part = size / ranks
    within = network.memory_latency + part / network.memory
    between = network.message(part) if network.nodes(ranks) > 1 else 0
    return 2 * (ranks - 1) * max(within, between)


def tree(size, ranks, network):
    """To the root of a binary tree and back: all of it in each level, through memory within a node."""
    within = min(ranks, network.ranks_a_node)
    return 2 * (math.ceil(math.log2(within)) * (network.memory_latency + size / network.memory)
                + math.ceil(math.log2(network.nodes(ranks))) * network.message(size))


def in_node(size, ranks, network):
    """The sum over the ranks of a node through memory that they share."""
    return network.memory_latency + size / network.memory if ranks > 1 else 0


def hierarchical(size, ranks, network):
    """Sums in the nodes, then between one rank of each, whichever way is faster there. Before these the nodes agree on the
    call."""
    between = dataclasses.replace(network, ranks_a_node=1)
    nodes = network.nodes(ranks)
    agree = network.message(64) if nodes > 1 else 0
    return (in_node(size, min(ranks, network.ranks_a_node), network) + agree
            + min(ring(size, nodes, between), tree(size, nodes, between)))


def best(size, ranks, network):
    return min(f(size, ranks, network) for f in (ring, tree, hierarchical))


def mpi(size, ranks, network):
    """MPI_Iallreduce of Open MPI 4.1, piece by piece: a tree for less than 4 ranks or 64 KiB, else a ring. Before it the
    ranks agree on the call."""
    pieces = [PIECE] * int(size // PIECE) + [size % PIECE]
    agree = tree(64, ranks, network)
    return agree + sum((tree if ranks < 4 or piece < 65536 else ring)(piece, ranks, network) for piece in pieces if piece)


ALGORITHMS = {"ring": ring, "tree": tree, "hierarchical": hierarchical, "best": best, "mpi": mpi}


@dataclasses.dataclass
class Profile:
    """A step on one rank: what it computes before the backward, when each gradient is complete on the clock of what the
    backward computes, all of that, the updates, and the rest."""

    before: float
    gradients: list  # of (seconds, bytes)
    backward: float
    update: float
    rest: float

    @property
    def step(self):
        return self.before + self.backward + self.update + self.rest

    def faster(self, speedup):
        """The same on more cores."""
        return Profile(self.before / speedup, [(t / speedup, n) for t, n in self.gradients], self.backward / speedup,
                       self.update / speedup, self.rest / speedup)


def profile_of(step):
    begin = min(s.begin for s in step.slices if s.kind == "pass" or s.name == "backward" and s.kind == "span")
    nodes = [s for s in step.slices if s.kind == "backward"]
    clock = united((s.begin, s.end) for s in nodes)
    def worked_until(moment):
        return sum(min(b, moment) - a for a, b in clock if a < moment)
    gradients = [(worked_until(s.end), bytes_of(s.arguments["in"])) for s in nodes if s.name == "AccumulateGrad"]
    update = length(united((s.begin, s.end) for s in step.slices if s.name.startswith("update")))
    backward = length(clock)
    return Profile(begin, sorted(gradients), backward, update, step.seconds - begin - backward - update)


def typical_profile(path, quantile=0.5):
    """That of the step of median time, or of another quantile."""
    steps = sorted(read_steps(path), key=lambda step: step.seconds)
    return profile_of(steps[int(len(steps) * quantile)])


def plan_buckets(gradients, limit):
    """[(when it is complete, bytes)], as distributed/buckets/bucket_plan.h plans them."""
    buckets, size, ready = [], 0, 0
    most = min(FIRST_BUCKET, limit)
    for moment, more in gradients:
        if size and size + more > most:
            buckets.append((ready, size))
            size, most = 0, limit
        size, ready = size + more, moment
        if size >= most:
            buckets.append((ready, size))
            size, most = 0, limit
    return buckets + ([(ready, size)] if size else [])


@dataclasses.dataclass
class Result:
    ranks: int
    step: float
    efficiency: float
    communication: float
    exposed: float
    bucket: int  # the one that the backward, or the communication before it, leaves showing longest; -1 if none does
    buckets: list


def run_backward(buckets, times, shares, backward, spare_core):
    """When the backward has computed, and when each bucket is summed, in seconds after its begin. `times` are those of the
    sums, `shares` the part of a core that each needs. Without a core to spare a sum takes that from the backward, half of
    the core at most.
    """
    now = worked = computed_at = 0.0
    ended = []
    left = None  # of the sum under way
    while len(ended) < len(buckets) or worked < backward:
        current = len(ended)
        if left is None and current < len(buckets) and buckets[current][0] <= worked:
            left = times[current]
        to_goal = to_sum = math.inf
        taken = 0.0
        if left is not None:
            if worked < backward and not spare_core:
                taken = min(shares[current], 0.5)
            rate = taken / shares[current] if taken else 1.0
            to_sum = left / rate
        if worked < backward:
            goal = backward if left is not None or current == len(buckets) else buckets[current][0]
            to_goal = (goal - worked) / (1 - taken)
        if to_sum <= to_goal:
            now += to_sum
            worked += to_sum * (1 - taken) if worked < backward else 0
            ended.append(now)
            left = None
        else:
            now += to_goal
            worked = goal
            left = left - to_goal * rate if left is not None else None
        if worked >= backward and not computed_at:
            computed_at = now
    return computed_at, ended


def predict(profile, ranks, network, algorithm, bucket_bytes=25 << 20, wire=1.0):
    """The step on so many ranks, each with as many samples as the profile's."""
    buckets = plan_buckets(profile.gradients, bucket_bytes)
    if ranks == 1:
        return Result(1, profile.step, 1, 0, 0, -1, buckets)
    times = [network.call + algorithm(wire * size, ranks, network) for _, size in buckets]
    shares = [min(1.0, network.processor * wire * size / time) for time, (_, size) in zip(times, buckets)]
    moment, ended = run_backward(buckets, times, shares, profile.backward, network.spare_core)
    # A bucket is updated when it is summed, and the backward is over.
    shown = []
    bytes_of_all = sum(size for _, size in buckets)
    for end, (_, size) in zip(ended, buckets):
        shown.append(max(0.0, end - moment))
        moment = max(moment, end) + profile.update * size / bytes_of_all
    loss = network.call + algorithm(16, ranks, network)
    step = profile.before + moment + profile.rest + loss
    worst = max(range(len(shown)), key=shown.__getitem__)
    return Result(ranks, step, profile.step / step, sum(times) + loss, step - profile.step,
                  worst if shown[worst] > 0 else -1, buckets)


def speedup_of(record, workload, cores):
    """What bench_cores has predicted."""
    points = json.loads(record.read_text())["predictions"][workload]["scaling"]["points"]
    found = {point["threads"]: point["speedup"] for point in points}
    if cores not in found:
        sys.exit(f"scaling_model.py: error: {record}: {workload} on {cores} cores: need one of {sorted(found)}")
    return found[cores]


def table(results):
    lines = ["ranks    step, ms  efficiency  communication, ms  exposed, ms  most exposed bucket"]
    for r in results:
        bucket = "-" if r.bucket < 0 else f"{r.bucket} of {len(r.buckets)}, {r.buckets[r.bucket][1] / 1e6:.2f} MB"
        lines.append(f"{r.ranks:5}  {r.step * 1e3:10.3f}  {r.efficiency:10.3f}  {r.communication * 1e3:17.3f}  "
                     f"{r.exposed * 1e3:11.3f}  {bucket}")
    return "\n".join(lines)


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("trace", type=pathlib.Path)
    for name, value in (("latency", 10), ("gbit", 25), ("memory-gb", 5), ("bucket-mb", 25), ("speedup", 1)):
        parser.add_argument(f"--{name}", type=float, default=value)
    parser.add_argument("--ranks-a-node", type=int, default=1)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="best")
    parser.add_argument("--compression", choices=("none", "bf16"), default="none")
    parser.add_argument("--cores", type=int)
    parser.add_argument("--predictions", type=pathlib.Path, default=ROOT / "bench/results/cores.json")
    parser.add_argument("--workload", default="mlp")
    parser.add_argument("--ranks", type=int, nargs="*", default=[2**i for i in range(13)])
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    profile = typical_profile(options.trace)
    speedup = speedup_of(options.predictions, options.workload, options.cores) if options.cores else options.speedup
    network = Network(latency=options.latency * 1e-6, bandwidth=options.gbit * 1e9 / 8, ranks_a_node=options.ranks_a_node,
                      memory=options.memory_gb * 1e9)
    results = [predict(profile.faster(speedup), ranks, network, ALGORITHMS[options.algorithm],
                       options.bucket_mb * (1 << 20), 0.5 if options.compression == "bf16" else 1.0)
               for ranks in options.ranks]
    print(json.dumps([dataclasses.asdict(r) for r in results]) if options.json else table(results))


if __name__ == "__main__":
    main()

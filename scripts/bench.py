"""Measures Backflow against its peers; scripts/bench.sh builds what this needs and calls it.

Every side of a workload is a process that answers commands (bench/harness.h). First all sides must give the same
numbers; then they are timed by turns, several rounds, in an order that alternates. A figure is the median over rounds
of a round's median; the ratio is that of two such figures, the spread that of the ratios of single rounds.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace

from bench_ranks import (ALL_REDUCE, DDP, RANK_GROUPS, RANK_METRICS, RANK_ROWS, measure_all_reduce, measure_weak, middle)
from bench_workloads import (BEFORE, CORES, GROUPS, METRICS, NO_PEER, ONEDNN, OURS_ON_ONE, PLAIN, PREDICTED, SEPARATE_PHASES, TRIAD,
                             WORKLOADS)

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEYS = ("name", "dtype", "threads", "metric", "ours", "peer_name", "peer", "ratio")


class Failure(Exception):
    """A check that failed, or a side that broke down."""


class Side:
    """One process, ours or a peer's."""

    def __init__(self, command, workload, threads, data, environment=None):
        self.name = f"{pathlib.Path(command[-1]).name} {workload} on {threads} threads"
        self.process = subprocess.Popen(
            [*command, workload, str(threads), data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(environment or {})})

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failure(f"{self.name}: ended with code {self.process.wait()} at '{command}'")
        return json.loads(line)

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Reference:
    """What a side is held against in its own process."""

    def __init__(self, side):
        self.side = side

    def ask(self, command):
        return self.side.ask(command.replace("time", "reference"))

    def close(self):
        pass


def find_pytorch():
    """The command that starts a Python that has PyTorch, or None."""
    for python in dict.fromkeys(filter(None, (shutil.which("python3"), "/usr/bin/python3"))):
        found = subprocess.run([python, "-c", "import torch, numpy"], capture_output=True, check=False)
        if found.returncode == 0:
            return [python]
    return None


def peer_environment(pytorch):
    """Settings that peers need to be at their best, and remarks on those that are unusual."""
    environment, remarks = {"OMP_WAIT_POLICY": "passive"}, []
    if pytorch and "OPENBLAS_CORETYPE" not in os.environ:
        # OpenBLAS falls back to kernels of 2004 on a processor that is newer than itself; then PyTorch's products take
        # five times as long. A processor has the instructions that it lists, whatever its model number.
        found = subprocess.run([pytorch[0], "-c", "import torch; torch.mm(torch.ones(9, 9), torch.ones(9, 9))"],
                               env={**os.environ, "OPENBLAS_VERBOSE": "2"}, capture_output=True, text=True, check=False)
        flags = pathlib.Path("/proc/cpuinfo").read_text().split()
        if "Core: Prescott" in found.stderr + found.stdout and "avx2" in flags:
            core = "Cooperlake" if "avx512_bf16" in flags else "SkylakeX" if "avx512bw" in flags else "Haswell"
            environment["OPENBLAS_CORETYPE"] = core
            remarks.append(f"OpenBLAS does not know this processor: for the peers OPENBLAS_CORETYPE={core}")
    return environment, remarks


def agree(workload, ours, theirs, what):
    ours, theirs = ours[:workload.compared], theirs[:workload.compared]
    floor = abs(ours[0]) if workload.floor and ours else 0
    same = len(ours) == len(theirs) > 0 and all(
        abs(a - b) <= workload.tolerance * max(abs(a), abs(b), floor) for a, b in zip(ours, theirs))  # false for a NaN
    if not same:
        raise Failure(f"{what}: the results differ: ours {ours}, the peer's {theirs}: "
                      f"need them equal to {workload.tolerance:g}")


def spread(ours, theirs):
    """Half the range between the quartiles of the rounds' ratios, in percent of their median."""
    ratios = [b / a for a, b in zip(ours, theirs)]
    if len(ratios) < 2:
        return None
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return 50 * (high - low) / middle


def measure(name, threads, peers, environment, options):
    """The rows of one workload at one number of threads, with the spread of each; peers that are None give rows too."""
    workload = replace(WORKLOADS[name], peers=(BEFORE,)) if options.before else WORKLOADS[name]
    sides = {}
    with tempfile.TemporaryDirectory(prefix="backflow-bench-") as data:
        try:
            program = str(pathlib.Path(options.build) / "bin" / workload.program)
            sides["backflow"] = Side([program], name, threads, data)
            # Once it answers, the initial values are in data.
            ours = sides["backflow"].ask("check")["values"] if workload.shares_data else None
            for peer in workload.peers:
                if peer in (TRIAD, PLAIN):
                    sides[peer] = Reference(sides["backflow"])
                elif peer == BEFORE:
                    sides[peer] = Side([str(options.before / "bin" / workload.program)], name, threads, data)
                elif peers[peer] is not None:
                    theirs = 1 if peer == OURS_ON_ONE else threads
                    same = "mlp_separate_phases" if peer == SEPARATE_PHASES else name
                    script = [str(ROOT / "bench/peers" / workload.pytorch)] if peer == "pytorch" else []
                    # oneDNN alone is at its best with threads that wait for the next primitive awake.
                    settings = None if peer == ONEDNN else environment
                    sides[peer] = Side([*peers[peer], *script], same, theirs, data, settings)
            ours = ours or sides["backflow"].ask("check")["values"]
            for peer in set(sides) - {"backflow", TRIAD, PLAIN, ONEDNN}:
                agree(workload, ours, sides[peer].ask("check")["values"], f"{name}: backflow and {peer}")
            answers = {side: [] for side in sides}
            seconds = options.seconds * workload.seconds
            for side in sides.values():
                side.ask(f"time {seconds / 2}")  # to warm up
            for turn in range(options.rounds):
                for side in list(sides)[:: 1 if turn % 2 == 0 else -1]:
                    answers[side].append(sides[side].ask(f"time {seconds}"))
            for side in sides:
                peak = sides[side].ask("peak")
                for answer in answers[side]:
                    answer.update(peak)
        finally:
            for side in sides.values():
                side.close()

    for metric, peer in workload.rows():
        ours, theirs = ([workload.value(metric, a) for a in answers.get(side, [])] for side in ("backflow", peer))
        middle = [statistics.median(values) if values else None for values in (ours, theirs)]
        ratio = middle[1] and middle[1] / middle[0]
        row = dict(zip(KEYS, (name, "f32", threads, metric, middle[0], peer, middle[1], ratio)))
        yield row, ratio and spread(ours, theirs)


def measure_ranks(name, pytorch, environment, options):
    """The rows that several ranks measure together, as measure() yields them."""
    if RANK_ROWS[name] == "weak":
        peer, metrics = DDP, measure_weak(name, Side, lambda ours, theirs, what: agree(WORKLOADS["mlp"], ours, theirs, what),
                                          pytorch, environment, options)
    else:
        peer, metrics = ALL_REDUCE, measure_all_reduce(name, Failure, options)
    for metric, ours, theirs in metrics:
        ratio = middle(theirs) and middle(theirs) / middle(ours)
        row = dict(zip(KEYS, (name, "f32", 1, metric, middle(ours), peer, middle(theirs), ratio)))
        yield row, ratio and spread(ours, theirs)


def predict(name, options):
    """What bench_cores says of a workload, as it writes it, and its rows."""
    with tempfile.TemporaryDirectory(prefix="backflow-bench-") as folder:
        answer = pathlib.Path(folder) / "cores.json"
        command = [pathlib.Path(options.build) / "bin/bench_cores", name, "--json", answer, "--measure",
                   str(20 * options.seconds), "--costs", options.costs]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"bench_cores {name}: ended with code {done.returncode}: {done.stderr.strip()}")
        prediction = json.loads(answer.read_text())
    for point in prediction["scaling"]["points"]:
        if point["threads"] not in PREDICTED.values():
            point["limits"] = []
    speedup = {point["threads"]: point["speedup"] for point in prediction["scaling"]["points"]}
    return prediction, [dict(zip(KEYS, (name, "f32", threads, metric, speedup[threads], NO_PEER, None, None)))
                        for metric, threads in PREDICTED.items()]


def check_rows(rows):
    """That what is written keeps its contract, which other programs rely on."""
    for row in rows:
        predicted = row["metric"] in PREDICTED and row["name"] in CORES
        good = (tuple(row) == KEYS and (predicted or (row["name"] in WORKLOADS and row["metric"] in METRICS) or
                 (row["name"] in RANK_ROWS and row["metric"] in RANK_METRICS)) and
                row["dtype"] in ("f32", "bf16", "f64") and isinstance(row["threads"], int) and isinstance(row["ours"], float) and
                row["ours"] > 0 and isinstance(row["peer_name"], str) and
                (row["peer"] is None) == (row["ratio"] is None) and
                (row["peer"] is None or abs(row["ratio"] - row["peer"] / row["ours"]) <= 1e-9 * row["ratio"]))
        if not good:
            raise Failure(f"row {row}: need the keys {', '.join(KEYS)}, and ratio = peer / ours")


def text_of(*command):
    """What a command prints, or "unknown"."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else "unknown"


def circumstances(pytorch):
    """What figures depend on: when, where, and on what versions they were measured."""
    processors = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")]
    release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    versions = {name: text_of("dpkg-query", "-W", "-f", "${Version}", package)
                for name, package in (("onednn", "libdnnl-dev"), ("onetbb", "libtbb-dev"), ("libtorch", "libtorch-dev"))}
    versions["pytorch"] = text_of(pytorch[0], "-c", "import torch; print(torch.__version__)") if pytorch else "unknown"
    versions["g++"] = text_of("g++", "-dumpfullversion")
    return {"date": datetime.date.today().isoformat(), "machine": processors[0] if processors else platform.machine(),
            "cores": len(os.sched_getaffinity(0)), "load": round(os.getloadavg()[0], 1), "system": shlex.split(release.get("PRETTY_NAME", "unknown"))[0],
            "versions": versions}


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def best_of_each(rows):
    """Of a workload's rows: each side's best time for a step, on whatever number of threads, as a row for the table."""
    steps = [row for row in rows if row["metric"] == "step_us" and row["peer_name"] != TRIAD]
    for peer in dict.fromkeys(row["peer_name"] for row in steps if row["peer"] is not None):
        ours, theirs = (min((row for row in steps if row["peer_name"] == peer), key=lambda row: row[side])
                        for side in ("ours", "peer"))
        threads = f"{ours['threads']}/{theirs['threads']}"
        yield {**ours, "threads": f"best {threads}", "peer": theirs["peer"], "ratio": theirs["peer"] / ours["ours"]}


def row_list(rows):
    """Rows as JSON, one a line."""
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    return f"[\n  {lines}\n]" if rows else "[]"


def print_row(row, spread_percent):
    start = (f"{row['name']:<27} {row['threads']:>8}  {row['metric']:<19} {number(row['ours']):>9}  "
             f"{row['peer_name']:<17} ")
    if row["peer_name"] == NO_PEER:
        print(start.rstrip().removesuffix(NO_PEER).rstrip(), flush=True)
    elif row["peer"] is None:
        print(start + "   not installed")
    else:
        noise = "" if spread_percent is None else f"+-{spread_percent:.0f}%"
        print(f"{start}{number(row['peer']):>9} {row['ratio']:>7.2f}  {noise:>6}", flush=True)


def names(text):
    chosen = []
    for name in text.split(","):
        if name in GROUPS:
            chosen += [f"{name}.{row}" for row in GROUPS[name]]
        elif name in RANK_GROUPS:
            chosen += RANK_GROUPS[name]
        elif name == "cores":
            chosen += [f"cores.{workload}" for workload in CORES]
        elif name in WORKLOADS or name in RANK_ROWS or name in [f"cores.{workload}" for workload in CORES]:
            chosen.append(name)
        else:
            there = ", ".join([name for name in WORKLOADS if "." not in name] + [*GROUPS, *RANK_GROUPS, "cores"])
            raise argparse.ArgumentTypeError(f"no workload '{name}': there are {there}, and rows as elementwise.add")
    return chosen


def thread_counts(text):
    counts = [int(count) for count in text.split(",")]
    if min(counts) < 1:
        raise argparse.ArgumentTypeError(f"{text}: need numbers from 1")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=names, default=[name for name in WORKLOADS if not name.startswith("files.")])
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--threads", type=thread_counts, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--costs", choices=("measured", "typical"), default="measured")
    parser.add_argument("--build", required=True, help="our build directory")
    parser.add_argument("--before", type=pathlib.Path, help="another build directory of ours: the only peer then")
    parser.add_argument("--libtorch", help="the program of bench/peers/libtorch_small_ops.cpp, if there is one")
    options = parser.parse_args()

    peers = {"pytorch": find_pytorch(), "libtorch": [options.libtorch] if options.libtorch else None,
             OURS_ON_ONE: [str(pathlib.Path(options.build) / "bin/bench_workloads")],
             SEPARATE_PHASES: [str(pathlib.Path(options.build) / "bin/bench_step_graph")],
             ONEDNN: [str(pathlib.Path(options.build) / "bin/bench_onednn_limit")]}
    where = circumstances(peers["pytorch"])
    environment, remarks = peer_environment(peers["pytorch"])
    print(f"{'workload':<27} {'threads':>8}  {'metric':<19} {'ours':>9}  {'peer':<17} {'':>9} {'ratio':>7}  "
          f"{'spread':>6}")
    rows = []
    spreads = []
    predictions = {}
    try:
        for name in options.only:
            if name.startswith("cores."):
                workload = name.removeprefix("cores.")
                predictions[workload], predicted = predict(workload, options)
                rows += predicted
                spreads += [None] * len(predicted)
                for row in predicted:
                    print_row(row, None)
                continue
            if name in RANK_ROWS:
                for row, spread_percent in measure_ranks(name, peers["pytorch"], environment, options):
                    rows.append(row)
                    spreads.append(spread_percent)
                    print_row(row, spread_percent)
                continue
            for threads in options.threads:
                for row, spread_percent in measure(name, threads, peers, environment, options):
                    rows.append(row)
                    spreads.append(spread_percent)
                    print_row(row, spread_percent)
            if len(options.threads) > 1:
                for row in best_of_each([row for row in rows if row["name"] == name]):
                    print_row(row, None)
        check_rows(rows)
    except Failure as failure:
        sys.exit(f"bench.py: error: {failure}")
    for remark in remarks:
        print(remark)
    if options.json:
        options.json.write_text(row_list(rows) + "\n")
        check_rows(json.loads(options.json.read_text()))
    if options.record:
        record = json.dumps(where, indent=2).removesuffix("\n}")
        rows = [{**row, "spread": percent} for row, percent in zip(rows, spreads)]
        predicted = f',\n  "predictions": {json.dumps(predictions)}' if predictions else ""
        options.record.write_text(f'{record},\n  "rows": {row_list(rows)}{predicted}\n}}\n')


if __name__ == "__main__":
    main()

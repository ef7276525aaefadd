#!/usr/bin/env python3
"""The figures in README.md and docs/ are those of bench/results/latest.json; and how that is found out."""
import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
sys.path.insert(0, str(SOURCE / "scripts"))
import bench_tables  # noqa: E402

SCRIPT = SOURCE / "scripts/bench_tables.py"


def row(name, threads, metric, ours, peer_name, peer, spread=2.4):
    ratio = peer and peer / ours
    return {"name": name, "dtype": "f32", "threads": threads, "metric": metric, "ours": ours, "peer_name": peer_name,
            "peer": peer, "ratio": ratio, "spread": spread if peer else None}


RECORD = {
    "date": "2026-01-02", "machine": "A processor", "cores": 2, "load": 0.1, "system": "A system",
    "versions": {"pytorch": "1.2", "onednn": "3.4"},
    "rows": [
        row("mlp", 1, "step_us", 12000.4, "pytorch", 18000.6),
        row("mlp", 2, "step_us", 6000.0, "pytorch", 20000.0),
        row("mlp", 2, "peak_mb", 50.25, "pytorch", 201.0),
        row("linreg", 1, "step_us", 4.0, "pytorch", 60.0),
        row("linreg", 1, "step_us", 4.0, "libtorch", 36.0),
        row("lenet", 1, "step_us", 9000.0, "pytorch", None),
        row("branches8", 2, "backward_ns_per_op", 250000.0, "backflow-1-thread", 500000.0),
        row("elementwise.add", 1, "step_us", 100.0, "pytorch", 250.0),
        row("elementwise.add", 1, "step_us", 100.0, "triad", 110.0),
        row("elementwise.add", 2, "step_us", 60.0, "pytorch", 150.0),
        row("elementwise.add", 2, "step_us", 60.0, "triad", 57.0),
    ],
}


def point(threads, speedup, **lost):
    fractions = {kind: lost.get(kind, 0.0) for kind in ("serial", "idle", "overhead", "pieces", "memory")}
    row = {"name": "linear", "shapes": "f32[2, 3] -> f32[2]", "work_on_one_us": 5.0, "work_us": 6.0, "loops": 2, "tasks": 9,
           "lost": fractions}
    return {"threads": threads, "step_us": 1000 / speedup, "speedup": speedup, "lost": fractions, "limits": [row]}


CORES = {
    **{key: value for key, value in RECORD.items() if key != "rows"},
    "rows": [],
    "predictions": {"mlp": {
        "workload": "mlp",
        "scaling": {
            "machine": {"cores": 2, "first_helper_ns": 1500.4, "further_helpers_ns": 300.0, "first_join_ns": 500.0,
                        "further_joins_ns": 100.0, "task_ns": 60.0, "graph_task_ns": 800.0, "handover_ns": 2000.0, "bytes_per_ns": 11.6,
                        "bandwidth_limit": 12.0, "cached_bytes": 2e6},
            "step_us_on_one": 1000.0, "repetitions": 9, "warnings": [],
            "points": [point(1, 1.0), point(2, 1.96), point(16, 12.34, idle=0.2, serial=0.03), point(64, 20.0, memory=0.5)]},
        "measured": [{"threads": 1, "step_us": 1010.0, "predicted_over_measured": 0.99, "processor_us": 1020.0, "work_over_measured": 0.97},
                     {"threads": 2, "step_us": 520.0, "predicted_over_measured": 0.98, "processor_us": 1030.0, "work_over_measured": 0.96},
                     {"threads": 64, "step_us": 600.0, "of_two_threads": 1.154}]}},
}
RANKS = {
    "date": "2026-01-03", "machine": "A processor", "cores": 2, "load": 0.2,
    "rows": [{"workload": "mlp", "where": "2 hosts, 1000 us", "alone_ms": 9.0, "predicted_ms": 20.0, "measured_ms": 22.2, "ratio": 0.9}],
    "curves": {"Ethernet, 25 Gbit/s": {"mlp": {str(n): 1 / n**0.1 for n in (1, 2, 4, 16, 64, 256, 1024, 4096)}}},
}
WHERE = ("2 cores of A processor, A system, PyTorch 1.2, oneDNN 3.4; one run of `scripts/bench.sh` on 2026-01-02, "
         "at a load of 0.1 before it.")


def check_what_the_tables_say():
    assert bench_tables.readme(RECORD) == [
        WHERE, "",
        "| one training step, float32 | Backflow | peer | ratio |", "|---|---:|---:|---:|",
        "| MLP 784-1024-1024-10, batch 128, threads 2/1 | 6,000 us | 18,001 us (PyTorch) | 3.0 |",
        "| linear regression on three points, 1 thread | 4.00 us | 36.00 us (libtorch) | 9.0 |",
        "| backward of 8 branches of matrix products, 2 threads | 250,000 ns | 500,000 ns (Backflow on 1 thread) | 2.0 |",
    ], bench_tables.readme(RECORD)
    lines = bench_tables.workloads(RECORD)
    assert lines[0] == WHERE and len(lines) == 2 + 2 + 7, lines
    assert lines[4] == "| `mlp` | 1 | `step_us` | 12,000 | pytorch | 18,001 | 1.50 | 2% |", lines[4]
    assert lines[9] == "| `lenet` | 1 | `step_us` | 9,000 | pytorch | not installed |  |  |", lines[9]
    assert bench_tables.best(RECORD)[2:] == [
        "| `mlp` | 2/1 | 6,000 | pytorch | 18,001 | 3.00 |",
        "| `linreg` | 1/1 | 4.00 | pytorch | 60.00 | 15.00 |",
        "| `linreg` | 1/1 | 4.00 | libtorch | 36.00 | 9.00 |"], bench_tables.best(RECORD)
    assert bench_tables.operators(RECORD)[2:] == [
        "| `elementwise.add` | 100.0 | 250.0 | 2.50 | 60.00 | 150.0 | 2.50 | 1.10 / 0.95 |"], bench_tables.operators(RECORD)


def check_what_the_tables_of_cores_say():
    assert bench_tables.scaling(CORES) == [
        WHERE, "", "| predicted speed-up | ms on 1 core | 2 | 16 | 64 |", "|---|---:|---:|---:|---:|",
        "| `mlp` | 1.00 | 2.0 | 12.3 | 20.0 |"], bench_tables.scaling(CORES)
    assert bench_tables.lost(CORES)[2:] == [
        "| `mlp` | 16 | 3% | 20% | 0% | 0% | 0% |", "| `mlp` | 64 | 0% | 0% | 0% | 0% | 50% |"], bench_tables.lost(CORES)
    assert bench_tables.limits(CORES)[2:] == [
        "| `mlp` | `linear` f32[2, 3] -> f32[2] | 50% | memory | 2 | 9 |"], bench_tables.limits(CORES)
    assert bench_tables.validation(CORES)[2:] == [
        "| `mlp` | 1.01 | 0.99 | 0.97 | 0.52 | 0.98 | 0.96 |  |  | 1.15 |"], bench_tables.validation(CORES)
    assert bench_tables.costs(CORES)[0] == "| cost: measured on 2 cores |  |", bench_tables.costs(CORES)
    assert bench_tables.costs(CORES)[2] == "| a second core has a task of a loop | 1,500 ns |", bench_tables.costs(CORES)


def check_what_the_tables_of_weak_scaling_say():
    record = {"weak": {**RECORD, "rows": [
        row("weak_mlp", 1, "step_us", 2000.0, "DDP gloo", 3000.0), row("weak_mlp", 1, "efficiency", 0.9, "DDP gloo", 0.5),
        row("weak_lenet", 1, "step_us", 100.0, "DDP gloo", None), row("weak_lenet", 1, "efficiency", 0.8, "DDP gloo", None),
        row("allreduce_1mb_2", 1, "all_reduce_us", 50.0, "MPI_Allreduce", 200.0)]}}
    assert bench_tables.weak(record)[4:] == [
        "| `weak_mlp` | 2,000 us | 3,000 us | 1.5 | 0.90 | 0.50 |",
        "| `weak_lenet` | 100 us | - | - | 0.80 | - |"], bench_tables.weak(record)
    assert bench_tables.all_reduce(record)[2:] == ["| `allreduce_1mb_2` | 50 us | 200 us | 4.0 |"], bench_tables.all_reduce(record)


def check_what_the_tables_of_ranks_say():
    assert bench_tables.ranks({"ranks": RANKS})[4:] == [
        "| `mlp` | 2 hosts, 1000 us | 9.00 | 20.00 | 22.20 | 0.90 |"], bench_tables.ranks({"ranks": RANKS})
    assert bench_tables.efficiency({"ranks": RANKS})[2] == (
        "| `mlp` | Ethernet, 25 Gbit/s | 0.93 | 0.87 | 0.76 | 0.66 | 0.57 | 0.50 | 0.44 |"), bench_tables.efficiency({"ranks": RANKS})


def check_what_counts_as_a_stray_figure():
    text = "one 5 us\n<!-- bench: best -->\n7 us\n<!-- bench end -->\n784-1024-1024-10, 1e-5, 2 threads\nit is 2.5 times as fast\n"
    assert bench_tables.stray_figures(text) == [(1, "5 us"), (6, "2.5 times as fast")], bench_tables.stray_figures(text)


def run(root, record, cores, *options):
    ranks = SOURCE / bench_tables.RANKS if root == SOURCE else root / "ranks.json"
    done = subprocess.run([sys.executable, SCRIPT, record, cores, ranks, "--root", root, *options], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check_that_a_difference_is_found(root):
    (root / "docs/internals").mkdir(parents=True)
    for name, makers in bench_tables.BLOCKS.items():
        (root / name).write_text("text\n" + "".join(f"<!-- bench: {n} -->\nold\n<!-- bench end -->\nmore\n" for n in makers))
    record = root / "record.json"
    record.write_text(json.dumps(RECORD))
    cores = root / "cores.json"
    cores.write_text(json.dumps(CORES))
    (root / "ranks.json").write_text(json.dumps(RANKS))
    assert run(root, record, cores) == (0, "")
    assert run(root, record, cores, "--check") == (0, "\n")
    assert "| 6,000 us |" in (root / "README.md").read_text()
    assert "<svg" in (root / "docs/performance.svg").read_text()

    other = copy.deepcopy(RECORD)
    other["rows"][1]["ours"] = 6001.0
    record.write_text(json.dumps(other))
    code, output = run(root, record, cores, "--check")
    assert code == 1 and "+| MLP 784-1024-1024-10, batch 128, threads 2/1 | 6,001 us |" in output, output
    record.write_text(json.dumps(RECORD))

    for name, change, message in (
            ("README.md", ("6,000 us", "5,999 us"), "-| MLP 784-1024-1024-10, batch 128, threads 2/1 | 5,999 us |"),
            ("README.md", ("more", "it takes 5 ms"), "'5 ms' is not from the record"),
            ("docs/performance.md", ("<!-- bench: workloads -->", "<!-- bench: worst -->"), "need ['workloads']"),
            ("docs/internals/benchmarks.md", ("<!-- bench: best -->", "<!-- bench: worst -->"), "need ['best', 'operators']"),
            ("docs/scaling.md", ("12.3", "12.4"), "-| `mlp` | 1.00 | 2.0 | 12.4 | 20.0 |"),
            ("docs/scaling.svg", ("mlp", "lenet"), "docs/scaling.svg: not drawn from the record"),
            ("docs/ranks.svg", ("mlp", "lenet"), "docs/ranks.svg: not drawn from the record"),
            ("docs/performance.svg", ("3.33", "3.34"), "docs/performance.svg: not drawn from the record")):
        path = root / name
        before = path.read_text()
        assert change[0] in before, (name, change)
        path.write_text(before.replace(*change))
        code, output = run(root, record, cores, "--check")
        assert code == 1 and message in output, output
        path.write_text(before)
    assert run(root, record, cores, "--check")[0] == 0


check_what_the_tables_say()
check_what_the_tables_of_cores_say()
check_what_the_tables_of_ranks_say()
check_what_the_tables_of_weak_scaling_say()
check_what_counts_as_a_stray_figure()
with tempfile.TemporaryDirectory() as folder:
    check_that_a_difference_is_found(pathlib.Path(folder))
code, output = run(SOURCE, SOURCE / bench_tables.RECORD, SOURCE / bench_tables.CORES, "--check")
assert code == 0, output

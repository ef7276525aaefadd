#!/usr/bin/env python3
"""scripts/bench_tables.py [RECORD.json [CORES.json [RANKS.json [WEAK.json]]]] [--check]

Writes the tables of README.md, docs/performance.md and docs/internals/benchmarks.md, and docs/performance.svg, from one
run of the bench: the file that "scripts/bench.sh --record bench/results/latest.json" wrote. Those of docs/scaling.md, and
docs/scaling.svg, are from "scripts/bench.sh --only cores --record bench/results/cores.json", those about ranks and docs/ranks.svg
from "bench/validate_scaling.py --json bench/results/ranks.json", and those about weak scaling and all-reduce from
"scripts/bench.sh --only weak,allreduce --record bench/results/weak.json". In the documents a table stands between the comments
<!-- bench: NAME --> and <!-- bench end -->. With --check nothing is written: exit code 1 if a document differs from the
record, or if a measured figure stands outside of the tables.
"""
import argparse
import difflib
import json
import pathlib
import re
import sys

import plot_bench
import plot_cores
import plot_ranks
from bench import best_of_each, number
from bench_workloads import GROUPS, OURS_ON_ONE, TRIAD

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = "bench/results/latest.json"
CORES = "bench/results/cores.json"
RANKS = "bench/results/ranks.json"
WEAK = "bench/results/weak.json"
# Figures with a unit of time, memory or speed: outside of the tables they would not follow the next run.
FIGURE = re.compile(r"(?<![\w.])\d[\d.,]*\s?(ns|us|ms|KB|MB|GB|GFLOP|%)(?!\w)|\d[\d.,]* times (as fast|faster|as long|slower)")

# The rows of README's table: what a workload is called there, its metric, and the number of threads, 0 for the best of each.
README_ROWS = (
    ("MLP 784-1024-1024-10, batch 128", "mlp", "step_us", 0),
    ("LeNet, batch 64", "lenet", "step_us", 0),
    ("8 towers of 3 layers, batch 32", "towers8", "step_us", 0),
    ("four inception blocks, batch 16", "inception", "step_us", 0),
    ("ResNet-18, batch 32 of 3x32x32", "resnet18", "step_us", 0),
    ("the same with Winograd's algorithm", "resnet18_winograd", "step_us", 0),
    ("its peak memory, 2 threads", "resnet18_winograd", "peak_mb", 2),
    ("linear regression on three points, 1 thread", "linreg", "step_us", 1),
    ("chain of 1000 tiny operations, backward per operation, 1 thread", "chain1000", "backward_ns_per_op", 1),
    ("backward of 8 branches of matrix products, 2 threads", "branches8", "backward_ns_per_op", 2),
)
UNITS = {"step_us": "us", "peak_mb": "MB", "forward_ns_per_op": "ns", "backward_ns_per_op": "ns"}
PEERS = {"pytorch": "PyTorch", OURS_ON_ONE: "Backflow on 1 thread"}


def table(head, align, lines):
    """A table in Markdown; nothing without lines."""
    return [f"| {' | '.join(head)} |", f"|{'|'.join(align)}|", *(f"| {' | '.join(line)} |" for line in lines)] if lines else []


def circumstances(record):
    versions = record["versions"]
    return (f"{record['cores']} cores of {record['machine']}, {record['system']}, PyTorch {versions['pytorch']}, oneDNN "
            f"{versions['onednn']}; one run of `scripts/bench.sh` on {record['date']}, at a load of {record['load']:g} before it.")


def readme_row(rows, workload, metric, threads):
    """The row that stands for a workload; the best of libtorch and PyTorch is the peer. None without a peer's figure."""
    rows = [r for r in rows if r["name"] == workload and r["metric"] == metric and r["peer"] and r["peer_name"] != TRIAD]
    found = [r for r in rows if r["threads"] == threads] if threads else list(best_of_each(rows))
    found = [r for r in found if r["peer_name"] in ("pytorch", "libtorch", OURS_ON_ONE)]
    return min(found, key=lambda r: r["peer"], default=None)


def readme(record):
    lines = []
    for label, workload, metric, threads in README_ROWS:
        row = readme_row(record["rows"], workload, metric, threads)
        if row:
            label += "" if threads else f", threads {row['threads'].removeprefix('best ')}"
            peer = f"{number(row['peer'])} {UNITS[metric]} ({PEERS.get(row['peer_name'], row['peer_name'])})"
            lines.append((label, f"{number(row['ours'])} {UNITS[metric]}", peer, f"{row['ratio']:.1f}"))
    head = ("one training step, float32", "Backflow", "peer", "ratio")
    return [circumstances(record), "", *table(head, ("---", "---:", "---:", "---:"), lines)]


def workloads(record):
    """All rows of whole workloads."""
    lines = []
    for row in record["rows"]:
        if "." not in row["name"]:
            peer = ("not installed", "", "") if row["peer"] is None else (
                number(row["peer"]), f"{row['ratio']:.2f}", "" if row["spread"] is None else f"{row['spread']:.0f}%")
            lines.append((f"`{row['name']}`", str(row["threads"]), f"`{row['metric']}`", number(row["ours"]),
                          row["peer_name"], *peer))
    head = ("workload", "threads", "metric", "ours", "peer", "", "ratio", "spread")
    return [circumstances(record), "", *table(head, ("---", "---:", "---", "---:", "---", "---:", "---:", "---:"), lines)]


def best(record):
    """Each side on its best number of threads."""
    lines = []
    for name in dict.fromkeys(row["name"] for row in record["rows"] if "." not in row["name"]):
        for row in best_of_each([row for row in record["rows"] if row["name"] == name]):
            if row["peer_name"] in ("pytorch", "libtorch"):
                lines.append((f"`{name}`", row["threads"].removeprefix("best "), number(row["ours"]), row["peer_name"],
                              number(row["peer"]), f"{row['ratio']:.2f}"))
    return table(("workload", "threads", "ours, us", "peer", "its us", "ratio"),
                 ("---", "---", "---:", "---", "---:", "---:"), lines)


def operators(record):
    """Rows of single operators: a pair of columns for each of two numbers of threads."""
    lines = []
    for name in (f"{group}.{row}" for group, rows in GROUPS.items() if group != "files" for row in rows):
        line, triad = [f"`{name}`"], []
        for threads in (1, 2):
            rows = {row["peer_name"]: row for row in record["rows"] if (row["name"], row["threads"]) == (name, threads)}
            peer = next((row for key, row in rows.items() if key != TRIAD), None)
            shown = peer and (number(peer["ours"]), *((number(peer["peer"]), f"{peer['ratio']:.2f}") if peer["peer"] else ("", "")))
            line += shown or ("", "", "")
            triad += [f"{rows[TRIAD]['ratio']:.2f}"] if TRIAD in rows else []
        if any(line[1:]):
            lines.append((*line, " / ".join(triad)))
    head = ("operator", "ours, 1 thread", "peer", "ratio", "ours, 2 threads", "peer", "ratio", "of triad, 1 / 2 threads")
    return table(head, ("---", *["---:"] * 7), lines)


def percent(fraction):
    return f"{round(100 * fraction)}%"


def scaling(record):
    """Predicted speed-ups, a column for each number of cores."""
    workloads = plot_cores.speedups(record)
    counts = sorted({threads for points in workloads.values() for threads in points} - {1})
    lines = [(f"`{name}`", f"{found['scaling']['step_us_on_one'] / 1000:.2f}",
              *(f"{workloads[name][threads]:.1f}" if threads in workloads[name] else "" for threads in counts))
             for name, found in record["predictions"].items()]
    head = ("predicted speed-up", "ms on 1 core", *(str(threads) for threads in counts))
    return [circumstances(record), "", *table(head, ("---", *["---:"] * (len(counts) + 1)), lines)]


def lost(record):
    """Where the cores' time goes on 16 and on 64."""
    kinds = ("serial", "idle", "overhead", "pieces", "memory")
    lines = []
    for name, found in record["predictions"].items():
        for point in found["scaling"]["points"]:
            if point["threads"] in (16, 64):
                lines.append((f"`{name}`", str(point["threads"]), *(percent(point["lost"][kind]) for kind in kinds)))
    return table(("lost, of all cores' time", "cores", *kinds), ("---", *["---:"] * 6), lines)


def limits(record):
    """What loses most on 64 cores: three rows for each workload."""
    lines = []
    for name, found in record["predictions"].items():
        for row in next((p for p in found["scaling"]["points"] if p["threads"] == 64), {"limits": []})["limits"][:3]:
            most = max(row["lost"], key=row["lost"].get)
            lines.append((f"`{name}`", f"`{row['name']}` {row['shapes']}", percent(sum(row["lost"].values())), most,
                          str(row["loops"]), str(row["tasks"])))
    return table(("workload", "operator or node", "lost", "mostly", "loops", "tasks"),
                 ("---", "---", "---:", "---", "---:", "---:"), lines)


def validation(record):
    """Predictions beside real steps."""
    lines = []
    for name, found in record["predictions"].items():
        measured = {m["threads"]: m for m in found["measured"]}
        if {1, 2} <= set(measured):
            lines.append((f"`{name}`", *(cell for n in (1, 2) for cell in (
                f"{measured[n]['step_us'] / 1000:.2f}", f"{measured[n]['predicted_over_measured']:.2f}",
                f"{measured[n]['work_over_measured']:.2f}")),
                *(f"{measured[n]['of_two_threads']:.2f}" if n in measured else "" for n in (8, 16, 64))))
    head = ("real steps", "1 thread, ms", "predicted / measured", "its work", "2 threads, ms", "predicted / measured", "its work",
            "8 threads / 2", "16 / 2", "64 / 2")
    return table(head, ("---", *["---:"] * 9), lines)


def costs(record):
    """What the predictions reckon with: of the first workload, whose process measured them first."""
    m = next(iter(record["predictions"].values()))["scaling"]["machine"]
    source = f"measured on {m['cores']} cores" if m["cores"] else "typical ones, since the machine was busy"
    rows = (("a second core has a task of a loop", "first_helper_ns", "ns"),
            ("more for each doubling", "further_helpers_ns", "ns"), ("the loop's end is noticed", "first_join_ns", "ns"), ("more for each doubling", "further_joins_ns", "ns"),
            ("a task of a loop", "task_ns", "ns"), ("a task of a graph", "graph_task_ns", "ns"), ("a task of a graph reaches another core", "handover_ns", "ns"),
            ("memory, one core", "bytes_per_ns", "GB/s"), ("memory, 64 cores", "bandwidth_limit", "times that"))
    return table((f"cost: {source}", ""), ("---", "---:"), [(label, f"{m[key]:,.0f} {unit}") for label, key, unit in rows])


def ranks(record):
    """Predicted and measured steps on several ranks."""
    found = record["ranks"]
    head = ("workload", "where", "alone, ms", "predicted, ms", "measured, ms", "predicted / measured")
    lines = [(f"`{r['workload']}`", r["where"], *(f"{r[key]:.2f}" for key in ("alone_ms", "predicted_ms", "measured_ms", "ratio")))
             for r in found["rows"]]
    return [f"{found['cores']} cores of {found['machine']}, on {found['date']}, at a load of {found['load']:g} before it.", "",
            *table(head, ("---", "---", "---:", "---:", "---:", "---:"), lines)]


def efficiency(record):
    """Of larger clusters."""
    shown = ("2", "4", "16", "64", "256", "1024", "4096")
    lines = [(f"`{name}`", network, *(f"{points[n]:.2f}" for n in shown))
             for network, workloads in record["ranks"]["curves"].items() for name, points in workloads.items()]
    return table(("efficiency on so many ranks", "network", *shown), ("---", "---", *["---:"] * len(shown)), lines)


def weak(record):
    """A step of two ranks of one thread against DDP's, and each side's efficiency."""
    found = record["weak"]
    rows = {(r["name"], r["metric"]): r for r in found["rows"]}
    lines = []
    for (name, metric), step in rows.items():
        if metric == "step_us":
            efficiency = rows[name, "efficiency"]
            lines.append((f"`{name}`", f"{step['ours']:,.0f} us", *(f"{x:,.0f} us" if x else "-" for x in [step["peer"]]),
                          f"{step['ratio']:.1f}" if step["ratio"] else "-", f"{efficiency['ours']:.2f}",
                          f"{efficiency['peer']:.2f}" if efficiency["peer"] else "-"))
    head = ("2 ranks of 1 thread", "ours", "DDP over gloo", "ratio", "efficiency, ours", "efficiency, DDP")
    return [circumstances(found), "", *table(head, ("---", *["---:"] * 5), lines)]


def all_reduce(record):
    """Ours against MPI's between the ranks of this machine."""
    lines = [(f"`{r['name']}`", f"{r['ours']:,.0f} us", f"{r['peer']:,.0f} us", f"{r['ratio']:.1f}")
             for r in record["weak"]["rows"] if r["metric"] == "all_reduce_us"]
    return table(("all-reduce, size and ranks", "ours", "`MPI_Allreduce`", "ratio"), ("---", "---:", "---:", "---:"), lines)


# The record of each document, and what makes its tables.
BLOCKS = {"README.md": {"readme": readme},
          "docs/performance.md": {"workloads": workloads},
          "docs/internals/benchmarks.md": {"best": best, "operators": operators},
          "docs/scaling.md": {"scaling": scaling, "lost": lost, "limits": limits, "validation": validation, "costs": costs,
                              "ranks": ranks, "efficiency": efficiency, "weak": weak, "all_reduce": all_reduce}}
OF_CORES = ("docs/scaling.md", "docs/scaling.svg", "docs/ranks.svg")
MARKED = re.compile(r"(<!-- bench: (\w+) -->\n)(.*?)(<!-- bench end -->\n)", re.DOTALL)


def fill(text, makers, record):
    """A document with its tables made anew, and the names of those that it has."""
    seen = []

    def replace(match):
        seen.append(match[2])
        lines = makers[match[2]](record) if match[2] in makers else match[3].splitlines()
        return match[1] + "\n".join(["", *lines, "", ""]) + match[4]

    return MARKED.sub(replace, text), seen


def stray_figures(text):
    """(line, figure) of measured figures outside of the tables."""
    outside = MARKED.sub(lambda match: "\n" * match[0].count("\n"), text)
    return [(number, match[0]) for number, line in enumerate(outside.splitlines(), 1) for match in FIGURE.finditer(line)]


def performance_picture(record):
    return plot_bench.draw(plot_bench.ratios(record["rows"]), "One training step, Backflow against PyTorch")


def scaling_picture(record):
    return plot_cores.draw(plot_cores.speedups(record), "Predicted speed-up of one step")


def ranks_picture(record):
    return plot_ranks.draw(record["ranks"]["curves"], plot_ranks.TITLE)


PICTURES = {"docs/performance.svg": performance_picture, "docs/scaling.svg": scaling_picture, "docs/ranks.svg": ranks_picture}


def check(root, record_of):
    """What is wrong, line by line."""
    for name, makers in BLOCKS.items():
        text = (root / name).read_text()
        made, seen = fill(text, makers, record_of(name))
        if sorted(seen) != sorted(makers):
            yield f"{name}: tables {seen}: need {sorted(makers)}, each once"
        yield from (line for line in difflib.unified_diff(text.splitlines(), made.splitlines(), name, "the record", n=0, lineterm=""))
        yield from (f"{name}:{line}: '{figure}' is not from the record: need figures inside of the tables alone, or in "
                    "docs/internals/measurements.md" for line, figure in stray_figures(text))
    for name, draw in PICTURES.items():
        if (root / name).read_text() != draw(record_of(name)):
            yield f"{name}: not drawn from the record"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=pathlib.Path, nargs="?", default=ROOT / RECORD, metavar="RECORD.json")
    parser.add_argument("cores", type=pathlib.Path, nargs="?", default=ROOT / CORES, metavar="CORES.json")
    parser.add_argument("ranks", type=pathlib.Path, nargs="?", default=ROOT / RANKS, metavar="RANKS.json")
    parser.add_argument("weak", type=pathlib.Path, nargs="?", default=ROOT / WEAK, metavar="WEAK.json")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the tree whose documents are meant")
    options = parser.parse_args()
    records = [json.loads(path.read_text()) for path in (options.record, options.cores)]
    records[1]["ranks"] = json.loads(options.ranks.read_text())
    records[1]["weak"] = json.loads(options.weak.read_text())

    def record_of(name):
        return records[name in OF_CORES]

    if options.check:
        problems = list(check(options.root, record_of))
        print("\n".join(problems[:60]))
        if problems:
            sys.exit(f"bench_tables.py: the documents differ from {options.record}; to make them anew: scripts/bench_tables.py")
        return
    for name, makers in BLOCKS.items():
        path = options.root / name
        path.write_text(fill(path.read_text(), makers, record_of(name))[0])
    for name, draw in PICTURES.items():
        (options.root / name).write_text(draw(record_of(name)))


if __name__ == "__main__":
    main()

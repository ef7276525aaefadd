#!/usr/bin/python3
"""scripts/plot_bench.py FILE.json [OUT.svg] [--only NAME,NAME] [--title TEXT]

Draws what scripts/bench.sh --json FILE.json, or --record, wrote: for each workload the peer's time over Backflow's, a bar for each
number of threads, on a logarithmic axis. A workload that has several peers is drawn with PyTorch; one whose time is per
operation, with its backward. Rows of single operators and those without a peer are left out.
OUT.svg is docs/performance.svg unless it is named.
"""
import argparse
import html
import json
import math
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
METRICS = ("step_us", "backward_ns_per_op")  # the first that a workload has
PEERS = ("pytorch", "libtorch")
COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#e69f00")  # of Okabe and Ito, for the numbers of threads in turn
NAMES = {"pytorch": "PyTorch", "libtorch": "libtorch"}
TICKS = (0.25, 0.5, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
LEFT, WIDTH, RIGHT, TOP, BAR, GAP = 150, 480, 60, 60, 15, 12


def ratios(rows, only=None):
    """Of each workload its peer and {threads: ratio}, in the order of the rows."""
    found = {}
    for row in rows:
        if row["ratio"] is None or row["peer_name"] not in PEERS or row["metric"] not in METRICS:
            continue
        if row["name"] not in only if only else "." in row["name"]:
            continue
        choice = (METRICS.index(row["metric"]), PEERS.index(row["peer_name"]))
        best = found.setdefault(row["name"], (choice, {}))
        if choice < best[0]:
            best = found[row["name"]] = (choice, {})
        if choice == best[0]:
            best[1][row["threads"]] = row["ratio"]
    return {name: (PEERS[peer], bars) for name, ((_, peer), bars) in found.items()}


def text(x, y, content, anchor="start", size=12, colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
            f'{html.escape(content)}</text>')


def document(body, width, height):
    """The file of these elements, on white."""
    lines = "\n".join(body)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n{lines}\n</svg>\n')


class Axis:
    """A logarithmic axis from the tick below all ratios, and below 1, to the one above."""

    def __init__(self, values):
        low, high = min(*values, 1) * 0.999, max(*values, 1) * 1.001
        self.low = max([tick for tick in TICKS if tick <= low], default=low)
        self.high = min([tick for tick in TICKS if tick >= high], default=high)

    def x(self, value):
        return LEFT + WIDTH * math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self):
        return [tick for tick in TICKS if self.low <= tick <= self.high]


def draw(workloads, title):
    """The picture as SVG."""
    counts = sorted({threads for _, bars in workloads.values() for threads in bars})
    colour = {threads: COLOURS[i % len(COLOURS)] for i, threads in enumerate(counts)}
    axis = Axis([ratio for _, bars in workloads.values() for ratio in bars.values()])
    bottom = TOP + sum(BAR * len(bars) + GAP for _, bars in workloads.values())
    body = [text(LEFT, 20, title, size=14)]
    x = LEFT
    for threads in counts:
        body.append(f'<rect x="{x}" y="31" width="11" height="11" fill="{colour[threads]}"/>')
        body.append(text(x + 16, 41, f"{threads} thread{'s' if threads > 1 else ''}"))
        x += 90
    for tick in axis.ticks():
        line = "#444" if tick == 1 else "#ddd"
        at = axis.x(tick)
        body.append(f'<line x1="{at:.1f}" y1="{TOP - 4}" x2="{at:.1f}" y2="{bottom}" stroke="{line}"/>')
        body.append(text(at, bottom + 16, f"{tick:g}", "middle"))
    y = TOP
    for name, (peer, bars) in workloads.items():
        middle = y + BAR * len(bars) / 2
        body.append(text(LEFT - 8, middle, name, "end"))
        body.append(text(LEFT - 8, middle + 11, NAMES[peer], "end", 9, "#777"))
        for threads, ratio in sorted(bars.items()):
            left, right = sorted((axis.x(1), axis.x(ratio)))
            body.append(f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="{BAR - 2}" '
                        f'fill="{colour[threads]}"/>')
            body.append(text(right + 4, y + BAR - 4, f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}", size=11))
            y += BAR
        y += GAP
    body.append(text(LEFT, bottom + 34, "time of the peer / time of Backflow: right of 1 Backflow is faster", size=11))
    width, height = LEFT + WIDTH + RIGHT, bottom + 46
    return document(body, width, height)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("out", type=pathlib.Path, nargs="?", default=ROOT / "docs/performance.svg", metavar="OUT.svg")
    parser.add_argument("--only", type=lambda names: names.split(","))
    parser.add_argument("--title", default="One training step, Backflow against PyTorch")
    options = parser.parse_args()
    found = json.loads(options.rows.read_text())
    workloads = ratios(found["rows"] if isinstance(found, dict) else found, options.only)
    if not workloads:
        sys.exit(f"plot_bench.py: error: {options.rows}: no rows with PyTorch or libtorch to draw: "
                 "need what scripts/bench.sh --json writes")
    options.out.write_text(draw(workloads, options.title))


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""scripts/plot_cores.py FILE.json [OUT.svg]

Draws the predicted speed-up of each workload over the number of cores, on logarithmic axes, from what scripts/bench.sh --only cores
--record FILE.json wrote. OUT.svg is docs/scaling.svg unless it is named.
"""
import argparse
import json
import math
import pathlib
import sys

from plot_bench import document, text

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # of Okabe and Ito, for the workloads in turn
LEFT, WIDTH, RIGHT, TOP, HEIGHT = 50, 440, 130, 40, 330


def speedups(record):
    """{workload: {cores: speed-up}}"""
    return {name: {point["threads"]: point["speedup"] for point in found["scaling"]["points"]}
            for name, found in record["predictions"].items()}


class Axes:
    """From one core to the most, in both directions."""

    def __init__(self, most):
        self.most = most

    def x(self, cores):
        return LEFT + WIDTH * math.log(cores) / math.log(self.most)

    def y(self, speedup):
        return TOP + HEIGHT * (1 - math.log(max(speedup, 1)) / math.log(self.most))

    def ticks(self):
        return [2**i for i in range(int(math.log2(self.most)) + 1)]


def spread_out(heights, least):
    """The same heights, moved so that neighbours are `least` apart; labels stay legible."""
    moved = {}
    last = -math.inf
    for name, y in sorted(heights.items(), key=lambda item: item[1]):
        last = moved[name] = max(y, last + least)
    return moved


def draw(workloads, title):
    """The picture as SVG."""
    axes = Axes(max(max(points) for points in workloads.values()))
    body = [text(LEFT, 20, title, size=14)]
    for tick in axes.ticks():
        x, y = axes.x(tick), axes.y(tick)
        body.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" stroke="#ddd"/>')
        body.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}" stroke="#ddd"/>')
        body.append(text(x, TOP + HEIGHT + 16, str(tick), "middle"))
        body.append(text(LEFT - 6, y + 4, str(tick), "end"))
    body.append(f'<line x1="{axes.x(1):.1f}" y1="{axes.y(1):.1f}" x2="{axes.x(axes.most):.1f}" y2="{axes.y(axes.most):.1f}" '
                'stroke="#999" stroke-dasharray="4 4"/>')
    labels = spread_out({name: axes.y(points[max(points)]) for name, points in workloads.items()}, 14)
    for (name, points), colour in zip(workloads.items(), COLOURS):
        line = " ".join(f"{axes.x(cores):.1f},{axes.y(speedup):.1f}" for cores, speedup in sorted(points.items()))
        body.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body.append(text(axes.x(max(points)) + 6, labels[name] + 4, name, colour=colour))
    body.append(text(LEFT + WIDTH / 2, TOP + HEIGHT + 34, "cores", "middle", 11))
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + 46
    return document(body, width, height)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("out", type=pathlib.Path, nargs="?", default=ROOT / "docs/scaling.svg", metavar="OUT.svg")
    options = parser.parse_args()
    record = json.loads(options.record.read_text())
    if not record.get("predictions"):
        sys.exit(f"plot_cores.py: error: {options.record}: no predictions: need what scripts/bench.sh --only cores --record writes")
    options.out.write_text(draw(speedups(record), "Predicted speed-up of one step"))


if __name__ == "__main__":
    main()

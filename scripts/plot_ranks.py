#!/usr/bin/python3
"""scripts/plot_ranks.py FILE.json [OUT.svg]

Draws the predicted efficiency of each workload over the number of ranks, a line for each network, from what
bench/validate_scaling.py --json FILE.json wrote. OUT.svg is docs/ranks.svg unless it is named.
"""
import argparse
import json
import math
import pathlib

from plot_bench import document, text
from plot_cores import COLOURS, ROOT, spread_out

LEFT, WIDTH, RIGHT, TOP, HEIGHT = 50, 440, 150, 40, 300
TITLE = "Predicted efficiency, nodes of 4 ranks with 16 cores each"
DASHES = ("", "6 4", "2 3")  # for the networks in turn


def draw(curves, title):
    """The picture of {network: {workload: {ranks: efficiency}}} as SVG."""
    most = max(int(ranks) for workloads in curves.values() for points in workloads.values() for ranks in points)

    def x(ranks):
        return LEFT + WIDTH * math.log(ranks) / math.log(most)

    def y(efficiency):
        return TOP + HEIGHT * (1 - efficiency)

    body = [text(LEFT, 20, title, size=14)]
    for i in range(int(math.log2(most)) + 1):
        body.append(f'<line x1="{x(2**i):.1f}" y1="{TOP}" x2="{x(2**i):.1f}" y2="{TOP + HEIGHT}" stroke="#ddd"/>')
        body.append(text(x(2**i), TOP + HEIGHT + 16, str(2**i), "middle", 10))
    for i in range(0, 11, 2):
        body.append(f'<line x1="{LEFT}" y1="{y(i / 10):.1f}" x2="{LEFT + WIDTH}" y2="{y(i / 10):.1f}" stroke="#ddd"/>')
        body.append(text(LEFT - 6, y(i / 10) + 4, f"{i / 10:g}", "end"))
    names = list(dict.fromkeys(name for workloads in curves.values() for name in workloads))
    ends = {}
    for (network, workloads), dash in zip(curves.items(), DASHES):
        for name, points in workloads.items():
            points = sorted((int(ranks), efficiency) for ranks, efficiency in points.items())
            line = " ".join(f"{x(ranks):.1f},{y(efficiency):.1f}" for ranks, efficiency in points)
            body.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[names.index(name)]}" stroke-width="2" '
                        f'stroke-dasharray="{dash}"/>')
            ends[name, network] = y(points[-1][1])
    for (name, network), height in spread_out(ends, 13).items():
        body.append(text(LEFT + WIDTH + 6, height + 4, f"{name}, {network.split(',')[0]}", size=10, colour=COLOURS[names.index(name)]))
    body.append(text(LEFT + WIDTH / 2, TOP + HEIGHT + 34, "ranks", "middle", 11))
    return document(body, LEFT + WIDTH + RIGHT, TOP + HEIGHT + 46)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("out", type=pathlib.Path, nargs="?", default=ROOT / "docs/ranks.svg", metavar="OUT.svg")
    options = parser.parse_args()
    options.out.write_text(draw(json.loads(options.record.read_text())["curves"], TITLE))


if __name__ == "__main__":
    main()

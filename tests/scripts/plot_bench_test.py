#!/usr/bin/env python3
"""What scripts/plot_bench.py draws of which rows."""
import os
import pathlib
import sys
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(os.environ["BACKFLOW_SOURCE"]) / "scripts"))
import plot_bench  # noqa: E402


def row(name, threads, metric, peer, ratio):
    return {"name": name, "threads": threads, "metric": metric, "peer_name": peer, "ratio": ratio}


rows = [
    row("linreg", 1, "step_us", "libtorch", 9.0),
    row("linreg", 1, "step_us", "pytorch", 15.0),
    row("linreg", 2, "step_us", "pytorch", 14.0),
    row("linreg", 2, "peak_mb", "pytorch", 6.0),
    row("chain", 1, "forward_ns_per_op", "libtorch", 19.0),
    row("chain", 1, "backward_ns_per_op", "libtorch", 24.0),
    row("slow<", 1, "step_us", "pytorch", 0.4),
    row("missing", 1, "step_us", "pytorch", None),
    row("branches", 1, "step_us", "backflow-1-thread", 1.9),
    row("elementwise.add", 1, "step_us", "pytorch", 3.0),
]
workloads = plot_bench.ratios(rows)
assert workloads == {"linreg": ("pytorch", {1: 15.0, 2: 14.0}), "chain": ("libtorch", {1: 24.0}),
                     "slow<": ("pytorch", {1: 0.4})}, workloads
assert plot_bench.ratios(rows, ["elementwise.add"]) == {"elementwise.add": ("pytorch", {1: 3.0})}

document = xml.dom.minidom.parseString(plot_bench.draw(workloads, "a & b"))
bars = [r for r in document.getElementsByTagName("rect") if r.getAttribute("height") == str(plot_bench.BAR - 2)]
assert len(bars) == 4, len(bars)
left, right = plot_bench.LEFT, plot_bench.LEFT + plot_bench.WIDTH
for bar in bars:
    x, width = float(bar.getAttribute("x")), float(bar.getAttribute("width"))
    assert left <= x and x + width <= right + 1, (x, width)
one = plot_bench.Axis([0.4, 24.0]).x(1)
assert abs(float(bars[0].getAttribute("x")) - one) < 0.1  # faster: from 1 to the right
assert abs(float(bars[3].getAttribute("x")) + float(bars[3].getAttribute("width")) - one) < 0.2  # slower: to the left

#!/usr/bin/env python3
"""What scripts/plot_cores.py draws of predictions."""
import os
import pathlib
import sys
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(os.environ["BACKFLOW_SOURCE"]) / "scripts"))
import plot_cores  # noqa: E402

record = {"predictions": {name: {"scaling": {"points": [{"threads": n, "speedup": n**power} for n in (1, 2, 64)]}}
                    for name, power in (("a<", 1), ("b", 0.999), ("c", 0))}}
workloads = plot_cores.speedups(record)
assert workloads["a<"] == {1: 1, 2: 2, 64: 64}, workloads

document = xml.dom.minidom.parseString(plot_cores.draw(workloads, "a & b"))
lines = [[tuple(map(float, pair.split(","))) for pair in line.getAttribute("points").split()]
         for line in document.getElementsByTagName("polyline")]
assert len(lines) == 3 and all(len(line) == 3 for line in lines), lines
left, right = plot_cores.LEFT, plot_cores.LEFT + plot_cores.WIDTH
top, bottom = plot_cores.TOP, plot_cores.TOP + plot_cores.HEIGHT
assert lines[0][0] == (left, bottom) and lines[0][2] == (right, top), lines[0]
assert all(y == bottom for _, y in lines[2]), lines[2]

labels = {t.firstChild.data: float(t.getAttribute("y")) for t in document.getElementsByTagName("text")}
assert labels["b"] - labels["a<"] >= 14, labels  # they end at nearly the same height

"""What a trace of `backflow train --trace` says of its steps: when gradients were there, and what communication cost."""
import json
import math
import re

BYTES = {"f64": 8, "f32": 4, "bf16": 2}
COMMUNICATION = ("all-reduce", "reduce-scatter", "all-gather")


def bytes_of(tensor):
    """Of "f32[512, 784]"."""
    dtype, sizes = re.fullmatch(r"(\w+)\[([\d, ]*)\]", tensor).groups()
    return BYTES[dtype] * math.prod(int(n) for n in sizes.split(",") if n.strip())


def united(slices):
    """Intervals without overlap that cover the same times."""
    merged = []
    for begin, end in sorted(slices):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def length(intervals):
    return sum(end - begin for begin, end in intervals)


def common(left, right):
    """How long both of two lists of united intervals last at once."""
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in left for b in right)


class Slice:
    def __init__(self, event):
        self.name, self.kind = event["name"], event.get("cat", "")
        self.begin, self.end = event["ts"] * 1e-6, (event["ts"] + event["dur"]) * 1e-6
        self.arguments = event.get("args", {})

    @property
    def seconds(self):
        return self.end - self.begin


class Step:
    """The slices of one step, with times in seconds since its begin."""

    def __init__(self, step, slices):
        self.seconds = step.seconds
        self.slices = slices
        for one in slices:
            one.begin -= step.begin
            one.end -= step.begin
        # Small sums, of losses, are no gradients.
        self.sums = [s for s in slices if s.kind == "span" and s.name in COMMUNICATION and s.arguments["bytes"] > 1000]
        self.work = [s for s in slices if s.kind in ("forward", "backward", "task") or s.name == "data"]

    def communication(self):
        return length(united((s.begin, s.end) for s in self.sums))

    def hidden(self):
        """How long gradients were under way while this rank computed."""
        return common(united((s.begin, s.end) for s in self.sums), united((s.begin, s.end) for s in self.work))


def read_steps(path):
    """The steps of a trace, without its first, which finds cold caches."""
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e.get("ph") == "X"]
    steps = [Slice(e) for e in events if e["name"] == "step" and e.get("cat") == "span"]
    found = []
    for step in steps[1:] or steps:
        inside = [Slice(e) for e in events if step.begin <= e["ts"] * 1e-6 < step.end and e["name"] != "step"]
        found.append(Step(step, inside))
    return found

"""What one can see of a step that the `backflow` program trains: the time line, the profile, the graph.

usage: observation_test.py [NAME...]  runs the tests of these names, or all.
"""
import json
import os
import pathlib
import re
from xml.etree import ElementTree

from program_test import CONFIG, SMALL, TOWERS, main, metrics, newest, run, steps, train

SVG = "{http://www.w3.org/2000/svg}"


def read_trace(path):
    """The slices of a trace by row, and the names of its rows; times are integers, in ns."""
    trace = json.loads(path.read_text())
    assert trace["otherData"]["dropped_events"] == 0
    rows, names = {}, {}
    for event in trace["traceEvents"]:
        if event["ph"] == "M" and event["name"] == "thread_name":
            names[event["tid"]] = event["args"]["name"]
        if event["ph"] == "X":
            start = round(event["ts"] * 1000)
            rows.setdefault(event["tid"], []).append((start, start + round(event["dur"] * 1000), event))
    assert set(rows) <= set(names) and len(set(names.values())) == len(names)
    return trace, rows, names


def check_nesting(slices):
    open_until = []
    for start, end, event in sorted(slices, key=lambda s: (s[0], -s[1])):
        while open_until and open_until[-1] <= start:
            open_until.pop()
        assert not open_until or end <= open_until[-1], f"crosses the slice around it: {event}"
        open_until.append(end)


def check_trace(path, rank, n, batch):
    """`n` steps of the small model, [64, 32], with `batch` samples each."""
    trace, rows, names = read_trace(path)
    events = [event for row in rows.values() for _, _, event in row]
    for row in rows.values():
        check_nesting(row)
    assert all(event["pid"] == rank for event in trace["traceEvents"])
    assert "main" in names.values()
    count = lambda name: sum(event["name"] == name for event in events)
    for name in ("step", "data", "forward", "backward", "backward pass"):
        assert count(name) == n, f"{name}: {count(name)}, want {n}"
    updates = [e["name"] for e in events if e["cat"] == "task"]
    assert len(updates) >= n and all(name.startswith("update ") for name in updates)
    forward = [e["args"] for e in events if e["name"] == "linear" and e["args"]["in"].startswith(f"f32[{batch}, ")]
    assert {e["out"]: e["flop"] for e in forward} == {
        f"f32[{batch}, 64]": 2 * batch * 784 * 64, f"f32[{batch}, 32]": 2 * batch * 64 * 32,
        f"f32[{batch}, 10]": 2 * batch * 32 * 10}
    backward = {e["args"]["in"]: e["args"] for e in events if e["name"] == "AddmmBackward0"}
    assert backward[f"f32[{batch}, 32]"]["out"] == f"f32[{batch}, 64], f32[32, 64], f32[32]"
    assert backward[f"f32[{batch}, 32]"]["flop"] == 4 * batch * 64 * 32
    assert backward[f"f32[{batch}, 64]"]["out"] == "-, f32[64, 784], f32[64]"  # nobody wants the gradient of the samples
    assert backward[f"f32[{batch}, 64]"]["flop"] == 2 * batch * 784 * 64
    live = [event["args"]["bytes"] for event in trace["traceEvents"] if event["ph"] == "C"]
    assert len(live) == len(events) and max(live) > 4 * 784 * 64
    return rows, names


def test_a_trace_shows_operators_nodes_and_spans(folder):
    out = folder / "run"
    log = train(out, *steps(30), "--trace", "--trace-steps", 12, "--threads", 2).stdout
    rows, names = check_trace(out / "trace.json", 0, 12, 128)
    assert "communication" not in names.values()
    assert f"trace: {out}/trace.json" in log
    assert [p.name for p in out.glob("trace*")] == ["trace.json"]
    train(folder / "short", *steps(5), "--trace")  # is written even so, evaluation included
    rows, _ = check_trace(folder / "short" / "trace.json", 0, 5, 128)
    assert sum(event["name"] == "evaluation" for row in rows.values() for _, _, event in row) == 1
    train(folder / "none", *steps(5))
    assert not list((folder / "none").glob("trace*"))
    for wrong in (["--trace", "--trace-steps", 0], ["--trace-steps", 5]):
        train(folder / "wrong", *wrong, expect=2)


def test_each_rank_writes_its_trace_with_a_row_for_communication(folder):
    out = folder / "run"
    train(out, *steps(8), "--trace", "--trace-steps", 4, ranks=2)
    assert sorted(p.name for p in out.glob("trace*")) == ["trace-rank1.json", "trace.json"]
    for rank, name in enumerate(("trace.json", "trace-rank1.json")):
        rows, names = check_trace(out / name, rank, 4, 64)
        communication = [event for row, name in names.items() if name == "communication" for _, _, event in rows[row]]
        reductions = [e for e in communication if e["name"] == "all-reduce"]
        parts = [e for e in communication if e["name"] in ("start", "wait for ranks", "move")]
        assert len(reductions) + len(parts) == len(communication) and len(reductions) >= 8
        # What is in flight is waited for or moved.
        waits, moves = (sum(e["dur"] for e in parts if e["name"] == kind) for kind in ("wait for ranks", "move"))
        assert waits + moves >= sum(e["dur"] for e in reductions) - 1e-3 * len(parts)
        buckets = {e["args"].get("bucket") for e in communication}
        assert buckets == set(range(len(buckets) - 1)) | {None}, buckets  # the sum of the losses is of none
        # All gradients travel: one bucket each step, with a count for each parameter.
        numbers = 784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
        assert max(e["args"]["bytes"] for e in reductions) >= 4 * numbers


def check_communication(line, steps, ranks):
    assert (line["steps"], line["ranks"]) == (steps, ranks)
    numbers = 784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
    rows = sorted({key.rpartition(".")[0] for key in line if "." in key})
    assert rows == [f"bucket.{i}" for i in range(len(rows) - 1)] + ["other"], rows
    for row in [""] + [row + "." for row in rows]:
        flight = line[row + "start_ms"] + line[row + "wait_ms"] + line[row + "move_ms"]
        assert abs(flight - line[row + "hidden_ms"] - line[row + "exposed_ms"]) < 1e-6
        assert line[row + "hidden_ms"] >= 0 and line[row + "exposed_ms"] > -1e-9
    for key in ("calls", "sent_bytes", "start_ms", "wait_ms", "move_ms", "hidden_ms", "exposed_ms"):
        assert abs(line[key] - sum(line[f"{row}.{key}"] for row in rows)) <= 1e-6 + (key == "sent_bytes"), key
    gradients = line["sent_bytes"] - line["other.sent_bytes"]
    least = 2 * 4 * numbers * (ranks - 1) / ranks
    assert least < gradients < 1.01 * least, (gradients, least)  # places are aligned, and gradients counted
    assert line["slowest_rank"] in range(ranks) and line["slowest_rank_host"]
    assert 0 <= line["slowest_rank_wait_ms"] <= line["other_ranks_wait_ms"]


def test_a_run_ends_with_a_profile(folder):
    out = folder / "run"
    log = train(out, *steps(20), "--profile", ranks=2).stdout
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines[-3:]] == ["communication", "profile", "final"]
    check_communication(lines[-3], 4, 2)
    profile = lines[-2]
    assert profile["steps"] == 4  # steps 11, 14, 17, 20
    assert profile["backward.AddmmBackward0.calls"] == profile["forward.linear.calls"] == 3 * 4
    assert profile["backward.AccumulateGrad.calls"] == 6 * 4
    assert 0 < profile["backward_critical_path_ms"] <= profile["backward_work_ms"]
    assert profile["parallelism_bound"] >= 1
    assert profile["parallelism"] > 0
    assert profile["backward_tasks_ms"] > 0
    assert profile["span.all-reduce.ms"] > 0
    peaks = [line["peak_bytes"] for line in lines if line["event"] == "step"]
    parameters = 4 * (784 * 64 + 64 * 32 + 32 * 10)
    data = 7000 * (28 * 28 + 8)
    assert len(peaks) == 20 and all(2 * parameters < peak - data < 100 * parameters for peak in peaks), peaks
    assert profile["peak_bytes"] in peaks
    assert profile["parallelism"] <= profile["parallelism_bound"]
    for text in (log, (out / "log.txt").read_text()):
        table = text[text.index("profile of 4 steps"):].splitlines()
        names = [line.split()[0] for line in table]
        assert "AddmmBackward0" in names and "linear" in names
        assert "(T/C)" in text
        assert ["bucket", "0"] in [line.split()[:2] for line in table], text
        assert "ms hidden behind computing, " in text and re.search(r"^.*slowest: rank [01] on ", text, re.MULTILINE), text
        assert table[-1].startswith("test accuracy 0."), table


def test_the_accuracy_is_the_last_line_and_the_table_is_there_on_request_alone(folder):
    log = train(folder / "run", *steps(5)).stdout
    assert "AddmmBackward0" not in log and "communication" not in log and log.splitlines()[-1].startswith("test accuracy 0."), log
    assert metrics(folder / "run", "profile")[0]["steps"] == 3
    train(folder / "tiny", *steps(1))
    assert metrics(folder / "tiny", "profile")[0]["steps"] == 1


def test_a_run_that_goes_on_is_traced_and_sampled_from_where_it_starts(folder):
    out = folder / "run"
    train(out, *steps(12))
    log = train(out, *steps(24), "--resume", "auto", "--trace", "--trace-steps", "2", "--profile").stdout
    assert "AddmmBackward0" in log and [m["steps"] for m in metrics(out, "profile")] == [3, 3], log
    _, rows, _ = read_trace(out / "trace.json")
    assert sum(event["name"] == "step" for row in rows.values() for _, _, event in row) == 2


def test_a_quiet_run_prints_the_path_of_its_dump(folder):
    out = folder / "run"
    done = train(out, *steps(5), "--quiet")
    assert done.stdout == f"{newest(out)}\n" and done.stderr == "", (done.stdout, done.stderr)
    assert "test accuracy 0." in (out / "log.txt").read_text()


def test_an_epoch_ends_with_its_mean_loss_and_its_own_time(folder):
    # Batches of 2,500 samples: two and one of 1,000 in each epoch.
    out = folder / "run"
    log = train(out, "--set", "train.batch_size=2500", "--set", "train.epochs=3").stdout
    lines = re.findall(r"^epoch (\d)/3: loss (\S+), test loss \S+, test accuracy \S+, (\S+) s$", log, re.M)
    assert [epoch for epoch, _, _ in lines] == ["1", "2", "3"], log
    loss = [m["loss"] for m in metrics(out, "step")]
    for i, (_, mean, _) in enumerate(lines):
        a, b, c = loss[3 * i:3 * i + 3]
        assert abs(float(mean) - (25 * a + 25 * b + 10 * c) / 60) < 1e-4, (mean, a, b, c)
    # Times are rounded to 0.1 s.
    assert sum(float(time) for _, _, time in lines) <= metrics(out, "final")[0]["seconds"] + 0.15, lines


def test_a_graph_shows_one_step(folder):
    def graph(*args, **options):
        return run("graph", CONFIG, *SMALL, *args, **options)
    assert graph("-o", folder / "g.json").stdout == ""
    step = json.loads((folder / "g.json").read_text())
    forward, backward, groups = step["forward"]["nodes"], step["backward"]["nodes"], step["groups"]
    operators = [(n["name"], n["shape"]) for n in forward if n["kind"] == "operator"]
    assert operators == [("flatten", "f32[128, 784]"), ("linear", "f32[128, 64]"), ("relu", "f32[128, 64]"),
                         ("linear", "f32[128, 32]"), ("relu", "f32[128, 32]"), ("linear", "f32[128, 10]"),
                         ("cross_entropy_loss", "f32[]"), ("div", "f32[]")], operators
    assert [n["name"] for n in forward if n["kind"] == "input"] == ["samples", "labels"]
    parameters = {n["name"]: n["shape"] for n in forward if n["kind"] == "parameter"}
    assert parameters == {n["parameter"]: n["gradients"] for n in backward if n["parameter"]} and len(parameters) == 6
    assert parameters["0.weight"] == "f32[64, 784]"
    assert abs(step["work_ns"] - sum(n["estimated_ns"] for n in backward)) < 1
    assert abs(step["critical_path_ns"] - sum(n["estimated_ns"] for n in backward if n["critical"])) < 1
    assert abs(step["parallelism_bound"] - step["work_ns"] / step["critical_path_ns"]) < 1e-6
    assert sorted(i for g in groups for i in g["nodes"]) == list(range(len(backward)))
    edges = {(forward[a]["name"], forward[b]["name"]) for a, b in step["forward"]["edges"]}
    assert {("samples", "flatten"), ("flatten", "linear"), ("0.weight", "linear"), ("labels", "cross_entropy_loss")} < edges

    dot = graph().stdout
    graph("-o", folder / "g.dot")
    assert (folder / "g.dot").read_text() == dot
    # Parameters and their accumulators are lines of the nodes that they belong to.
    assert '"flatten\\nf32[128, 784]"' in dot
    assert '"linear\\nf32[128, 64]\\n0.weight f32[64, 784]\\n0.bias f32[64]"' in dot, dot
    assert 'to 0.weight\\nto 0.bias' in dot, dot
    assert dot.count("color=red") >= 2, dot
    graph("-o", folder / "g.svg")
    svg = ElementTree.parse(folder / "g.svg")
    kinds = [e.get("class") for e in svg.iter("{http://www.w3.org/2000/svg}g")]
    assert kinds.count("node") == len(forward) + len(backward) - 2 * 6
    graph("-o", folder / "g.png")
    assert (folder / "g.png").read_bytes().startswith(b"\x89PNG\r\n")
    graph("-o", folder / "g.pdf")
    assert (folder / "g.pdf").read_bytes().startswith(b"%PDF-")


def inside(svg):
    """Whether every point of every line lies in the frame of the picture."""
    left, top, width, height = map(float, svg.getroot().get("viewBox").split())
    shift = [float(x) for x in re.search(r"translate\((\S+) (\S+)\)", next(svg.iter(SVG + "g")).get("transform")).groups()]
    for path in svg.iter(SVG + "path"):
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d")):
            x, y = float(x) + shift[0], float(y) + shift[1]
            if not (left <= x <= left + width and top <= y <= top + height):
                return False
    return True


def test_equal_branches_are_drawn_once_on_a_page(folder):
    run("graph", TOWERS, "-o", folder / "g.json")
    step = json.loads((folder / "g.json").read_text())
    assert sum(n["name"] == "linear" for n in step["forward"]["nodes"]) == 8 * 3 + 2  # everything
    run("graph", TOWERS, "-o", folder / "g.svg")
    svg = ElementTree.parse(folder / "g.svg")
    text = " ".join(t.text for t in svg.iter(SVG + "text"))
    for line in ("linear x 8", "relu x 8", "AddmmBackward0 x 8", "ReluBackward0 x 8", "add, 7 in a row",
                 "AddBackward0, 7 in a row", "3.*.0.weight f32[256, 256]", "to 3.*.4.bias"):
        assert line in text, (line, text)
    kinds = [e.get("class") for e in svg.iter(SVG + "g")]
    assert kinds.count("node") == 25, kinds.count("node")
    width, height = (float(svg.getroot().get(side).removesuffix("pt")) for side in ("width", "height"))
    assert width < 842 and height < 1191, (width, height)  # of a sheet A3
    assert inside(svg)


INCEPTION = """
[[model.layers]]
type = "conv2d"
out_channels = 8
kernel_size = 3
padding = 1
[[model.layers]]
type = "branches"
combine = "concat"
branches = [
  {layers = [{type = "conv2d", out_channels = 8, kernel_size = 1}, {type = "relu"}]},
  {layers = [{type = "conv2d", out_channels = 8, kernel_size = 1}, {type = "conv2d", out_channels = 8, kernel_size = 3, padding = 1}, {type = "relu"}]},
  {layers = [{type = "conv2d", out_channels = 8, kernel_size = 1}, {type = "conv2d", out_channels = 8, kernel_size = 3, padding = 1}, {type = "relu"}]},
]
[[model.layers]]
type = "branches"
branches = [{layers = []}, {layers = [{type = "batch_norm2d"}, {type = "relu"}, {type = "conv2d", out_channels = 24, kernel_size = 3, padding = 1}]}]
[[model.layers]]
type = "flatten"
[[model.layers]]
type = "linear"
out_features = 10
"""


def test_different_branches_and_a_shortcut_are_drawn_in_the_frame(folder):
    text = pathlib.Path(TOWERS).read_text()
    begin, end = text.index("[[model.layers]]"), text.index("[optimizer]")
    (folder / "net.toml").write_text(text[:begin] + INCEPTION + text[end:])
    dot = run("graph", folder / "net.toml").stdout
    assert dot.count("conv2d x 2") == 2 and dot.count("ConvolutionBackward0 x 2") == 2, dot
    assert "2.*.0.weight" not in dot and "1.*.1.weight f32[8, 8, 3, 3]" in dot, dot
    run("graph", folder / "net.toml", "-o", folder / "g.svg")
    assert inside(ElementTree.parse(folder / "g.svg"))
    run("graph", folder / "net.toml", "-o", folder / "g.json")
    # Two for each multiplication and addition: 128 pictures of 28 x 28 of 24 channels, each from 9 weights of 24 channels.
    flop = [n["flop"] for n in json.loads((folder / "g.json").read_text())["forward"]["nodes"] if n["name"] == "conv2d"]
    assert flop[-1] == 2 * 128 * 28 * 28 * 24 * 9 * 24, flop


def test_a_graph_that_cannot_be_drawn(folder):
    error = run("graph", CONFIG, "-o", folder / "g.gif", expect=2).stderr
    assert "need a name that ends with" in error and error.count("\n") == 1, error
    run("graph", folder / "none.toml", expect=2)
    nothing = dict(os.environ, PATH=str(folder))
    error = run("graph", CONFIG, *SMALL, "-o", folder / "g.svg", expect=1, env=nothing).stderr
    assert error == "backflow: error: graph: cannot run 'dot': need the package graphviz\n", error
    (folder / "dot").write_text("#!/bin/sh\nexit 3\n")
    (folder / "dot").chmod(0o755)
    error = run("graph", CONFIG, *SMALL, "-o", folder / "g.svg", expect=1, env=nothing).stderr
    assert "'dot' failed" in error, error
    assert sorted(p.name for p in folder.iterdir()) == ["dot"]
    assert "cannot write" in run("graph", CONFIG, *SMALL, "-o", "/nowhere/g.dot", expect=1).stderr


def test_profile_says_how_many_cores_a_model_feeds(folder):
    before = sorted(folder.iterdir())
    text = run("profile", CONFIG, *SMALL, "--cores", cwd=folder).stdout
    table = [line.split() for line in text.splitlines() if re.fullmatch(r" *\d+ +[\d.]+ +[\d.]+( +-?[\d.]+){5}", line)]
    assert [int(row[0]) for row in table] == [1, 2, 4, 8, 16, 32, 64, 128], text
    assert float(table[0][2]) == 1 and all(0.2 < float(row[2]) <= int(row[0]) * 1.5 for row in table), text
    assert re.search(r"^feeds \d+ cores?: ", text, re.MULTILINE), text
    for threads in (16, 64):
        assert f"{threads} threads, what loses most" in text, text
    assert "AddmmBackward0" in text and "linear f32[" in text and "update" in text, text
    assert sorted(folder.iterdir()) == before


def test_profile_prints_where_the_time_of_a_step_goes(folder):
    text = run("profile", CONFIG, *SMALL, "--steps", 4, cwd=folder).stdout
    assert text.startswith("profile of 4 steps, ") and "AddmmBackward0" in text, text
    assert "communication" not in text, text
    text = run("profile", CONFIG, *SMALL, "--steps", 4, cwd=folder, ranks=2).stdout
    assert text.count("profile of 4 steps, ") == text.count("communication of a step: ") == 1, text
    assert "bucket 0" in text and "slowest: rank " in text, text
    error = run("profile", CONFIG, *SMALL, "--cores", ranks=2, expect=2).stderr
    assert "backflow: error: profile: 2 ranks: need one; for a rank's part of a batch set train.batch_size" in error, error


if __name__ == "__main__":
    main(globals())

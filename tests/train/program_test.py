"""Runs the `backflow` program as its users do, on one and on two ranks, on real data: results, exit codes, messages.

usage: program_test.py [NAME...]  runs the tests of these names, or all.
"""
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
BACKFLOW = str(pathlib.Path(os.environ["BACKFLOW_BIN"]) / "backflow")
CONFIG = str(SOURCE / "configs/fashion_mnist_mlp.toml")
TOWERS = str(SOURCE / "configs/fashion_mnist_towers.toml")
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
MPIRUN = ["mpirun", "--bind-to", "none", "--map-by", "slot:OVERSUBSCRIBE"]
SMALL = ["--set", "model.hidden=[64, 32]"]


def run(*args, ranks=0, expect=0, **options):
    command = (MPIRUN + ["-n", str(ranks)] if ranks else []) + [BACKFLOW, *map(str, args)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == expect, f"exit code {done.returncode}, want {expect}: {command}\n{done.stdout}{done.stderr}"
    return done


def train(out, *args, **options):
    return run("train", CONFIG, "--out", out, *SMALL, *args, **options)


def metrics(out, event):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def newest(out):
    return max((out / "checkpoints").glob("step-*.h5"))


def steps(n, *args):
    return ["--set", f"train.max_steps={n}", *args]


def compare_losses(folder, n, tolerance, *args):
    train(folder / "one", *steps(n), *args)
    train(folder / "two", *steps(n), *args, ranks=2)
    one, two = (metrics(folder / d, "step") for d in ("one", "two"))
    assert len(one) == len(two) == n
    worst = max(abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(one, two))
    assert worst <= tolerance, f"losses on one and two ranks differ by {worst}, want {tolerance}"


def test_one_and_two_ranks_have_the_same_losses_in_float32(folder):
    compare_losses(folder, 20, 1e-5)


def test_one_and_two_ranks_have_the_same_losses_in_float64(folder):
    compare_losses(folder, 100, 1e-12, "--set", "train.dtype=float64")


def test_micro_batches_give_the_same_losses_on_any_number_of_ranks(folder):
    # Batches of 9,999 samples, and a last one of 6: fewer than there are micro-batches.
    common = [*steps(7), "--set", "train.dtype=float64", "--set", "train.batch_size=9999", "--set", "optimizer.momentum=0.9"]
    train(folder / "whole", *common)
    whole = [m["loss"] for m in metrics(folder / "whole", "step")]
    for ranks in (0, 2):
        train(folder / str(ranks), *common, "--set", "train.micro_batches=7", ranks=ranks)
        cut = [m["loss"] for m in metrics(folder / str(ranks), "step")]
        assert len(cut) == len(whole) == 7
        assert cut != whole and all(abs(a - b) <= 1e-12 * abs(a) for a, b in zip(whole, cut)), (whole, cut)


def test_gradients_are_clipped_and_their_norm_is_recorded(folder):
    clip = ["--set", "train.dtype=float64", "--set", "train.clip_grad_norm=0.01"]
    train(folder / "free", *steps(5), "--set", "train.dtype=float64")
    train(folder / "one", *steps(5), *clip)
    train(folder / "two", *steps(5), *clip, "--set", "train.micro_batches=2", ranks=2)
    assert "grad_norm" not in metrics(folder / "free", "step")[0]
    one, two = (metrics(folder / d, "step") for d in ("one", "two"))
    assert all(m["grad_norm"] > 0.01 for m in one)
    for key in ("loss", "grad_norm"):
        assert all(abs(a[key] - b[key]) <= 1e-9 * abs(a[key]) for a, b in zip(one, two)), key
    assert one[4]["loss"] > metrics(folder / "free", "step")[4]["loss"]


def test_a_gradient_that_is_not_finite_ends_the_run_with_the_parameters_name(folder):
    wild = [*steps(50), "--set", "optimizer.lr=1e30", "--set", "train.check_gradients=true"]
    for ranks in (0, 2):
        error = train(folder / str(ranks), *wild, ranks=ranks, expect=1).stderr
        assert "training step: the gradient of " in error and "NaN or infinite" in error, error


def test_an_uneven_last_batch_is_exact(folder):
    # 60,000 samples in batches of 9,999: the last one has 6.
    compare_losses(folder, 7, 1e-12, "--set", "train.dtype=float64", "--set", "train.batch_size=9999")


def test_a_last_batch_with_fewer_samples_than_ranks_does_not_hang(folder):
    train(folder / "run", "--set", "train.batch_size=59999", ranks=2)
    assert len(metrics(folder / "run", "step")) == 20  # ten epochs


def test_dumps_are_bitwise_equal_for_any_number_of_threads(folder):
    for threads in (1, 2, 4):
        run("train", CONFIG, "--out", folder / str(threads), "--threads", threads, *steps(12))
    for threads in (2, 4):
        run("inspect", newest(folder / "1"), "--diff", newest(folder / str(threads)))
    train(folder / "other", *steps(12), "--set", "seed=2")
    train(folder / "small", *steps(12))
    different = run("inspect", newest(folder / "small"), "--diff", newest(folder / "other"), expect=1)
    assert "/parameters/0.weight" in different.stdout


def test_towers_compute_the_same_on_any_number_of_threads(folder):
    assert "1 rank" in run("train", TOWERS, "--dry-run").stdout
    (folder / "resolved.toml").write_text(run("config", TOWERS).stdout)
    assert run("config", folder / "resolved.toml").stdout == (folder / "resolved.toml").read_text()
    for threads in (1, 2, 4):
        run("train", TOWERS, "--out", folder / str(threads), "--threads", threads, *steps(20))
    for threads in (2, 4):
        run("inspect", newest(folder / "1"), "--diff", newest(folder / str(threads)))
    run("train", folder / "resolved.toml", "--out", folder / "resolved", *steps(20))
    run("inspect", newest(folder / "1"), "--diff", newest(folder / "resolved"))
    assert "3.7.4.weight" in run("inspect", newest(folder / "1")).stdout
    first, *_, last = (line["loss"] for line in metrics(folder / "1", "step"))
    assert first < 2.5 and last < 0.9 * first, (first, last)


def test_evaluate_gives_the_final_line_exactly(folder):
    out = folder / "run"
    train(out, "--set", "train.epochs=1", ranks=2)
    final = metrics(out, "final")
    assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1]) == final[0]
    for ranks, threads in ((0, 1), (0, 2), (2, 1)):
        result = json.loads(run("evaluate", newest(out), "--threads", threads, ranks=ranks).stdout)
        assert result["test_accuracy"] == final[0]["test_accuracy"] and result["test_loss"] == final[0]["test_loss"]
    assert final[0]["test_accuracy"] > 0.8
    for name in ("config.toml", "environment.json", "log.txt"):
        assert (out / name).stat().st_size > 0
    listing = run("inspect", newest(out)).stdout
    assert "0.weight" in listing and "2.bias" in listing and "4.bias" in listing


def test_resolved_configuration_gives_the_same_run(folder):
    resolved = run("config", CONFIG, *SMALL).stdout
    (folder / "resolved.toml").write_text(resolved)
    assert run("config", folder / "resolved.toml").stdout == resolved
    train(folder / "a", *steps(3))
    run("train", folder / "resolved.toml", "--out", folder / "b", *steps(3))
    run("inspect", newest(folder / "a"), "--diff", newest(folder / "b"))


def test_wrong_configurations_exit_with_2_and_one_line(folder):
    text = pathlib.Path(CONFIG).read_text()
    cases = {
        "unknown key": (text.replace("momentum =", "momentun ="), "did you mean 'momentum'?"),
        "wrong type": (text.replace("epochs = 10", 'epochs = "four"'), "is a string: need an integer"),
        "out of range": (text.replace("batch_size = 128", "batch_size = 0"), "need an integer from 1 to"),
        "missing file": (text.replace("fashion-mnist\"", "fashion\""), "no such file"),
        "layer": (text.replace('name = "mlp"\nhidden = [512, 512]', "[[model.layers]]\ntype = \"flatten\"\n[[model.layers]]\n"
                               "type = \"linear\"\nin_features = 700\nout_features = 10"), "need in_features = 784"),
        "last layer": (text.replace('name = "mlp"\nhidden = [512, 512]', "[[model.layers]]\ntype = \"flatten\""),
                       "need [10]"),
        "not TOML": ("this is not TOML", ""),
    }
    for name, (content, message) in cases.items():
        path = folder / f"{name}.toml"
        path.write_text(content)
        for ranks in (0, 2):
            error = run("train", path, "--out", folder / "run", ranks=ranks, expect=2).stderr
            ours = [line for line in error.splitlines() if line.startswith("backflow: error: ")]
            assert len(ours) == 1, f"{name}: {error}"
            assert ours[0].startswith(f"backflow: error: {path}:") and message in ours[0], ours[0]
            assert ranks or error.count("\n") == 1, error
    assert not (folder / "run").exists()
    assert str(folder / "none.toml") in run("train", folder / "none.toml", expect=2).stderr
    run("train", CONFIG, "--set", "train.epochs=-1", expect=2)
    run("train", CONFIG, "--set", "train.micro_batches=0", expect=2)
    run("train", CONFIG, "--set", "train.clip_grad_norm=-1", expect=2)
    run("train", CONFIG, "--set", 'train.check_gradients="yes"', expect=2)
    run("train", CONFIG, "--threads", 0, expect=2)
    run("train", expect=2)
    run("evaluate", folder / "none.h5", expect=2)


def copy_data(folder):
    target = folder / "data"
    shutil.copytree(DATA, target)
    return target, ["--set", f"data.directory={target}"]


def test_damaged_data_exit_with_1_and_name_the_file(folder):
    data, option = copy_data(folder)
    images = data / "t10k-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    plain = gzip.decompress(whole)
    for content in (whole[: len(whole) // 2], whole[:5000] + b"\0" * 8 + whole[5008:], b"", plain[:-1], plain + b"x",
                    b"\1" + plain[1:]):
        images.write_bytes(content)
        error = run("config", CONFIG, *option, expect=1).stderr
        assert error.count("\n") == 1 and str(images) in error, error
    assert str(images) in train(folder / "run", *option, ranks=2, expect=1).stderr


def test_a_full_disk_while_dumping_exits_with_1_and_leaves_the_previous_dump(folder):
    def limit():
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # a dump has 220 KB or 3 MB
    out = folder / "run"
    train(out, *steps(2))
    before = newest(out).read_bytes()
    error = run("train", CONFIG, "--out", out, *steps(2), "--set", "model.hidden=[1000]", expect=1, preexec_fn=limit).stderr
    assert "cannot write" in error and error.count("\n") == 1, error
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["step-000000002.h5"]
    assert newest(out).read_bytes() == before


def test_an_unusable_run_directory_exits_with_1(folder):
    (folder / "file").write_text("in the way")
    error = train(folder / "file" / "run", expect=1, ranks=2).stderr
    assert len([line for line in error.splitlines() if line.startswith("backflow: error: rank 0: ")]) == 1, error


def start_and_wait_for_step(folder, *prefix):
    """Starts a long run; returns the process and its ranks' ids once it has done a step."""
    out = folder / "run"
    command = [*prefix, BACKFLOW, "train", CONFIG, "--out", str(out), *SMALL, "--set", "train.epochs=100000"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (out / "metrics.jsonl").exists() or '"step"' not in (out / "metrics.jsonl").read_text():
        assert process.poll() is None, process.stdout.read()
    ranks = subprocess.run(["pgrep", "-f", f"^{BACKFLOW} train .*{out}"], capture_output=True, text=True).stdout.split()
    return process, sorted(map(int, ranks)), out


def test_a_killed_rank_ends_the_job_and_is_named(folder):
    process, ranks, _ = start_and_wait_for_step(folder, *MPIRUN, "-n", "2")
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "signal 9" in output and "rank" in output, output


def test_a_signal_stops_the_run_with_a_dump_and_exit_code_3(folder):
    process, _, out = start_and_wait_for_step(folder)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "dump: " in output
    run("evaluate", newest(out))


def test_dry_run_and_version_compute_nothing(folder):
    plan = train(folder / "run", "--dry-run", ranks=2).stdout
    assert "0.weight" in plan and "469 steps" in plan and "2 ranks" in plan
    assert not (folder / "run").exists()
    version = run("--version").stdout
    for library in ("backflow", "onednn", "onetbb", "mpi", "hdf5"):
        assert library in version


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
    for name in ("step", "data", "forward", "backward", "update", "backward pass"):
        assert count(name) == n, f"{name}: {count(name)}, want {n}"
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
        assert len([e for e in communication if e["name"] == "all-reduce"]) == len(communication) >= 8
        # All gradients travel: one bucket each step, with a count for each parameter.
        numbers = 784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
        assert max(e["args"]["bytes"] for e in communication) >= 4 * numbers


def test_a_run_ends_with_a_profile(folder):
    out = folder / "run"
    log = train(out, *steps(20), ranks=2).stdout
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines[-2:]] == ["profile", "final"]
    profile = lines[-2]
    assert profile["steps"] == 4  # steps 11, 14, 17, 20
    assert profile["backward.AddmmBackward0.calls"] == profile["forward.linear.calls"] == 3 * 4
    assert profile["backward.AccumulateGrad.calls"] == 6 * 4
    assert 0 < profile["backward_critical_path_ms"] <= profile["backward_work_ms"]
    assert profile["parallelism_bound"] >= 1
    assert profile["parallelism"] > 0
    assert profile["span.all-reduce.ms"] > 0
    peaks = [line["peak_bytes"] for line in lines if line["event"] == "step"]
    parameters = 4 * (784 * 64 + 64 * 32 + 32 * 10)
    data = 70000 * (28 * 28 + 8)
    assert len(peaks) == 20 and all(2 * parameters < peak - data < 100 * parameters for peak in peaks), peaks
    assert profile["peak_bytes"] in peaks
    for text in (log, (out / "log.txt").read_text()):
        table = text[text.index("profile of 4 steps"):].splitlines()
        names = [line.split()[0] for line in table[2:]]
        assert "AddmmBackward0" in names and "linear" in names and len(names) <= 15 + 3
        assert "(T/C)" in text
    train(folder / "tiny", *steps(1))
    assert metrics(folder / "tiny", "profile")[0]["steps"] == 1


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
    assert dot.count("subgraph cluster_group") == len(groups) and '"flatten\\nf32[128, 784]"' in dot
    assert dot.count("color=red") >= 2 * sum(n["critical"] for n in backward) - 1
    graph("-o", folder / "g.svg")
    svg = ElementTree.parse(folder / "g.svg")
    kinds = [e.get("class") for e in svg.iter("{http://www.w3.org/2000/svg}g")]
    assert kinds.count("node") == len(forward) + len(backward)
    assert kinds.count("cluster") == 2 + len(groups)


def test_a_graph_that_cannot_be_drawn(folder):
    error = run("graph", CONFIG, "-o", folder / "g.png", expect=2).stderr
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


def main():
    tests = {name[5:]: f for name, f in globals().items() if name.startswith("test_")}
    chosen = sys.argv[1:] or list(tests)
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="backflow-program-") as folder:
            try:
                tests[name](pathlib.Path(folder))
            except Exception:
                print(f"FAILED {name}; reproduce: BACKFLOW_SOURCE={SOURCE} BACKFLOW_BIN={os.environ['BACKFLOW_BIN']} "
                      f"/usr/bin/python3 {__file__} {name}", flush=True)
                raise
        print(f"ok {name}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Kills training runs at random, goes on with each at once, and compares what comes out with a run without a break.

A run trains a network with batch normalization and dropout by Adam on a small random data set, with a dump after every
step, alone and on two ranks. Up to five times it is killed with SIGKILL: a rank, mpirun (whose ranks live on for a
while) or both, at a random moment, or while a dump is being written. Each time the same command, with --resume auto, is
started again at once. In the end

- every start but the first has gone on from a dump, if there was one, and none has failed by itself;
- the `final` line, what `backflow evaluate` makes of the last dump, and the `final` line of the run without a break are
  equal, bit for bit, and so is all that the last dump holds;
- the run directory has the same files as that of the run without a break: nothing unfinished, no lock, no other dumps.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("BACKFLOW_BIN", ROOT / "build/release/bin"))
BACKFLOW = str(BIN / "backflow")
MPIRUN = str(ROOT / "scripts/mpirun.sh")
MOST_KILLS = 5

CONFIG = """
name = "crash_test"
seed = {seed}
[data]
directory = "{data}"
train_images = "train-images"
train_labels = "train-labels"
test_images = "test-images"
test_labels = "test-labels"
[[model.layers]]
type = "conv2d"
out_channels = 8
kernel_size = 3
[[model.layers]]
type = "batch_norm2d"
[[model.layers]]
type = "relu"
[[model.layers]]
type = "dropout"
p = 0.25
[[model.layers]]
type = "flatten"
[[model.layers]]
type = "linear"
out_features = 4
[optimizer]
name = "adam"
lr = 0.01
[train]
epochs = 3
batch_size = 20
eval_batch_size = 50
[checkpoint]
every_steps = 1
keep_last = 3
"""
SAMPLES = 190  # ten steps an epoch, the last of ten samples


def write_idx(path, sizes, content):
    path.write_bytes(bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + bytes(content))


def write_data(folder, rng):
    for kind, n in (("train", SAMPLES), ("test", 100)):
        classes = [rng.randrange(4) for _ in range(n)]
        pixels = [min(255, rng.randrange(160) + 40 * c * (i % 2)) for c in classes for i in range(100)]
        write_idx(folder / f"{kind}-images", (n, 10, 10), pixels)
        write_idx(folder / f"{kind}-labels", (n,), classes)


def start(config, out, ranks, log):
    """In a session of its own, so that nobody else's signals reach it."""
    command = [BACKFLOW, "train", str(config), "--out", str(out), "--resume", "auto", "--threads", "1"]
    if ranks > 1:
        command = [MPIRUN, "-n", str(ranks), *command]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def descendants(pid):
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *descendants(child))]


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def kill_some(process, victim, rng):
    """Kills a rank, mpirun, or both, of a job that may have ended by now."""
    everyone = [process.pid, *descendants(process.pid)]
    programs = {pid: program_of(pid) for pid in everyone}
    ranks = [pid for pid, program in programs.items() if program == "backflow"]
    launchers = [pid for pid, program in programs.items() if program in ("mpirun", "orterun", "prterun")]
    kill({"rank": [rng.choice(ranks)] if ranks else [], "mpirun": launchers, "both": launchers + ranks}[victim])


def number_of_dumps(out):
    """How many dumps a run has made so far: its newest, as there is one of every step."""
    return max((int(path.name[5:14]) for path in (out / "checkpoints").glob("step-" + "[0-9]" * 9 + ".h5")), default=0)


def dumps_now(out):
    return any((out / "checkpoints").glob(".backflow-*.tmp"))


def wait_for_moment(process, out, rng):
    """Until a few more dumps have been made, and then a random time, or until the next dump is being written."""
    wanted = number_of_dumps(out) + rng.randrange(7)
    while process.poll() is None and number_of_dumps(out) < wanted:
        time.sleep(0.001)
    if rng.random() < 0.5:
        while process.poll() is None and not dumps_now(out):
            pass
    else:
        time.sleep(rng.random() * 0.03)


def read_metrics(out, event):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def content_of(dump):
    import h5py
    with h5py.File(dump) as file:
        found = {f"{group}/{name}": data[()].tobytes() for group in ("parameters", "buffers", "optimizer")
                 for name, data in file[group].items()}
        return found, int(file.attrs["step"]), int(file.attrs["epoch"])


def newest(out):
    return max((out / "checkpoints").glob("step-*.h5"))


def evaluate(dump):
    done = subprocess.run([BACKFLOW, "evaluate", str(dump), "--threads", "1"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compare(out, whole):
    files = [sorted(str(p.relative_to(d)) for p in d.rglob("*")) for d in (out, whole)]
    assert files[0] == files[1], f"files: {files[0]}, want {files[1]}"
    final, wanted = (read_metrics(d, "final")[-1] for d in (out, whole))
    evaluated = evaluate(newest(out))
    for key in ("test_loss", "test_accuracy"):
        assert final[key] == wanted[key] == evaluated[key], f"{key}: {final[key]}, {evaluated[key]}, want {wanted[key]}"
    assert content_of(newest(out)) == content_of(newest(whole)), "the last dumps differ"
    last = [{m["epoch"]: (m["loss"], m["accuracy"]) for m in read_metrics(d, "eval")} for d in (out, whole)]
    assert last[0] == last[1], f"eval lines: {last[0]}, want {last[1]}"


def run_with_kills(config, out, ranks, rng, log_path):
    """Returns what was killed, and how often a dump was being written then."""
    kills, in_dumps, planned = [], 0, rng.randrange(1, MOST_KILLS + 1)
    while True:
        had_dump, alive = number_of_dumps(out) > 0, False
        log_path.unlink(missing_ok=True)  # ranks that live on keep their own
        with open(log_path, "w") as log:
            process = start(config, out, ranks, log)
            if len(kills) < planned:
                wait_for_moment(process, out, rng)
                in_dumps += dumps_now(out)
                victim = rng.choice(["rank", "mpirun", "both"] if ranks > 1 else ["rank"])
                alive = process.poll() is None
                kill_some(process, victim, rng)
                kills += [victim] if alive else []
            code = process.wait(timeout=300)
        printed = log_path.read_text()
        if code == 0:
            assert not had_dump or "resumed after step" in printed, printed
            return kills, in_dumps
        assert alive, f"exit code {code} of a run that nobody killed:\n{printed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="half of them alone, half on two ranks (100)")
    parser.add_argument("--seed", type=int, default=0, help="of data, moments and victims (0)")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    started, kills, in_dumps = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory(prefix="backflow-crash-") as name:
        folder = pathlib.Path(name)
        write_data(folder, rng)
        config = folder / "config.toml"
        config.write_text(CONFIG.format(seed=options.seed, data=folder))
        wholes = {}
        for number in range(options.runs):
            ranks = 1 + number % 2
            if ranks not in wholes:
                wholes[ranks] = folder / f"whole{ranks}"
                run_whole(config, wholes[ranks], ranks, folder / "log")
            out = folder / f"run{number}"
            try:
                found, during = run_with_kills(config, out, ranks, rng, folder / "log")
                compare(out, wholes[ranks])
            except AssertionError:
                print(f"FAILED run {number} on {ranks} ranks; reproduce: {sys.argv[0]} --runs {number + 1} --seed {options.seed}")
                raise
            kills += found
            in_dumps += during
            print(f"run {number}: {ranks} rank(s), killed: {', '.join(found) or 'not at all'}", flush=True)
    counts = ", ".join(f"{kills.count(victim)} of {victim}" for victim in ("rank", "mpirun", "both"))
    print(f"{options.runs} runs, {len(kills)} kills ({counts}; {in_dumps} while a dump was being written): all went on and "
          f"ended as the run without a break; {time.monotonic() - started:.0f} s")


def run_whole(config, out, ranks, log_path):
    with open(log_path, "w") as log:
        code = start(config, out, ranks, log).wait(timeout=300)
    assert code == 0, log_path.read_text()


if __name__ == "__main__":
    main()

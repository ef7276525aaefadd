"""What the tests of training jobs that fail share: a small network and its data, starting a job, finding and ending its
processes, reading what it has left."""
import json
import os
import pathlib
import signal
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("BACKFLOW_BIN", ROOT / "build/release/bin"))
BACKFLOW = str(BIN / "backflow")
MPIRUN = str(ROOT / "scripts/mpirun.sh")

CONFIG = """
name = "{name}"
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


def write_config(folder, name, seed):
    path = folder / "config.toml"
    path.write_text(CONFIG.format(name=name, seed=seed, data=folder))
    return path


def write_data(folder, rng):
    for kind, n in (("train", SAMPLES), ("test", 100)):
        classes = [rng.randrange(4) for _ in range(n)]
        pixels = [min(255, rng.randrange(160) + 40 * c * (i % 2)) for c in classes for i in range(100)]
        write_idx(folder / f"{kind}-images", (n, 10, 10), pixels)
        write_idx(folder / f"{kind}-labels", (n,), classes)


def start(config, out, ranks, log, settings=(), **environment):
    """In a session of its own, so that nobody else's signals reach it."""
    command = [BACKFLOW, "train", str(config), "--out", str(out), "--resume", "auto", "--threads", "1"]
    command += [word for setting in settings for word in ("--set", setting)]
    if ranks > 1:
        command = [MPIRUN, "-n", str(ranks), *command]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                            env={**os.environ, **environment})


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


def rank_processes(process):
    """Of a job's ranks that run the program, by rank. Open MPI tells each of them its number."""
    found = {}
    for pid in descendants(process.pid):
        if program_of(pid) != "backflow":
            continue
        try:
            variables = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        number = [value[21:] for value in variables if value.startswith(b"OMPI_COMM_WORLD_RANK=")]
        found[int(number[0]) if number else 0] = pid
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def number_of_dumps(out):
    """How many dumps a run has made so far: its newest, as there is one of every step."""
    return max((int(path.name[5:14]) for path in (out / "checkpoints").glob("step-" + "[0-9]" * 9 + ".h5")), default=0)


def dumps_now(out):
    return any((out / "checkpoints").glob(".backflow-*.tmp"))


def newest(out):
    return max((out / "checkpoints").glob("step-*.h5"))


def evaluate(dump):
    done = subprocess.run([BACKFLOW, "evaluate", str(dump), "--threads", "1"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

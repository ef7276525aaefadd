"""What docs/runs.md says of a dump in PyTorch: its model is trained, and its Python loads the dump.

    pytorch_dump.py PROGRAM DOCUMENT

Without PyTorch the names and shapes of what the dump holds are compared alone, and the test says so.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import h5py
import numpy as np

PROGRAM, DOCUMENT = sys.argv[1], pathlib.Path(sys.argv[2])
NAMES = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "1.weight": (4,), "1.bias": (4,), "1.running_mean": (4,),
         "1.running_var": (4,), "1.num_batches_tracked": (), "4.weight": (10, 2704), "4.bias": (10,)}
HEAD = """name = "test"
[data]
directory = "{folder}"
train_images = "images"
train_labels = "labels"
test_images = "images"
test_labels = "labels"
mean = 0.25
std = 0.5
[optimizer]
lr = 0.05
[train]
batch_size = 20
max_steps = 10
[model]
"""


def write_idx(path, array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def block(text, language):
    """The block of this language below the heading."""
    return re.search(r"### A dump in PyTorch\n.*?```" + language + r"\n(.*?)```\n", text, re.DOTALL)[1]


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def main(folder):
    text = DOCUMENT.read_text()
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (200, 28, 28), np.uint8)
    labels = np.arange(200, dtype=np.uint8) % 10
    write_idx(folder / "images", images)
    write_idx(folder / "labels", labels)
    (folder / "config.toml").write_text(HEAD.format(folder=folder) + block(text, "toml"))
    run("train", folder / "config.toml", "--out", folder / "run")
    dump = folder / "run/checkpoints/step-000000010.h5"
    with h5py.File(dump) as file:
        found = {name: data.shape for group in ("parameters", "buffers") for name, data in file[group].items()}
    assert found == NAMES, found

    try:
        import torch
    except ModuleNotFoundError:
        print("left out: loading the dump into PyTorch, which is not installed; its names and shapes are right")
        return
    code = block(text, "python")
    assert code.count('"step-000000010.h5"') == 1
    names = {}
    exec(code.replace('"step-000000010.h5"', repr(str(dump))), names)
    x = torch.from_numpy((images.astype(np.float32) / 255 - 0.25) / 0.5).reshape(200, 1, 28, 28)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(names["model"](x), torch.from_numpy(labels.astype(np.int64))).item()
    ours = json.loads(run("evaluate", dump))["test_loss"]
    assert abs(loss - ours) <= 1e-5 * abs(ours), (loss, ours)
    missing = {name: value for name, value in names["state"].items() if "running" not in name}
    try:
        names["model"].load_state_dict(missing)
    except RuntimeError as error:
        assert "1.running_mean" in str(error), error
    else:
        sys.exit("a model with batch norm loads without buffers, other than the document says")


with tempfile.TemporaryDirectory() as scratch:
    main(pathlib.Path(scratch))

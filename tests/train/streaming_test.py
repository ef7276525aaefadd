"""Data larger than the memory that a run may have: the small form of what scripts/measure_streaming.py measures.

usage: streaming_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import resource
import subprocess
import zlib

import h5py
import numpy as np

from program import BACKFLOW, main, metrics

MIB = 1 << 20
LIMIT = 160 * MIB
SAMPLES = 84_000  # 246 MiB

CONFIG = """
name = "streaming"
seed = 1
[data]
format = "hdf5"
directory = "{folder}"
train_file = "large.h5"
validation = 0.05
prefetch = 4
workers = {workers}
memory_mb = {memory}
cache_mb = 8
[model]
name = "mlp"
hidden = [16]
[optimizer]
name = "sgd"
lr = 0.01
[train]
batch_size = 100
max_steps = 100
"""


def write_file(folder):
    """Pictures of bytes in compressed chunks of 60, of which sixteen differ."""
    source = np.random.default_rng(1)
    packed = [zlib.compress(source.integers(0, 2, size=(60, 3, 32, 32), dtype=np.uint8).tobytes(), 1) for _ in range(16)]
    with h5py.File(folder / "large.h5", "w") as file:
        x = file.create_dataset("x", (SAMPLES, 3, 32, 32), np.uint8, chunks=(60, 3, 32, 32), compression="gzip")
        for i in range(SAMPLES // 60):
            x.id.write_direct_chunk((60 * i, 0, 0, 0), packed[i % 16])
        file.create_dataset("y", data=source.integers(0, 10, size=SAMPLES))


def train(folder, name, memory, workers=1):
    """Exit code, peak of resident memory in bytes, and what went wrong, under a limit of heap and other private memory."""
    (folder / f"{name}.toml").write_text(CONFIG.format(folder=folder, memory=memory, workers=workers))
    child = subprocess.Popen([BACKFLOW, "train", folder / f"{name}.toml", "--out", folder / name, "--quiet", "--threads", "2"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)))
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, 1024 * usage.ru_maxrss, said


def test_data_larger_than_the_limit_of_memory_are_trained_on(folder):
    write_file(folder)
    code, _, said = train(folder, "whole", memory=1024)
    assert code == 1 and "cannot allocate" in said, f"all data in memory must not fit: {code} {said}"
    losses = []
    for workers in (1, 3):
        name = f"streamed{workers}"
        code, peak, said = train(folder, name, memory=16, workers=workers)
        assert code == 0, said
        assert peak < LIMIT, f"{peak // MIB} MiB of resident memory"
        steps = metrics(folder / name, "step")
        assert len(steps) == 100 and all("stall_seconds" in step for step in steps)
        losses.append([step["loss"] for step in steps])
    assert losses[0] == losses[1], "the number of workers changes the batches"


if __name__ == "__main__":
    main(globals())

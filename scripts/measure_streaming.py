#!/usr/bin/python3
"""scripts/measure_streaming.py [--build DIR] [--folder DIR] [--steps N] [--samples N]

Trains on an HDF5 file that is larger than the memory it may take, and on the same samples in memory. Prints for both the peak
of resident memory, the median time of a step, and the part of it that waits for data. The file has pictures of bytes, in
chunks of 64, shuffled and compressed with gzip: 2 GB on disk by default. It is made once and kept in the folder.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import h5py
import numpy as np

CONFIG = """
name = "streaming"
seed = 1
[data]
format = "hdf5"
directory = "{folder}"
train_file = "streaming.h5"
validation = 0.001
prefetch = 32
{memory}
[model]
name = "mlp"
hidden = [1024, 1024]
[optimizer]
name = "sgd"
lr = 0.01
[train]
batch_size = 128
max_steps = {steps}
"""


def make_file(path, samples):
    source = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        x = file.create_dataset("x", (samples, 3, 32, 32), np.uint8, chunks=(64, 3, 32, 32), shuffle=True,
                                compression="gzip", compression_opts=1)
        step = 6400
        for first in range(0, samples, step):
            n = min(step, samples - first)
            x[first:first + n] = source.integers(0, 64, size=(n, 3, 32, 32), dtype=np.uint8)
        file.create_dataset("y", data=source.integers(0, 10, size=samples))


def measure(program, folder, steps, name, memory):
    config = folder / f"{name}.toml"
    config.write_text(CONFIG.format(folder=folder, memory=memory, steps=steps))
    out = folder / f"run_{name}"
    child = subprocess.Popen([program, "train", config, "--out", out, "--overwrite", "--quiet"])
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{name}: ended with status {status}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    late = [line for line in lines if line["event"] == "step"][steps // 5:]
    times = [128 / line["samples_per_second"] for line in late]
    stall = sum(line.get("stall_seconds", 0) for line in late)
    median = statistics.median(times)
    print(f"{name}: peak of resident memory {usage.ru_maxrss / 1024:.0f} MiB, step {1e3 * median:.2f} ms (median), "
          f"{1e3 * statistics.mean(times):.2f} ms (mean), waits {100 * stall / sum(times):.2f}% of it", flush=True)
    return statistics.mean(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/backflow-streaming"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--samples", type=int, default=850_000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "streaming.h5"
    if not path.exists():
        make_file(path, options.samples)
    print(f"{path}: {path.stat().st_size / 1e9:.2f} GB, {options.samples * 3072 / 1e9:.2f} GB in memory", flush=True)
    program = options.build / "bin/backflow"
    streamed = measure(program, options.folder, options.steps, "streamed", "memory_mb = 64\ncache_mb = 64")
    in_memory = measure(program, options.folder, options.steps, "in_memory", "memory_mb = 8192")
    print(f"a streamed step takes {100 * (streamed / in_memory - 1):+.1f}%")


if __name__ == "__main__":
    main()

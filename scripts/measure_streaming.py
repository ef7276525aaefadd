#!/usr/bin/python3
"""scripts/measure_streaming.py [--build DIR] [--folder DIR] [--steps N] [--rounds N] [--samples N] ...

Trains on an HDF5 file that is larger than the memory it may take, and on the same samples in memory, by turns. Prints for both
the peak of resident memory, the time of a step, and the part of it that waits for data. The file has pictures of bytes, in
chunks of 64, compressed with gzip: 2 GB on disk by default. It is made once and kept in the folder.

The streaming run has RLIMIT_DATA, the kernel's limit of heap and other private memory, resident or not. So it fails where it
asks for more, and its resident memory is below the limit but for the programs' own code.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
import zlib

import h5py
import numpy as np

BATCH = 128
CONFIG = """
name = "streaming"
seed = 1
[data]
format = "hdf5"
directory = "{folder}"
validation = 0.01
prefetch = {prefetch}
{settings}
[model]
name = "mlp"
hidden = {hidden}
[optimizer]
name = "sgd"
lr = 0.01
[train]
batch_size = {batch}
max_steps = {steps}
"""


def make_file(path, samples, rows=64, distinct=256, values=64):
    """Pictures in chunks of so many rows. Different chunks are written by turns as they are: compressing all of them would
    take minutes.
    """
    source = np.random.default_rng(1)
    packed = [zlib.compress(source.integers(0, values, size=(rows, 3, 32, 32), dtype=np.uint8).tobytes(), 1)
              for _ in range(distinct)]
    samples -= samples % rows
    part = path.with_suffix(".part")
    with h5py.File(part, "w") as file:
        x = file.create_dataset("x", (samples, 3, 32, 32), np.uint8, chunks=(rows, 3, 32, 32), compression="gzip",
                                compression_opts=1)
        for i in range(samples // rows):
            x.id.write_direct_chunk((i * rows, 0, 0, 0), packed[i % distinct])
        file.create_dataset("y", data=source.integers(0, 10, size=samples))
    part.rename(path)


def run_limited(command, limit, **options):
    """Runs a command with at most `limit` bytes of heap and other private memory; 0: any. Exit code, peak of resident memory
    in bytes, and what it said on standard error if that is a pipe.
    """
    def set_limit():
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=set_limit, **options)
    said = child.stderr.read() if child.stderr else ""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, 1024 * usage.ru_maxrss, said


class Run:
    """One way to hold the samples, and what was measured of it."""

    def __init__(self, name, settings, limit_mib=0):
        self.name, self.settings, self.limit_mib = name, settings, limit_mib
        self.times, self.stalls, self.peak_mib = [], [], 0

    def train(self, options):
        config = options.folder / f"{self.name}.toml"
        config.write_text(CONFIG.format(folder=options.folder, settings=self.settings, steps=options.steps, batch=BATCH,
                                        prefetch=options.prefetch, hidden=options.hidden))
        out = options.folder / f"run_{self.name}"
        code, peak, _ = run_limited([options.build / "bin/backflow", "train", config, "--out", out, "--overwrite", "--quiet"],
                                    self.limit_mib << 20)
        if code != 0:
            sys.exit(f"{self.name}: exit code {code}")
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        late = [line for line in lines if line["event"] == "step"][options.steps // 5:]
        self.times += [BATCH / line["samples_per_second"] for line in late]
        self.stalls += [line.get("stall_seconds", 0) for line in late]
        self.peak_mib = max(self.peak_mib, peak / (1 << 20))

    def say(self):
        limit = f" (limit of memory: {self.limit_mib} MiB)" if self.limit_mib else ""
        print(f"{self.name}: peak of resident memory {self.peak_mib:.0f} MiB{limit}, step {1e3 * statistics.median(self.times):.2f} ms "
              f"(median), {1e3 * statistics.mean(self.times):.2f} ms (mean), waits {100 * sum(self.stalls) / sum(self.times):.2f}% of it",
              flush=True)


def inflated_per_second(path):
    """Bytes that one core decompresses in a second, of this file's chunks."""
    with h5py.File(path) as file:
        rows = file["x"].chunks[0]
        chunks = [file["x"].id.read_direct_chunk((i * rows, 0, 0, 0))[1] for i in range(min(64, len(file["x"]) // rows))]
    start = time.process_time()
    size = sum(len(zlib.decompress(chunk)) for chunk in chunks)
    return size / (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/backflow-streaming"))
    parser.add_argument("--steps", type=int, default=200, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="times that both runs take place")
    parser.add_argument("--samples", type=int, default=850_000)
    parser.add_argument("--hidden", default="[1024, 1024]", help="layers of the model")
    parser.add_argument("--prefetch", type=int, default=32, help="batches")
    parser.add_argument("--cache", type=int, default=64, help="MiB of the file that are kept")
    parser.add_argument("--limit", type=int, default=512, help="MiB of memory that the streaming run may have")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"streaming-{options.samples}.h5"
    if not path.exists():
        make_file(path, options.samples)
    rate = inflated_per_second(path)
    print(f"{path}: {path.stat().st_size / 1e9:.2f} GB, {options.samples * 3072 / 1e9:.2f} GB in memory; one core decompresses "
          f"{rate / 1e6:.0f} MB/s, a batch in {1e3 * BATCH * 3072 / rate:.2f} ms", flush=True)
    file = f'train_file = "{path.name}"'
    streamed = Run("streamed", f"{file}\nmemory_mb = 16\ncache_mb = {options.cache}", options.limit)
    in_memory = Run("in_memory", f"{file}\nmemory_mb = 8192")
    for _ in range(options.rounds):
        for run in (streamed, in_memory):
            run.train(options)
    for run in (streamed, in_memory):
        run.say()
    ratios = [f(streamed.times) / f(in_memory.times) for f in (statistics.median, statistics.mean)]
    print(f"a streamed step takes {100 * (ratios[0] - 1):+.1f}% (medians), {100 * (ratios[1] - 1):+.1f}% (means)")
    if streamed.peak_mib > options.limit:
        sys.exit(f"streamed: {streamed.peak_mib:.0f} MiB of resident memory: need at most {options.limit}")


if __name__ == "__main__":
    main()

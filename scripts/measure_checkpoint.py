#!/usr/bin/python3
"""scripts/measure_checkpoint.py [--build DIR] [--folder DIR] [--batch N] [--steps N] [--every N] [--hidden LIST]

Trains a network whose checkpoint has 500 MB, on one rank with two threads and on two ranks, without checkpoints and with some
that are written while training goes on. Prints

- the time of a step: median, and the slowest of those during which a checkpoint was written, against the slowest of the others;
- what a step waited for the copy, and for the write before;
- peak memory of rank 0, of all tensors and resident, with and without checkpoints, against the bytes of a checkpoint.

Fails when the slowest step during a write is more than 10% slower than the median, or memory grows by more than the copy. Run it
on an idle machine.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

CONFIG = """
name = "checkpoint"
seed = 1
[data]
format = "synthetic"
generator = "regression"
samples = {samples}
features = 512
[model]
name = "mlp"
hidden = {hidden}
[optimizer]
name = "adam"
lr = 1e-5
[train]
batch_size = {batch}
max_steps = {steps}
[evaluation]
every_epochs = 0
[checkpoint]
every_steps = {every}
keep_last = 1
"""
MPIRUN = pathlib.Path(__file__).resolve().parent / "mpirun.sh"
WARM_UP = 3  # steps


class Run:
    """A training run, and what its metrics tell of it."""

    def __init__(self, options, ranks, every):
        self.out = options.folder / f"run-{ranks}-{every}"
        config = options.folder / f"run-{ranks}-{every}.toml"
        config.write_text(CONFIG.format(samples=4 * options.batch, hidden=options.hidden, batch=options.batch, steps=options.steps,
                                        every=every))
        command = [options.build / "bin/backflow", "train", config, "--out", self.out, "--overwrite", "--quiet", "--threads",
                   str(max(1, options.threads // ranks))]
        if ranks > 1:
            command = [MPIRUN, "-n", str(ranks), *command]
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{config}: exit code {child.returncode}")
        # Of mpirun's own processes only the largest that ended is known: a rank.
        self.resident = 1024 * usage.ru_maxrss
        lines = [json.loads(line) for line in (self.out / "metrics.jsonl").read_text().splitlines()]
        self.steps = [line for line in lines if line["event"] == "step"]
        self.seconds = [options.batch / line["samples_per_second"] for line in self.steps]
        self.checkpoints = [line for line in lines if line["event"] == "checkpoint"]
        self.tensors = max(line["peak_bytes"] for line in self.steps)

    def during_writes(self):
        """Numbers of the steps, from 0, during which a checkpoint was written."""
        found = set()
        for line in self.checkpoints:
            left, step = line["write_seconds"], line["step"]
            while left > 0 and step < len(self.seconds):
                found.add(step)
                left -= self.seconds[step]
                step += 1
        return found


def report(options, ranks):
    """Returns what is not as it should be."""
    plain, run = Run(options, ranks, 0), Run(options, ranks, options.every)
    busy = run.during_writes()
    median = statistics.median(run.seconds[WARM_UP:])
    slowest = max(run.seconds[i] for i in busy if i >= WARM_UP)
    others = max(s for i, s in enumerate(run.seconds) if i >= WARM_UP and i not in busy)
    written = [line for line in run.checkpoints if line["step"] < options.steps]
    size = written[0]["bytes"]
    print(f"{ranks} rank(s): step {1e3 * median:.0f} ms (median; without checkpoints {1e3 * statistics.median(plain.seconds[WARM_UP:]):.0f}), "
          f"slowest of {len(busy)} during a write {1e3 * slowest:.0f} ms ({100 * (slowest / median - 1):+.1f}%), of the others "
          f"{1e3 * others:.0f} ms ({100 * (others / median - 1):+.1f}%)")
    print(f"  {len(written)} checkpoints of {size / 1e6:.0f} MB: copied in {1e3 * statistics.median(c['copy_seconds'] for c in written):.0f} ms, "
          f"{1e3 * max(c['copy_seconds'] for c in written):.0f} at most; written in "
          f"{statistics.median(c['write_seconds'] for c in written):.2f} s; waited for the one before "
          f"{max(c['wait_seconds'] for c in written):.2f} s at most")
    grown = {"tensors": run.tensors - plain.tensors, "resident": run.resident - plain.resident}
    print("  peak memory: " + ", ".join(f"{name} {value / 1e6:+.0f} MB ({value / size:+.2f} checkpoints)" for name, value in grown.items()),
          flush=True)
    wrong = [f"{ranks} rank(s): the slowest step during a write is {100 * (slowest / median - 1):.1f}% slower than the median"] \
        if slowest > 1.1 * median else []
    # The structure of the file and the buffers of the write take some MB.
    wrong += [f"{ranks} rank(s): peak memory ({name}) has grown by {value / size:.2f} checkpoints"
              for name, value in grown.items() if value > 1.02 * size + (16 << 20)]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/backflow-checkpoint"))
    parser.add_argument("--batch", type=int, default=512, help="of all ranks; it decides how long a step takes")
    parser.add_argument("--steps", type=int, default=40, help="of each run")
    parser.add_argument("--every", type=int, default=12, help="steps from one checkpoint to the next")
    parser.add_argument("--hidden", default="[4500, 4500, 4500]", help="layers of the model")
    parser.add_argument("--threads", type=int, default=2, help="of all ranks together")
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2], help="numbers of ranks (1 2)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    wrong = [text for ranks in options.ranks for text in report(options, ranks)]
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()

"""Data larger than the memory that a run may have: the small form of what scripts/measure_streaming.py measures.

usage: streaming_test.py [NAME...]  runs the tests of these names, or all.
"""
import subprocess
import sys

from program import BACKFLOW, SOURCE, main, metrics

sys.path.insert(0, str(SOURCE / "scripts"))
from measure_streaming import make_file, run_limited  # noqa: E402

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


def train(folder, name, memory, workers=1):
    """Exit code, peak of resident memory in bytes, and what went wrong, under a limit of heap and other private memory."""
    (folder / f"{name}.toml").write_text(CONFIG.format(folder=folder, memory=memory, workers=workers))
    return run_limited([BACKFLOW, "train", folder / f"{name}.toml", "--out", folder / name, "--quiet", "--threads", "2"], LIMIT,
                       stderr=subprocess.PIPE, text=True)


def test_data_larger_than_the_limit_of_memory_are_trained_on(folder):
    make_file(folder / "large.h5", SAMPLES, rows=60, distinct=16, values=2)
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

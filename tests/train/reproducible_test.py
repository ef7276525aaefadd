"""Runs with distributed.reduction = "reproducible": the same bits on any number of ranks and threads.

usage: reproducible_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import signal
import subprocess
import time

from program import BACKFLOW, MPIRUN, SOURCE, config_text, errors, main, metrics, newest, run, run_command, write_data

LENET = "\n".join(f"[[model.layers]]\n{layer}" for layer in (
    'type = "conv2d"\nout_channels = 6\nkernel_size = 3\npadding = 1', 'type = "batch_norm2d"', 'type = "relu"',
    'type = "max_pool2d"\nkernel_size = 2', 'type = "conv2d"\nout_channels = 8\nkernel_size = 3',
    'type = "batch_norm2d"', 'type = "relu"', 'type = "dropout"\np = 0.25', 'type = "flatten"',
    'type = "linear"\nout_features = 16', 'type = "relu"', 'type = "linear"\nout_features = 3'))


def write_config(folder, shards, batch=256, rest=""):
    """1,003 samples: the last batch of an epoch is smaller, and shards differ by a sample."""
    path = folder / f"lenet{shards}.toml"
    text = config_text(write_data(folder / "data", train=1003, test=50), model=LENET, optimizer='name = "adam"')
    path.write_text(text.replace("batch_size = 10", f"batch_size = {batch}\nclip_grad_norm = 1.0") + rest +
                    f'\n[distributed]\nreduction = "reproducible"\nshards = {shards}\n')
    return path


def results(out):
    """Bits of all that a run has computed: tensors of the dump, losses and norms of all steps, evaluations."""
    import h5py
    with h5py.File(newest(out)) as file:
        tensors = {f"{group}/{name}": data[()].tobytes() for group in ("parameters", "buffers", "optimizer")
                   for name, data in file[group].items()}
    steps = {line["step"]: (line["loss"], line["grad_norm"]) for line in metrics(out, "step")}
    evaluations = {line["epoch"]: (line["loss"], line["accuracy"]) for line in metrics(out, "eval")}
    return tensors, steps, evaluations


def check_same(found, wanted, what):
    for part, (ours, theirs) in enumerate(zip(found, wanted)):
        differing = sorted(key for key in theirs if ours.get(key) != theirs[key])
        assert ours.keys() == theirs.keys() and not differing, (what, part, differing)


def test_the_same_bits_on_any_number_of_ranks_and_threads(folder):
    for shards in (4, 6, 8):
        config = write_config(folder, shards)
        wanted = None
        for ranks, threads in ((0, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2)):
            if ranks > 0 and shards % ranks != 0:
                continue
            out = folder / f"run-{shards}-{ranks}-{threads}"
            run("train", config, "--out", out, "--threads", threads, ranks=ranks)
            wanted = wanted or results(out)
            check_same(results(out), wanted, (shards, ranks, threads))
    fast = folder / "fast"
    run("train", config, "--out", fast, "--set", "distributed.reduction=fast", "--set", "train.max_steps=4", ranks=2)
    assert results(fast)[1][2] != wanted[1][2]  # other statistics and random numbers, so not the same by chance


def test_small_batches_and_micro_batches(folder):
    # 10 samples in 8 shards, 3 in the last batch: most shards have none, and ranks too. A single sample of a shard
    # has statistics, for its picture is larger than one pixel.
    config = write_config(folder, 8, batch=10, rest="micro_batches = 2\nmax_steps = 101\n")
    wanted = None
    for ranks in (1, 2, 4):
        out = folder / f"run{ranks}"
        run("train", config, "--out", out, ranks=ranks)
        wanted = wanted or results(out)
        check_same(results(out), wanted, ranks)


def start(ranks, *args):
    command = (MPIRUN + ["-n", str(ranks)] if ranks > 1 else []) + [BACKFLOW, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, start_new_session=True)


def test_killed_and_resumed_on_another_number_of_ranks(folder):
    config = write_config(folder, 8, rest="\n[checkpoint]\nevery_steps = 3\n")
    common = ["train", config, "--set", "train.epochs=40"]
    whole, cut = folder / "whole", folder / "cut"
    run(*common, "--out", whole, ranks=1)
    for ranks in (2, 4, 1):
        before = set((cut / "checkpoints").glob("step-*.h5"))
        job = start(ranks, *common, "--out", cut, "--resume", "auto")
        limit = time.monotonic() + 60
        while job.poll() is None and time.monotonic() < limit:
            if set((cut / "checkpoints").glob("step-*.h5")) - before:
                break
            time.sleep(0.005)
        assert job.poll() is None, (ranks, job.returncode, job.stderr.read())
        os.killpg(job.pid, signal.SIGKILL)  # mpirun; ranks end when they notice
        job.communicate()
    run(*common, "--out", cut, "--resume", "auto", ranks=2)
    check_same(results(cut), results(whole), "resumed")


def test_numbers_of_ranks_that_do_not_divide_the_shards_are_refused_on_one_line(folder):
    config = write_config(folder, 6)
    said = errors(run("train", config, "--out", folder / "run", ranks=4, expect=2))
    assert said == [f"backflow: error: {config}:{line_of(config, 'shards')}:10: 'shards' in [distributed] is 6, and there "
                    "are 4 ranks: need a number of ranks that divides the shards: 1, 2, 3 or 6"], said
    assert not (folder / "run").exists()


def test_compression_belongs_to_fast_reduction(folder):
    config = write_config(folder, 4)
    said = errors(run("config", config, "--set", "distributed.compression=bf16", expect=2))
    assert "'compression' in [distributed]: need reduction = \"fast\", or \"none\" here" in said[0], said


def line_of(config, key):
    return next(i for i, line in enumerate(config.read_text().splitlines(), 1) if line.startswith(key))


def test_ranks_with_other_instruction_sets_are_refused(folder):
    config = write_config(folder, 2)

    def job(*settings, expect):
        command = list(MPIRUN)
        for rank in range(2):
            limit = ["env", "ONEDNN_MAX_CPU_ISA=AVX2"] if rank else []
            command += ([":"] if rank else []) + ["-n", "1", *limit, BACKFLOW, "train", str(config), "--dry-run", *settings]
        return run_command(command, expect)

    if "avx512" not in open("/proc/cpuinfo").read():
        print("  not tested: ranks with other instruction sets: need a processor with AVX-512")
        return
    said = errors(job(expect=2))
    assert len(said) == 1 and "ranks differ: the instruction set is oneDNN " in said[0], said
    assert " on rank 0, " in said[0] and " on rank 1: need the same on all ranks" in said[0], said
    warned = job("--set", "distributed.reduction=fast", expect=0).stderr
    assert "backflow: warning: ranks have different instruction sets: " in warned, warned


def test_a_resumed_run_keeps_its_shards(folder):
    config = write_config(folder, 4)
    run("train", config, "--out", folder / "run", "--set", "train.max_steps=2")
    again = ["train", config, "--out", folder / "run", "--resume", "auto", "--set", "train.max_steps=3"]
    said = errors(run(*again, "--set", "distributed.shards=8", expect=2))
    assert "distributed.shards is 8, in the dump 4: need what the dump has" in said[0], said
    run(*again, "--set", "distributed.shards=8", "--allow-change", "distributed.shards")


def test_the_example_says_its_shards_and_runs(folder):
    config = SOURCE / "configs/reproducible.toml"
    data = write_data(folder / "data", train=300, test=30, classes=10)
    names = {"train_images": "train-images-idx3-ubyte", "train_labels": "train-labels-idx1-ubyte",
             "test_images": "t10k-images-idx3-ubyte", "test_labels": "t10k-labels-idx1-ubyte"}
    sets = [x for key, name in names.items() for x in ("--set", f"data.{key}={name}")]
    common = ["train", config, "--set", f"data.directory={data}", *sets, "--set", "train.epochs=1", "--set",
              "train.clip_grad_norm=1.0"]
    assert ": in 8 shards" not in run(*common, "--dry-run", "--set", "distributed.reduction=fast").stdout
    assert "a step in 8 shards: 4 on each of 2 ranks" in run(*common, "--dry-run", ranks=2).stdout.replace("\n  ", " ")
    for ranks in (1, 2):
        run(*common, "--out", folder / str(ranks), ranks=ranks)
    check_same(results(folder / "2"), results(folder / "1"), "the example")


if __name__ == "__main__":
    main(globals())

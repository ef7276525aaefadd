"""Batch norm on several ranks, and what a run says of where it runs.

usage: ranks_test.py [NAME...]  runs the tests of these names, or all.
"""
import json
import os

from program import MPIRUN, BACKFLOW, config_text, main, metrics, newest, ranks_at, run, run_command, write_data

NORM = "\n".join(f"[[model.layers]]\n{layer}" for layer in (
    'type = "conv2d"\nout_channels = 4\nkernel_size = 3\npadding = 1', 'type = "batch_norm2d"', 'type = "relu"',
    'type = "dropout"\np = 0.25', 'type = "flatten"', 'type = "linear"\nout_features = 3'))


def norm_config(folder, **options):
    path = folder / "norm.toml"
    path.write_text(config_text(write_data(folder / "data", **options), model=NORM, optimizer='name = "adam"'))
    return path


def contents(path):
    """All tensors of a dump."""
    import h5py
    with h5py.File(path) as file:
        return {f"{group}/{name}": data[()].tobytes() for group in ("parameters", "buffers", "optimizer")
                for name, data in file[group].items()}


def test_reported_dumped_evaluated_and_resumed_is_one_model(folder):
    # 57 samples in batches of 8: in the last step a single one, so that all ranks but one have none.
    config = norm_config(folder, train=57)
    for ranks in (1, 2, 3):
        whole, cut = folder / f"whole{ranks}", folder / f"cut{ranks}"
        # The test data in five batches, so that each rank evaluates some.
        common = ["train", config, "--set", "train.batch_size=8", "--set", "train.epochs=3",
                  "--set", "train.eval_batch_size=4"]
        run(*common, "--out", whole, ranks=ranks)
        # Dumps at other steps, breaks in the middle of an epoch: the same bits.
        for steps in (3, 11, 100):
            run(*common, "--out", cut, "--resume", "auto", "--set", f"train.max_steps={steps}", "--set",
                "checkpoint.every_steps=2", ranks=ranks)
        assert contents(newest(cut)) == contents(newest(whole))
        final = metrics(whole, "final")[0]
        assert metrics(cut, "final")[-1]["test_loss"] == final["test_loss"]
        for line in metrics(whole, "eval")[-1:]:
            assert (line["loss"], line["accuracy"]) == (final["test_loss"], final["test_accuracy"])
        for count in (0, 1, 2):
            result = json.loads(run("evaluate", newest(whole), ranks=count).stdout)
            assert (result["test_loss"], result["test_accuracy"]) == (final["test_loss"], final["test_accuracy"])


def test_a_sharded_optimizer_makes_the_same_checkpoints(folder):
    config = norm_config(folder, train=57)
    common = ["train", config, "--set", "train.batch_size=8", "--set", "train.epochs=3",
              "--set", "distributed.bucket_mb=0.001"]
    shards = ["--set", "distributed.shard_optimizer=true"]
    whole = folder / "whole"
    run(*common, "--out", whole, ranks=2)
    # From shares to whole states and back, in the middle of an epoch.
    for first, then in ((shards, shards), (shards, []), ([], shards)):
        cut = folder / f"cut{len(first)}{len(then)}"
        run(*common, *first, "--out", cut, "--set", "train.max_steps=11", ranks=2)
        run(*common, *then, "--out", cut, "--resume", "auto", ranks=2)
        assert contents(newest(cut)) == contents(newest(whole))
    # On other numbers of ranks the same within rounding.
    cut = folder / "ranks"
    for steps, ranks in ((5, 3), (11, 1), (100, 4)):
        run(*common, *shards, "--out", cut, "--resume", "auto", "--set", f"train.max_steps={steps}", ranks=ranks)
    assert contents(newest(cut)).keys() == contents(newest(whole)).keys()


def test_power_sgd_goes_on_from_a_checkpoint_with_the_same_bits(folder):
    path = folder / "mlp.toml"
    path.write_text(config_text(write_data(folder / "data", train=57), model='name = "mlp"\nhidden = [64]'))
    common = ["train", path, "--set", "train.batch_size=8", "--set", "train.epochs=3",
              "--set", "distributed.compression=powersgd", "--set", "distributed.powersgd_rank=2",
              "--set", "checkpoint.every_steps=11"]
    whole, cut = folder / "whole", folder / "cut"
    run(*common, "--out", whole, ranks=2)
    run(*common, "--out", cut, "--set", "train.max_steps=11", ranks=2)
    run(*common, "--out", cut, "--resume", "auto", ranks=2)
    state = contents(newest(whole))
    assert contents(newest(cut)) == state
    assert any(name.endswith(".powersgd_error") for name in state)
    # Another compression, and one rank, leave that state out.
    refused = run(*common, "--out", cut, "--resume", "auto", "--set", "train.epochs=4",
                  "--set", "distributed.compression=none", ranks=2, expect=2)
    assert "distributed.compression" in refused.stderr
    run(*common, "--out", cut, "--resume", "auto", "--set", "train.epochs=4")


def test_running_means_are_those_of_the_whole_batch_on_any_number_of_ranks(folder):
    import h5py
    import numpy
    config = norm_config(folder)
    means, variances = [], []
    for ranks in (1, 2, 4):
        out = folder / str(ranks)
        run("train", config, "--out", out, "--set", "train.max_steps=1", "--set", "train.batch_size=60",
            "--set", "train.dtype=float64", ranks=ranks)
        with h5py.File(newest(out)) as file:
            means.append(file["buffers/1.running_mean"][()])
            variances.append(file["buffers/1.running_var"][()])
            assert file["buffers/1.num_batches_tracked"][()] == 1
    for mean, variance in zip(means[1:], variances[1:]):
        assert numpy.abs(mean - means[0]).max() <= 1e-12, (mean, means[0])
        assert numpy.abs(variance - variances[0]).max() <= 0.05 * numpy.abs(variances[0]).max()


def test_synchronized_batch_norm_trains_as_one_rank(folder):
    import h5py
    import numpy
    # 57 samples in batches of 8: the last has one, so that all ranks but one have none. No dropout, whose draws differ.
    path = folder / "sync.toml"
    norm = NORM.replace('[[model.layers]]\ntype = "dropout"\np = 0.25\n', "")
    path.write_text(config_text(write_data(folder / "data", train=57), model=norm, rest="dtype = \"float64\""))
    common = ["train", path, "--set", "train.batch_size=8", "--set", 'distributed.batch_norm="sync"']

    def trained(ranks):
        out = folder / str(ranks)
        run(*common, "--out", out, ranks=ranks)
        with h5py.File(newest(out)) as file:
            return {f"{group}/{name}": data[()] for group in ("parameters", "buffers")
                    for name, data in file[group].items()}

    one = trained(1)
    for ranks in (2, 3, 4):
        for name, value in trained(ranks).items():
            assert numpy.abs(value - one[name]).max() <= 1e-11, (ranks, name, value, one[name])
    # The ranks meet as often, whichever of them has how many samples.
    run(*common, "--out", folder / "parts", "--set", "train.micro_batches=3", ranks=2)


def test_micro_batches_with_batch_norm_or_dropout_are_noted(folder):
    config = norm_config(folder)
    said = " ".join(run("train", config, "--dry-run", "--set", "train.micro_batches=2").stdout.split())
    assert ("note: train.micro_batches = 2 computes something else than whole batches: batch norm takes the statistics of "
            "each part, and dropout draws anew") in said, said
    assert "micro_batches" not in run("train", config, "--dry-run").stdout


def small_config(folder):
    path = folder / "small.toml"
    path.write_text(config_text(write_data(folder / "data")))
    return path


def test_the_start_says_what_is_trained_and_where(folder):
    config = small_config(folder)
    said = run("train", config, "--out", folder / "run", ranks=2).stdout
    host = os.uname().nodename
    for line in ("model mlp: 275 parameters in 4 tensors",  # 64 x 4 + 4 + 4 x 3 + 3
                 "data: 60 samples of [1, 8, 8] in 3 classes, 20 for testing",
                 "2 epochs of 6 steps, 10 samples a step: 5 on each of 2 ranks"):
        assert line in said.splitlines(), (line, said)
    place = next(line for line in said.splitlines() if line.startswith(f"{host}: "))
    assert ranks_at(said, host) == [0, 1] and "thread" in place and "core" in place, place
    assert "instruction sets: oneDNN " in said, said
    assert said.splitlines()[0].startswith("model mlp") and place in (folder / "run/log.txt").read_text()
    assert "3 or 4 on each of 3 ranks" in run("train", config, "--dry-run", ranks=3).stdout
    assert "10 samples a step on 1 rank, 4 at most" in run("train", config, "--dry-run", "--set", "train.max_steps=4").stdout


def test_each_rank_has_its_binding_in_the_report(folder):
    config = small_config(folder)
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print("  not tested: ranks that are bound to different cores: need two cores")
        return
    bound = ["mpirun", "--bind-to", "core", "-n", "2", BACKFLOW, "train", str(config), "--dry-run"]
    said = run_command(bound).stdout
    assert "rank 0: " in said and "rank 1: " in said, said


def test_cores_that_binding_leaves_idle_and_cores_that_ranks_share_are_warned_of(folder):
    config = small_config(folder)
    if len(os.sched_getaffinity(0)) < 2:
        print("  not tested: idle cores: need two")
        return
    train, free = folder / "bound", folder / "free"
    for command in (["train", config, "--dry-run"], ["train", config, "--out", train],
                    ["evaluate", train / "checkpoints/step-000000012.h5"]):
        said = run_command(["mpirun", "--bind-to", "core", "-n", "1", BACKFLOW, *map(str, command)]).stderr
        assert "of the job's" in said and "idle: its rank is bound to core" in said and "--bind-to none" in said, said
        assert said.count("backflow: warning: ") == 1, said
    assert "idle: its rank is bound to core" in (train / "log.txt").read_text()
    assert "warning" not in run("train", config, "--out", free, ranks=1).stderr
    many = len(os.sched_getaffinity(0)) + 1
    said = run("train", config, "--dry-run", ranks=many).stderr
    assert f"ranks 0-{many - 1} have {many} threads on core" in said, said


def test_threads_that_exceed_the_cores_and_openmp_threads_are_warned_of(folder):
    config = small_config(folder)
    assert "rank 0 has 999 threads on core" in run("train", config, "--dry-run", "--threads", 999).stderr
    openmp = {**os.environ, "OMP_NUM_THREADS": "777"}
    said = run("train", config, "--dry-run", env=openmp)
    assert "backflow: warning: OMP_NUM_THREADS=777 has no effect, " in said.stderr, said.stderr
    assert run("train", config, "--dry-run", "--threads", 1, env=openmp).stderr == ""
    plain = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    assert run("train", config, "--dry-run", env=plain).stderr == ""


if __name__ == "__main__":
    main(globals())

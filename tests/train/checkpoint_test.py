"""Dumps that are written while training goes on: the same files as without that, what a step waits for, when there is one, and
that a run goes on from it with the same bits.

usage: checkpoint_test.py [NAME...]  runs the tests of these names, or all.
"""
import json

from loop_test import ADAMW, LOOP, check_resume, contents, losses
from program import config_text, main, metrics, newest, run, write_data


def write_config(folder, rest="", model='name = "mlp"\nhidden = [64, 64]', optimizer=ADAMW):
    path = folder / "small.toml"
    path.write_text(config_text(write_data(folder / "data"), model=model, optimizer=optimizer, rest=rest))
    return path


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def temporaries(out):
    return [path for path in out.rglob(".backflow-*")]


def names(out):
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def test_dumps_are_those_that_are_made_at_once(folder):
    config = write_config(folder, LOOP + '[checkpoint]\nbest = "loss"\nevery_steps = 1\nkeep_last = 100\n')
    for name, ranks, extra in (("one", 0, []), ("two", 2, []), ("shared", 2, ["distributed.shard_optimizer=true"])):
        for mode in ("true", "false"):
            run("train", config, "--out", folder / (name + mode), *sets(f"checkpoint.async={mode}", *extra), ranks=ranks)
        with_async, without = folder / (name + "true"), folder / (name + "false")
        assert names(with_async) == names(without) and len(names(without)) == 13  # twelve steps, and the best
        for file in names(without):
            assert contents(with_async / "checkpoints" / file) == contents(without / "checkpoints" / file), (name, file)
        assert losses(with_async) == losses(without) and metrics(with_async, "eval") == metrics(without, "eval")
        assert not temporaries(with_async)


def test_each_dump_has_a_line_of_metrics(folder):
    config = write_config(folder, '[checkpoint]\nbest = "loss"\nevery_steps = 4\n')
    for mode in ("true", "false"):
        out = folder / mode
        run("train", config, "--out", out, *sets(f"checkpoint.async={mode}"))
        lines = metrics(out, "checkpoint")
        steps = [(line["step"], line["file"]) for line in lines if line["file"] != "best.h5"]
        assert steps == [(step, f"step-{step:09}.h5") for step in (4, 8, 12, 12)], steps  # the last is written again
        assert {line["step"] for line in lines} == {4, 6, 8, 12}
        for line in lines:
            assert line["bytes"] > 4 * 64 * 64 and min(line[key + "_seconds"] for key in ("wait", "copy", "write")) >= 0
            assert line["write_seconds"] > 0 and (mode == "true" or line["wait_seconds"] == 0)
        assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["event"] == "final"


def test_a_dump_waits_for_the_one_before(folder):
    # A state of 13 MB, which takes longer to write than a step of one sample to compute.
    config = write_config(folder, "[checkpoint]\nevery_steps = 1\n", model='name = "mlp"\nhidden = [1000, 1000]')
    out = folder / "run"
    run("train", config, "--out", out, *sets("train.batch_size=1", "train.max_steps=40"))
    waits = [line["wait_seconds"] for line in metrics(out, "checkpoint")]
    assert len(waits) == 41 and sum(wait > 0 for wait in waits) > 0, waits
    log = (out / "log.txt").read_text()
    assert log.count("has waited") == 1 and "checkpoint.every_steps" in log, log
    assert names(out) == [f"step-{step:09}.h5" for step in (38, 39, 40)]


def test_a_run_dumps_by_the_clock_of_rank_0(folder):
    config = write_config(folder)
    for ranks, extra in ((0, []), (2, []), (2, ["distributed.reduction=reproducible", "distributed.shards=4"])):
        out = folder / f"often{ranks}{len(extra)}"
        run("train", config, "--out", out, *sets("checkpoint.every_minutes=1e-9", "checkpoint.keep_last=100", *extra), ranks=ranks)
        assert names(out) == [f"step-{step:09}.h5" for step in range(1, 13)]
        seldom = folder / f"seldom{ranks}{len(extra)}"
        run("train", config, "--out", seldom, *sets("checkpoint.every_minutes=1000", "checkpoint.every_steps=5", *extra), ranks=ranks)
        assert names(seldom) == [f"step-{step:09}.h5" for step in (5, 10, 12)]
        assert contents(newest(seldom)) == contents(newest(out))
    gan = folder / "gan"
    gan.mkdir()
    config = write_config(gan, '[task]\nname = "gan"\n', model='name = "dcgan"\nlatent = 4\nfeatures = 4',
                          optimizer='name = "adam"\nlr = 0.01')
    run("train", config, "--out", gan / "run", *sets("checkpoint.every_minutes=1e-9", "checkpoint.keep_last=100"))
    assert len(names(gan / "run")) == 12


def test_a_run_goes_on_with_all_that_training_remembers(folder):
    dropout = "\n".join(f"[[model.layers]]\n{layer}" for layer in (
        'type = "flatten"', 'type = "linear"\nout_features = 16', 'type = "dropout"\np = 0.5', 'type = "linear"\nout_features = 3'))
    for name, model, extra, ranks in (
            ("parts", None, ["train.micro_batches=3"], 0),  # a dump falls between steps, never between the parts of a batch
            ("parts2", None, ["train.micro_batches=3"], 2),
            ("clipped", None, ["train.micro_batches=2", "train.clip_grad_norm=0.1", "distributed.shard_optimizer=true"], 2),
            ("drawn", dropout, ["data.workers=2", "data.prefetch=5"], 0),
            ("drawn2", dropout, ["data.workers=2", "data.prefetch=5"], 2),
            ("errors", None, ["distributed.compression=powersgd", "distributed.powersgd_rank=2"], 2)):
        (folder / name).mkdir()
        config = write_config(folder / name, LOOP + '[checkpoint]\nbest = "loss"\n')
        if model:
            config.write_text(config.read_text().replace('[model]\nname = "mlp"\nhidden = [64, 64]', model))
        check_resume(folder / name, config, *sets(*extra), ranks=ranks)


def test_early_stopping_goes_on_counting(folder):
    config = write_config(folder, "[early_stopping]\npatience = 3\n")
    common = ["train", config, *sets("optimizer.lr=0", "optimizer.weight_decay=0", "train.epochs=20", "checkpoint.every_steps=5",
                                     "checkpoint.keep_last=100")]
    run(*common, "--out", folder / "whole")
    assert metrics(folder / "whole", "final")[0]["steps"] == 24
    for step in (5, 10, 15, 20):
        out = folder / f"from{step}"
        run(*common, "--out", out, "--resume", folder / f"whole/checkpoints/step-{step:09}.h5")
        assert metrics(out, "final")[0]["steps"] == 24 and contents(newest(out)) == contents(newest(folder / "whole"))


if __name__ == "__main__":
    main(globals())

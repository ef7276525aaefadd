"""Ranks that were started with different settings, and runs that go on from a dump with others: refused before anything is
computed or written, with the key and all values in one message.

usage: agreement_test.py [NAME...]  runs the tests of these names, or all.
"""
import shutil

from program import config_text, errors, main, metrics, newest, run, run_each, write_data

LAYERS = "\n".join(f"[[model.layers]]\n{layer}" for layer in (
    'type = "conv2d"\nout_channels = 4\nkernel_size = 3\npadding = 1', 'type = "batch_norm2d"', 'type = "gelu"',
    'type = "dropout"\np = 0.25', 'type = "flatten"', 'type = "linear"\nout_features = 3'))
ADAM = 'name = "adam"'

# Of rank 1: what the configuration of rank 0 is given in addition, and how the message names it, with both values. Those of
# the second list have the optimizer of their name, those of the third the layers above.
PAIRS = [
    ("seed=2", "seed is 1 on rank 0, 2 on rank 1"),
    ("name=other", 'name is "small" on rank 0, "other" on rank 1'),
    ("data.mean=0.5", "data.mean is 0.0 on rank 0, 0.5 on rank 1"),
    ("data.std=0.5", "data.std is 1.0 on rank 0, 0.5 on rank 1"),
    ("data.shuffle=false", "data.shuffle is true on rank 0, false on rank 1"),
    ("model.hidden=[5]", "model.hidden is [4] on rank 0, [5] on rank 1"),
    ("model.hidden=[4, 4]", "model.hidden is [4] on rank 0, [4, 4] on rank 1"),
    ("optimizer.name=adagrad", 'optimizer.name is "sgd" on rank 0, "adagrad" on rank 1'),
    ("optimizer.lr=0.06", "optimizer.lr is 0.05 on rank 0, 0.06 on rank 1"),
    ("optimizer.momentum=0.9", "optimizer.momentum is 0.0 on rank 0, 0.9 on rank 1"),
    ("optimizer.dampening=0.1", "optimizer.dampening is 0.0 on rank 0, 0.1 on rank 1"),
    ("optimizer.weight_decay=0.1", "optimizer.weight_decay is 0.0 on rank 0, 0.1 on rank 1"),
    ("train.epochs=3", "train.epochs is 2 on rank 0, 3 on rank 1"),
    ("train.max_steps=3", "train.max_steps is 0 on rank 0, 3 on rank 1"),
    ("train.batch_size=12", "train.batch_size is 10 on rank 0, 12 on rank 1"),
    ("train.eval_batch_size=7", "train.eval_batch_size is 1000 on rank 0, 7 on rank 1"),
    ("train.dtype=float64", 'train.dtype is "float32" on rank 0, "float64" on rank 1'),
    ("train.drop_last=true", "train.drop_last is false on rank 0, true on rank 1"),
    ("train.micro_batches=2", "train.micro_batches is 1 on rank 0, 2 on rank 1"),
    ("train.clip_grad_norm=1", "train.clip_grad_norm is 0.0 on rank 0, 1 on rank 1"),
    ("train.check_gradients=true", "train.check_gradients is false on rank 0, true on rank 1"),
    ("train.winograd=true", "train.winograd is false on rank 0, true on rank 1"),
    ("checkpoint.every_steps=1", "checkpoint.every_steps is 0 on rank 0, 1 on rank 1"),
    ("checkpoint.keep_last=1", "checkpoint.keep_last is 3 on rank 0, 1 on rank 1"),
]
OF_OPTIMIZERS = [
    ("sgd", "optimizer.nesterov=true", "optimizer.nesterov is false on rank 0, true on rank 1"),
    ("adam", "optimizer.betas=[0.8, 0.999]", "optimizer.betas is [0.9, 0.999] on rank 0, [0.8, 0.999] on rank 1"),
    ("adam", "optimizer.eps=1e-7", "optimizer.eps is 1e-08 on rank 0, 1e-07 on rank 1"),
    ("adamw", "optimizer.amsgrad=true", "optimizer.amsgrad is false on rank 0, true on rank 1"),
    ("rmsprop", "optimizer.alpha=0.9", "optimizer.alpha is 0.99 on rank 0, 0.9 on rank 1"),
    ("rmsprop", "optimizer.centered=true", "optimizer.centered is false on rank 0, true on rank 1"),
    ("adagrad", "optimizer.lr_decay=0.1", "optimizer.lr_decay is 0.0 on rank 0, 0.1 on rank 1"),
    ("adagrad", "optimizer.initial_accumulator_value=1",
     "optimizer.initial_accumulator_value is 0.0 on rank 0, 1 on rank 1"),
]
OF_LAYERS = [
    ("model.layers.0.out_channels=5", "model.layers.0.out_channels is 4 on rank 0, 5 on rank 1"),
    ("model.layers.0.bias=false", "model.layers.0.bias is true on rank 0, false on rank 1"),
    ("model.layers.1.momentum=0.2", "model.layers.1.momentum is 0.1 on rank 0, 0.2 on rank 1"),
    ("model.layers.2.approximate=tanh", 'model.layers.2.approximate is "none" on rank 0, "tanh" on rank 1'),
    ("model.layers.2.type=relu", 'model.layers.2.type is "gelu" on rank 0, "relu" on rank 1'),
    ("model.layers.3.p=0.5", "model.layers.3.p is 0.25 on rank 0, 0.5 on rank 1"),
]
# Of the command line: what rank 0 is given, then rank 1.
OF_COMMANDS = [
    (["--out", "a"], ["--out", "b"], "--out is a on rank 0, b on rank 1"),
    (["--dry-run"], [], "--dry-run is on on rank 0, off on rank 1"),
    ([], ["--trace"], "--trace is off on rank 0, 50 steps on rank 1"),
    (["--trace", "--trace-steps", "5"], ["--trace"], "--trace is 5 steps on rank 0, 50 steps on rank 1"),
    (["--out", "a", "--resume", "auto"], ["--out", "a"], "--resume is auto on rank 0, not given on rank 1"),
]


def refused(folder, first, second, message):
    done = run_each(first, second, expect=2, cwd=folder)
    said = errors(done)
    assert len(said) == 1, done.stderr
    assert said[0].startswith("backflow: error: ranks differ: ") and message in said[0], (message, said[0])
    assert said[0].endswith(": need the same on all ranks"), said[0]
    assert "step" not in done.stdout, done.stdout
    for name in ("runs", "a", "b"):
        assert not (folder / name).exists(), name


def write_config(path, *args, **options):
    path.write_text(config_text(*args, **options))
    return path


def test_pairs_of_settings(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    for setting, message in PAIRS:
        refused(folder, ["train", config], ["train", config, "--set", setting], message)


def test_pairs_of_optimizers_settings(folder):
    data = write_data(folder / "data")
    for name, setting, message in OF_OPTIMIZERS:
        lines = f'name = "{name}"\nlr = 0.05' + ("\nmomentum = 0.9" if name == "sgd" else "")
        config = write_config(folder / f"{name}.toml", data, optimizer=lines)
        refused(folder, ["train", config], ["train", config, "--set", setting], message)


def test_pairs_of_layers_settings(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "layers.toml", data, model=LAYERS)
    for setting, message in OF_LAYERS:
        # A layer of another type has other keys.
        second = config
        if setting.endswith("type=relu"):
            second = folder / "relu.toml"
            second.write_text(config.read_text().replace('type = "gelu"', 'type = "relu"'))
            refused(folder, ["train", config], ["train", second], message)
        else:
            refused(folder, ["train", config], ["train", config, "--set", setting], message)
    fewer = write_config(folder / "fewer.toml", data, model=LAYERS.replace('[[model.layers]]\ntype = "gelu"\n', ""))
    refused(folder, ["train", config], ["train", fewer], "model.layers is 6 tables on rank 0, 5 tables on rank 1")
    mlp = write_config(folder / "mlp.toml", data)
    refused(folder, ["train", config], ["train", mlp], 'model.name is "layers" on rank 0, "mlp" on rank 1')


def test_pairs_of_command_lines(folder):
    config = write_config(folder / "mlp.toml", write_data(folder / "data"))
    for first, second, message in OF_COMMANDS:
        refused(folder, ["train", config, *first], ["train", config, *second], message)


def test_pairs_of_data(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    files = sorted(file.name for file in data.iterdir())
    for kind, sizes in (("train", "60 samples of [8, 8] in 3 classes"), ("test", "20 samples of [8, 8] in 3 classes")):
        for name in files:
            if not name.startswith("t10k" if kind == "test" else "train"):
                continue
            other = folder / name
            shutil.copytree(data, other)
            content = bytearray((other / name).read_bytes())
            place = len(content) // 2 + 10  # not in the header
            content[place] = (content[place] + 1) % 3
            (other / name).write_bytes(content)
            refused(folder, ["train", config], ["train", config, "--set", f"data.directory={other}"],
                    f"data.{kind} is {sizes}, digest ")
    more = write_data(folder / "more", train=61)
    refused(folder, ["train", config], ["train", config, "--set", f"data.directory={more}"],
            "data.train is 60 samples of [8, 8] in 3 classes, digest ")


def test_several_differences_are_all_named(folder):
    config = write_config(folder / "mlp.toml", write_data(folder / "data"))
    error = errors(run_each(["train", config], ["train", config, "--set", "seed=2", "--set", "optimizer.lr=1"], expect=2))
    assert "seed is 1 on rank 0, 2 on rank 1; optimizer.lr is 0.05 on rank 0, 1 on rank 1" in error[0], error


def test_what_may_differ_between_ranks(folder):
    data = write_data(folder / "data")
    copy = shutil.copytree(data, folder / "copy")  # as on a node's own disk
    first, second = write_config(folder / "a.toml", data), write_config(folder / "b.toml", copy)
    second.write_text(second.read_text().replace("lr = 0.05", "lr = 5e-2"))
    common = ["--out", folder / "run", "--set", "train.epochs=1"]
    run_each(["train", first, *common, "--threads", 1], ["train", second, *common, "--threads", 2])
    assert len(metrics(folder / "run", "step")) == 6
    run_each(["evaluate", newest(folder / "run")], ["evaluate", newest(folder / "run")])


def test_ranks_that_evaluate_different_things_are_refused(folder):
    config = write_config(folder / "mlp.toml", write_data(folder / "data"))
    for seed in (1, 2):
        run("train", config, "--set", f"seed={seed}", "--set", "train.epochs=1", "--out", folder / str(seed))
    one, two = newest(folder / "1"), newest(folder / "2")
    error = errors(run_each(["evaluate", one], ["evaluate", two], expect=2))
    assert len(error) == 1 and "the dump is step 6, epoch 1, digest" in error[0] and "seed is 1 on rank 0, 2" in error[0], error
    error = errors(run_each(["evaluate", one], ["train", config], expect=2))
    assert "the command is evaluate on rank 0, train on rank 1" in error[0], error


def test_a_failure_of_one_rank_is_told_once_with_its_number(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    for bad in (0, 1):
        broken = shutil.copytree(data, folder / f"broken{bad}")
        ranks = [["train", config], ["train", config]]
        ranks[bad] += ["--set", f"data.directory={broken}"]
        images = broken / "train-images-idx3-ubyte"
        images.write_bytes(images.read_bytes()[:-1])
        error = errors(run_each(*ranks, expect=1, cwd=folder))
        assert len(error) == 1 and f"rank {bad}: {images}" in error[0], error
        images.unlink()
        error = errors(run_each(*ranks, expect=2, cwd=folder))
        assert len(error) == 1 and f"rank {bad}: " in error[0] and f"no such file: {images}" in error[0], error
        ranks[bad] = ["train", folder / "none.toml"]
        error = errors(run_each(*ranks, expect=2, cwd=folder))
        assert len(error) == 1 and f"rank {bad}: {folder / 'none.toml'}: cannot read" in error[0], error
    error = errors(run("train", folder / "none.toml", ranks=3, expect=2))
    assert error == [f"backflow: error: {folder / 'none.toml'}: cannot read: No such file or directory: need a TOML file"]


def test_a_resume_with_other_settings_is_refused(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    out = folder / "run"
    run("train", config, "--out", out, "--set", "train.epochs=1")
    dump = newest(out)
    kept = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    other = write_data(folder / "other", seed=2)
    for ranks in (0, 2):
        for setting, message in (
                ("seed=2", "seed is 2, in the dump 1"), ("train.batch_size=12", "train.batch_size is 12, in the dump 10"),
                ("data.mean=0.5", "data.mean is 0.5, in the dump 0.0"), ("data.std=2", "data.std is 2, in the dump 1.0"),
                ("data.shuffle=false", "data.shuffle is false, in the dump true"),
                ("train.drop_last=true", "train.drop_last is true, in the dump false"),
                ("model.hidden=[5]", "model.hidden is [5], in the dump [4]"),
                (f"data.directory={other}", "data.train is 60 samples of [8, 8] in 3 classes, digest ")):
            done = run("train", config, "--out", out, "--resume", "auto", "--set", setting, ranks=ranks, expect=2)
            error = errors(done)
            assert len(error) == 1 and error[0].startswith(f"backflow: error: --resume {dump}: ") and message in error[0], error
            assert "need what the dump has; to go on with the new values give --allow-change " in error[0], error
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == kept


def test_a_resume_with_other_settings_goes_on_when_they_are_allowed(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    out = folder / "run"
    run("train", config, "--out", out, "--set", "train.epochs=1")
    again = ["train", config, "--out", out, "--resume", "auto"]
    said = run(*again, "--set", "data.mean=0.5", "--allow-change", "data.mean").stdout
    assert "note: changed since the dump: data.mean is 0.5, in the dump 0.0" in said, said
    assert [line["epoch"] for line in metrics(out, "eval")] == [1, 2]
    # The dump has the new value now, and lengths and rates change freely.
    run(*again, "--set", "data.mean=0.5", "--set", "train.epochs=3", "--set", "optimizer.lr=0.01", "--set", "name=other")
    assert "seed is 1, in the dump 1" not in run(*again, "--set", "data.mean=0.5", "--set", "train.epochs=3").stderr
    error = errors(run(*again, "--allow-change", "data.maen", expect=2))
    assert error == ["backflow: error: --allow-change data.maen: no such key: need one of the configuration, as data.mean; "
                     "did you mean 'data.mean'?"], error


def test_a_resume_with_an_optimizer_of_another_state_starts_that_state_anew(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    first = folder / "run"
    run("train", config, "--out", first, "--set", "optimizer.momentum=0.9", "--set", "train.epochs=1")
    for n, settings in enumerate((["optimizer.momentum=0"], ["optimizer.name=adam"],
                                  ["optimizer.name=rmsprop", "optimizer.momentum=0.5"])):
        sets = [word for setting in settings for word in ("--set", setting)]
        key = settings[0].split("=")[0]
        again = ["train", config, "--out", folder / str(n), "--resume", newest(first), *sets]
        error = errors(run(*again, expect=2))
        assert f"{key} is " in error[0] and error[0].endswith(f"--allow-change {key}"), error
        said = run(*again, "--allow-change", key).stdout
        assert "note: the optimizer's state starts anew" in said, said
        assert metrics(folder / str(n), "final")[0]["steps"] == 12
    run("train", config, "--out", folder / "other", "--resume", newest(first), "--set", "optimizer.momentum=0.5")


def test_seeds_that_are_equal_as_doubles_are_two(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    one, other = (["train", config, "--out", folder / "run", "--set", f"seed={2**53 + n}"] for n in (0, 1))
    error = errors(run_each(one, other, expect=2))
    assert len(error) == 1 and "seed is 9007199254740992 on rank 0, 9007199254740993 on rank 1" in error[0], error


def test_a_resume_with_another_batch_size_goes_on_after_the_samples_that_are_done(folder):
    import h5py
    data = write_data(folder / "data")  # 60 samples, batches of 10
    config = write_config(folder / "mlp.toml", data)
    out = folder / "run"
    again = ["train", config, "--out", out, "--resume", "auto"]

    def place():
        with h5py.File(newest(out)) as dump:
            return [int(dump.attrs[name]) for name in ("step", "epoch", "sampler_epoch", "sampler_position")]

    run("train", config, "--out", out, "--set", "train.max_steps=4")
    assert place() == [4, 1, 0, 40]
    for ranks, settings, steps, wanted in (
            # 40 samples are two batches of 20; then the third, and the second epoch's first.
            (0, ["train.batch_size=20", "train.max_steps=6"], [5, 6], [6, 2, 1, 20]),
            # 20 samples and the rest of the batch that they begin are two of 13; then three, and two of the third epoch.
            (2, ["train.batch_size=13", "train.epochs=3", "train.max_steps=11"], [7, 8, 9, 10, 11], [11, 3, 2, 26]),
            # Without the smaller batch an epoch has two of 25, and 26 samples are both.
            (0, ["train.batch_size=25", "train.drop_last=true", "train.epochs=4"], [12, 13], [13, 4, 4, 0])):
        sets = [word for setting in settings for word in ("--set", setting)]
        before = len(metrics(out, "step"))
        run(*again, *sets, "--allow-change", "train.batch_size", "--allow-change", "train.drop_last", ranks=ranks)
        assert [line["step"] for line in metrics(out, "step")[before:]] == steps
        assert place() == wanted, (settings, place())
    # Other data, of another size: 13 steps and four epochs are done.
    other = write_data(folder / "other", seed=2, train=90)
    run(*again, *sets, "--set", f"data.directory={other}", "--set", "train.epochs=5", "--allow-change", "data.train",
        "--allow-change", "data.test", "--set", "train.drop_last=true")
    assert place() == [16, 5, 5, 0]


def test_a_dump_that_does_not_say_what_its_data_were_is_taken_with_a_note(folder):
    import h5py
    data = write_data(folder / "data")
    config = write_config(folder / "mlp.toml", data)
    run("train", config, "--out", folder / "run", "--set", "train.epochs=1")
    old = folder / "old.h5"
    with h5py.File(newest(folder / "run")) as source, h5py.File(old, "w") as target:
        for name in source:
            source.copy(name, target)
        for name, value in source.attrs.items():
            if name not in ("train_data", "test_data"):
                target.attrs[name] = value
        before = source.attrs["config"].decode().split("\n[distributed]")[0]  # that of a version with fewer keys
        target.attrs["config"] = before + "\n[distributed]\nreduction = \"fast\"\n"
    said = run("train", config, "--out", folder / "on", "--resume", old)
    assert "does not say what its data were" in " ".join(said.stdout.split()), said.stdout
    assert run("evaluate", old).stderr == ""


def test_how_gradients_are_reduced_is_a_key_with_two_values(folder):
    data = write_data(folder / "data")
    config = write_config(folder / "fast.toml", data, rest='[distributed]\nreduction = "fast"\n')
    for ranks in (0, 2):
        assert run("train", config, "--dry-run", ranks=ranks).stderr == ""
    assert 'reduction = "fast"' in run("config", config).stdout
    config.write_text(config.read_text().replace('"fast"', '"exact"'))
    error = errors(run("config", config, expect=2))
    assert "'reduction' in [distributed] is \"exact\": " in error[0] and '"reproducible"' in error[0], error
    assert "unknown key 'x' in [distributed]" in errors(run("config", config, "--set", "distributed.x=1",
                                                            "--set", "distributed.reduction=fast", expect=2))[0]


if __name__ == "__main__":
    main(globals())

"""Runs the `backflow` program as its users do, on one and on two ranks, on real data: results, exit codes, messages.

usage: program_test.py [NAME...]  runs the tests of these names, or all.
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from program import BACKFLOW, MPIRUN, SOURCE, first_samples, main, metrics, newest, run

WHOLE = pathlib.Path("/usr/share/datasets/fashion-mnist")
TEMPORARY = tempfile.TemporaryDirectory(prefix="backflow-program-data-")
DATA = first_samples(TEMPORARY.name)


def shipped(name):
    """A configuration of configs/, with 6,000 samples for training and 1,000 for testing."""
    text = (SOURCE / "configs" / f"{name}.toml").read_text()
    assert str(WHOLE) in text
    path = pathlib.Path(TEMPORARY.name) / f"{name}.toml"
    path.write_text(text.replace(str(WHOLE), str(DATA)))
    return str(path)


CONFIG = shipped("fashion_mnist_mlp")
TOWERS = shipped("fashion_mnist_towers")
SGD = 'name = "sgd"\nlr = 0.03\nmomentum = 0.9'  # of CONFIG
SMALL = ["--set", "model.hidden=[64, 32]"]


def train(out, *args, **options):
    return run("train", CONFIG, "--out", out, *SMALL, *args, **options)


def steps(n, *args):
    return ["--set", f"train.max_steps={n}", *args]


def compare_losses(folder, n, tolerance, *args):
    train(folder / "one", *steps(n), *args)
    train(folder / "two", *steps(n), *args, ranks=2)
    one, two = (metrics(folder / d, "step") for d in ("one", "two"))
    assert len(one) == len(two) == n
    worst = max(abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(one, two))
    assert worst <= tolerance, f"losses on one and two ranks differ by {worst}, want {tolerance}"


def test_one_and_two_ranks_have_the_same_losses_in_float32(folder):
    compare_losses(folder, 20, 1e-5)


def test_one_and_two_ranks_have_the_same_losses_in_float64(folder):
    compare_losses(folder, 100, 1e-12, "--set", "train.dtype=float64")


def test_micro_batches_give_the_same_losses_on_any_number_of_ranks(folder):
    # Batches of 999 samples, and a last one of 6: fewer than there are micro-batches.
    common = [*steps(7), "--set", "train.dtype=float64", "--set", "train.batch_size=999", "--set", "optimizer.momentum=0.9"]
    train(folder / "whole", *common)
    whole = [m["loss"] for m in metrics(folder / "whole", "step")]
    for ranks in (0, 2):
        train(folder / str(ranks), *common, "--set", "train.micro_batches=7", ranks=ranks)
        cut = [m["loss"] for m in metrics(folder / str(ranks), "step")]
        assert len(cut) == len(whole) == 7
        assert cut != whole and all(abs(a - b) <= 1e-12 * abs(a) for a, b in zip(whole, cut)), (whole, cut)


def test_gradients_are_clipped_and_their_norm_is_recorded(folder):
    clip = ["--set", "train.dtype=float64", "--set", "train.clip_grad_norm=0.01"]
    train(folder / "free", *steps(5), "--set", "train.dtype=float64")
    train(folder / "one", *steps(5), *clip)
    train(folder / "two", *steps(5), *clip, "--set", "train.micro_batches=2", ranks=2)
    assert "grad_norm" not in metrics(folder / "free", "step")[0]
    one, two = (metrics(folder / d, "step") for d in ("one", "two"))
    assert all(m["grad_norm"] > 0.01 for m in one)
    for key in ("loss", "grad_norm"):
        assert all(abs(a[key] - b[key]) <= 1e-9 * abs(a[key]) for a, b in zip(one, two)), key
    assert one[4]["loss"] > metrics(folder / "free", "step")[4]["loss"]


def test_a_gradient_that_is_not_finite_ends_the_run_with_the_parameters_name(folder):
    wild = [*steps(50), "--set", "optimizer.lr=1e30", "--set", "train.check_gradients=true"]
    for ranks in (0, 2):
        error = train(folder / str(ranks), *wild, ranks=ranks, expect=1).stderr
        assert "training step: the gradient of " in error and "NaN or infinite" in error, error


def test_an_uneven_last_batch_is_exact(folder):
    # 6,000 samples in batches of 999: the last one has 6.
    compare_losses(folder, 7, 1e-12, "--set", "train.dtype=float64", "--set", "train.batch_size=999")


def test_a_last_batch_with_fewer_samples_than_ranks_does_not_hang(folder):
    train(folder / "run", "--set", "train.batch_size=5999", ranks=2)
    assert len(metrics(folder / "run", "step")) == 20  # ten epochs


def test_dumps_are_bitwise_equal_for_any_number_of_threads(folder):
    for threads in (1, 2, 4):
        run("train", CONFIG, "--out", folder / str(threads), "--threads", threads, *steps(12))
    for threads in (2, 4):
        run("inspect", newest(folder / "1"), "--diff", newest(folder / str(threads)))
    train(folder / "other", *steps(12), "--set", "seed=2")
    train(folder / "small", *steps(12))
    different = run("inspect", newest(folder / "small"), "--diff", newest(folder / "other"), expect=1)
    assert "/parameters/0.weight" in different.stdout


def test_towers_compute_the_same_on_any_number_of_threads(folder):
    assert "1 rank" in run("train", TOWERS, "--dry-run").stdout
    (folder / "resolved.toml").write_text(run("config", TOWERS).stdout)
    assert run("config", folder / "resolved.toml").stdout == (folder / "resolved.toml").read_text()
    for threads in (1, 2, 4):
        run("train", TOWERS, "--out", folder / str(threads), "--threads", threads, *steps(20))
    for threads in (2, 4):
        run("inspect", newest(folder / "1"), "--diff", newest(folder / str(threads)))
    run("train", folder / "resolved.toml", "--out", folder / "resolved", *steps(20))
    run("inspect", newest(folder / "1"), "--diff", newest(folder / "resolved"))
    assert "3.7.4.weight" in run("inspect", newest(folder / "1")).stdout
    first, *_, last = (line["loss"] for line in metrics(folder / "1", "step"))
    assert first < 2.5 and last < 0.9 * first, (first, last)


def bits(path):
    """All that a dump holds besides its configuration: parameters, optimizer state, step and epoch."""
    import h5py
    with h5py.File(path) as file:
        found = {f"{group}/{name}": data[()].tobytes() for group in ("parameters", "optimizer")
                 for name, data in file[group].items()}
        return found, file.attrs["step"], file.attrs["epoch"]


def test_a_run_that_goes_on_from_a_dump_gives_the_same_bits(folder):
    # Batches of 999 samples: 7 steps an epoch.
    optimizers = {"sgd": [], "adam": ["--set", "optimizer.lr=0.001", "--set", "optimizer.amsgrad=true"],
                  "rmsprop": ["--set", "optimizer.lr=0.001", "--set", "optimizer.centered=true"]}
    for name, options in optimizers.items():
        (folder / f"{name}.toml").write_text(pathlib.Path(CONFIG).read_text().replace(
            SGD, f'name = "{name}"' if options else SGD))
        common = [folder / f"{name}.toml", *SMALL, *options, "--set", "train.batch_size=999"]
        whole, cut = folder / f"{name}-whole", folder / f"{name}-cut"
        run("train", *common, *steps(16), "--out", whole, "--set", "checkpoint.every_steps=7")
        run("train", *common, *steps(5), "--out", cut, "--resume", "auto")
        assert "resumed after step 5" in run("train", *common, *steps(9), "--out", cut, "--resume", "auto").stdout
        run("train", *common, *steps(16), "--out", cut, "--resume", newest(cut), ranks=0, expect=0)
        assert bits(newest(cut)) == bits(newest(whole))
        assert [m["step"] for m in metrics(cut, "step")] == list(range(1, 17))
        assert [m["loss"] for m in metrics(cut, "step")] == [m["loss"] for m in metrics(whole, "step")]
        assert len(bits(newest(cut))[0]) == 6 + 6 * {"sgd": 1, "adam": 4, "rmsprop": 3}[name]
        # From the end of an epoch, before its evaluation.
        seventh = whole / "checkpoints/step-000000007.h5"
        again = folder / f"{name}-again"
        run("train", *common, *steps(16), "--out", again, "--resume", seventh)
        assert bits(newest(again)) == bits(newest(whole))
        assert [m["epoch"] for m in metrics(again, "eval")] == [m["epoch"] for m in metrics(whole, "eval")] == [1, 2, 3]
        assert metrics(again, "final")[0]["test_loss"] == metrics(whole, "final")[0]["test_loss"]


def test_a_dump_that_does_not_fit_is_refused(folder):
    out = folder / "run"
    train(out, *steps(5), "--set", "train.batch_size=2000")
    dump = newest(out)
    other = folder / "other"
    assert "no such file" in train(other, "--resume", folder / "none.h5", expect=2).stderr
    assert "need --out" in run("train", CONFIG, "--resume", "auto", expect=2).stderr
    error = train(other, "--resume", dump, "--set", "model.hidden=[64, 33]", expect=2).stderr
    assert str(dump) in error and "model.hidden is [64, 33], in the dump [64, 32]" in error and error.count("\n") == 1, error
    error = train(other, "--resume", dump, expect=2).stderr
    assert "train.batch_size is 128, in the dump 2000" in error, error
    (folder / "adam.toml").write_text(pathlib.Path(CONFIG).read_text().replace(SGD, 'name = "adam"'))
    error = run("train", folder / "adam.toml", *SMALL, "--set", "train.batch_size=2000", "--out", other,
                "--resume", dump, expect=2, ranks=2).stderr
    assert 'optimizer.name is "adam", in the dump "sgd"' in error, error


def test_evaluate_gives_the_final_line_exactly(folder):
    out = folder / "run"
    train(out, ranks=2)
    final = metrics(out, "final")
    assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1]) == final[0]
    for ranks, threads in ((0, 1), (0, 2), (2, 1)):
        result = json.loads(run("evaluate", newest(out), "--threads", threads, ranks=ranks).stdout)
        assert result["test_accuracy"] == final[0]["test_accuracy"] and result["test_loss"] == final[0]["test_loss"]
    assert final[0]["test_accuracy"] > 0.8
    for name in ("config.toml", "environment.json", "log.txt"):
        assert (out / name).stat().st_size > 0
    listing = run("inspect", newest(out)).stdout
    assert "0.weight" in listing and "2.bias" in listing and "4.bias" in listing


def test_resolved_configuration_gives_the_same_run(folder):
    resolved = run("config", CONFIG, *SMALL).stdout
    (folder / "resolved.toml").write_text(resolved)
    assert run("config", folder / "resolved.toml").stdout == resolved
    train(folder / "a", *steps(3))
    run("train", folder / "resolved.toml", "--out", folder / "b", *steps(3))
    run("inspect", newest(folder / "a"), "--diff", newest(folder / "b"))


def test_wrong_configurations_exit_with_2_and_one_line(folder):
    text = pathlib.Path(CONFIG).read_text()
    cases = {
        "unknown key": (text.replace("momentum =", "momentun ="), "did you mean 'momentum'?"),
        "wrong type": (text.replace("epochs = 10", 'epochs = "four"'), "is a string: need an integer"),
        "out of range": (text.replace("batch_size = 128", "batch_size = 0"), "need an integer from 1 to"),
        "optimizer": (text.replace('name = "sgd"', 'name = "adma"'), 'did you mean "adam"?'),
        "key of another optimizer": (text.replace('name = "sgd"', 'name = "adamw"'), "unknown key 'momentum' in [optimizer]"),
        "missing folder": (text.replace("fashion-mnist\"", "fashion\""), "no such folder"),
        "layer": (text.replace('name = "mlp"\nhidden = [512, 512]', "[[model.layers]]\ntype = \"flatten\"\n[[model.layers]]\n"
                               "type = \"linear\"\nin_features = 700\nout_features = 10"), "need in_features = 784"),
        "last layer": (text.replace('name = "mlp"\nhidden = [512, 512]', "[[model.layers]]\ntype = \"flatten\""),
                       "need [10]"),
        "not TOML": ("this is not TOML", ""),
    }
    for name, (content, message) in cases.items():
        path = folder / f"{name}.toml"
        path.write_text(content)
        for ranks in (0, 2):
            error = run("train", path, "--out", folder / "run", ranks=ranks, expect=2).stderr
            ours = [line for line in error.splitlines() if line.startswith("backflow: error: ")]
            assert len(ours) == 1, f"{name}: {error}"
            assert ours[0].startswith(f"backflow: error: {path}:") and message in ours[0], ours[0]
            assert ranks or error.count("\n") == 1, error
    assert not (folder / "run").exists()
    assert str(folder / "none.toml") in run("train", folder / "none.toml", expect=2).stderr
    run("train", CONFIG, "--set", "train.epochs=-1", expect=2)
    run("train", CONFIG, "--set", "train.micro_batches=0", expect=2)
    run("train", CONFIG, "--set", "train.clip_grad_norm=-1", expect=2)
    run("train", CONFIG, "--set", 'train.check_gradients="yes"', expect=2)
    run("train", CONFIG, "--set", "optimizer.name=adam", expect=2)  # momentum is none of its keys
    run("train", CONFIG, "--threads", 0, expect=2)
    run("train", expect=2)
    run("evaluate", folder / "none.h5", expect=2)


def copy_data(folder):
    target = folder / "data"
    shutil.copytree(DATA, target)
    return target, ["--set", f"data.directory={target}"]


def test_damaged_data_exit_with_1_and_name_the_file(folder):
    data, option = copy_data(folder)
    images = data / "t10k-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    plain = gzip.decompress(whole)
    for content in (whole[: len(whole) // 2], whole[:5000] + b"\0" * 8 + whole[5008:], b"", plain[:-1], plain + b"x",
                    b"\1" + plain[1:]):
        images.write_bytes(content)
        error = run("train", CONFIG, *option, "--out", folder / "run", expect=1).stderr
        assert error.count("\n") == 1 and str(images) in error, error
    assert str(images) in train(folder / "run", *option, ranks=2, expect=1).stderr


def test_a_full_disk_while_dumping_exits_with_1_and_leaves_the_previous_dump(folder):
    def limit():
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # a dump has 440 KB
    out = folder / "run"
    train(out, *steps(2))
    before = newest(out).read_bytes()
    error = train(out, *steps(4), "--resume", "auto", expect=1, preexec_fn=limit).stderr
    assert "cannot write" in error and error.count("\n") == 1, error
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["step-000000002.h5"]
    assert newest(out).read_bytes() == before


def test_an_unusable_run_directory_exits_with_1(folder):
    (folder / "file").write_text("in the way")
    error = train(folder / "file" / "run", expect=1, ranks=2).stderr
    assert error.count("backflow: error: ") == 1, repr(error)  # mpirun 5 may put characters of its own before it


def start_and_wait_for_step(folder, *prefix):
    """Starts a long run; returns the process and its ranks' ids once it has done a step."""
    out = folder / "run"
    command = [*map(str, prefix), BACKFLOW, "train", CONFIG, "--out", str(out), *SMALL, "--set", "train.epochs=100000"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (out / "metrics.jsonl").exists() or '"step"' not in (out / "metrics.jsonl").read_text():
        assert process.poll() is None, process.stdout.read()
    ranks = subprocess.run(["pgrep", "-f", f"^{BACKFLOW} train .*{out}"], capture_output=True, text=True).stdout.split()
    return process, sorted(map(int, ranks)), out


def test_a_killed_rank_ends_the_job_and_is_named(folder):
    process, ranks, _ = start_and_wait_for_step(folder, *MPIRUN, "-n", "2")
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "signal 9" in output and "rank" in output, output


def test_a_signal_stops_the_run_with_a_dump_and_exit_code_3(folder):
    process, _, out = start_and_wait_for_step(folder)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "dump: " in output
    run("evaluate", newest(out))


def test_dry_run_and_version_compute_nothing(folder):
    plan = train(folder / "run", "--dry-run", ranks=2).stdout
    assert re.search(r"Linear +\[64\] +50240 ", plan) and "47 steps" in plan and "2 ranks" in plan, plan
    assert not (folder / "run").exists()
    version = run("--version").stdout
    for library in ("backflow", "onednn", "onetbb", "mpi", "hdf5"):
        assert library in version


def test_ops_lists_the_operators_and_knows_the_nearest_name(folder):
    every = run("ops").stdout
    one = run("ops", "relu_").stdout
    assert "\n  relu(Tensor self) -> Tensor\n" in every and "\n  relu(Tensor self) -> Tensor\n" in one
    assert len(one.splitlines()) < 12 < len(every.splitlines())
    assert "| `relu(Tensor self) -> Tensor` |" in run("ops", "--markdown").stdout
    error = run("ops", "relo", expect=2).stderr
    assert error == "backflow: error: ops: unknown operator 'relo'; did you mean 'relu'?\n", error


def write_idx(path, type_code, sizes, content):
    path.write_bytes(bytes([0, 0, type_code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes) + content)


def small_data(folder, labels=bytes(range(10)) * 2, test_labels=bytes(range(10))):
    """Options for 20 samples of 2x2 for training and 10 for testing; labels are signed bytes."""
    folder.mkdir()
    for name, values in (("train", labels), ("test", test_labels)):
        write_idx(folder / f"{name}-images", 8, (len(values), 2, 2), bytes(range(4 * len(values))))
        write_idx(folder / f"{name}-labels", 9, (len(values),), values)
    return ["--set", f"data.directory={folder}", *(
        word for which in ("train", "test") for what in ("images", "labels")
        for word in ("--set", f"data.{which}_{what}={which}-{what}"))]


def test_a_mistake_on_the_command_line_gets_the_right_words(folder):
    text = pathlib.Path(CONFIG).read_text()
    line = text[:text.index("hidden =")].count("\n") + 1
    for arguments, words in (
            (["trian", CONFIG], "unknown command 'trian': need train, profile, evaluate, predict, inspect, convert, config, graph, "
             "ops, report or sweep; did you mean 'train'?"),
            (["train", CONFIG, "--epochs", "2"], "unknown option --epochs; did you mean --set train.epochs=2?"),
            (["train", "--epochs", "2", CONFIG], "unknown option --epochs; did you mean --set train.epochs=2?"),
            (["train", "--lr=0.1", CONFIG], "unknown option --lr; did you mean --set optimizer.lr=0.1?"),
            (["graph", CONFIG, "train.epochs=2"], "unexpected argument 'train.epochs=2'; did you mean --set train.epochs=2?"),
            (["inspect", "x.h5", "--dif", "y.h5"], "unknown option --dif; did you mean --diff?"),
            (["config", CONFIG, "--set", "data.mean=.5"],
             "--set data.mean=.5: 'mean' in [data] is .5: need a number of at least -1e+15 and at most 1e+15 (what is subtracted from "
             "all numbers); TOML writes 0.5"),
            (["config", CONFIG, "--set", "model.name=resnet18"],
             f"{CONFIG}:{line}:1: unknown key 'hidden' in [model]: it is a key of name = \"mlp\" or \"autoencoder\" or \"vae\", not of "
             "\"resnet18\"; to leave it out: --set model.hidden=unset")):
        error = run(*arguments, expect=2).stderr
        assert error == f"backflow: error: {words}\n", error
    adam = ["--set", "optimizer.name=adam"]
    error = run("config", CONFIG, *adam, expect=2).stderr
    command = error.rstrip().rpartition("to leave it out: ")[2].split()
    assert command == ["--set", "optimizer.momentum=unset"], error
    assert "momentum" not in run("config", CONFIG, *adam, *command).stdout


def test_what_no_run_can_have_is_refused_with_its_place_by_every_command(folder):
    data = small_data(folder / "data")
    for command in ("config", "graph", "profile", "train"):
        for option, words in (("name=a/b", "'name' in the top level is \"a/b\": need a name that a directory can have"),
                              ("model.hidden=[16777216, 16777216]", "'hidden[1]' in [model]: with this layer the model has ")):
            error = run(command, CONFIG, *data, "--set", "train.batch_size=4", "--set", option, expect=2).stderr
            assert error.startswith(f"backflow: error: --set {option}: {words}") and error.count("\n") == 1, error


def test_labels_are_checked_before_anything_is_computed(folder):
    for name, labels, which in (("negative", b"\0\1\xff\3", "train"), ("test", b"\0\1\xff\3", "test"),
                                ("class", b"\0\1\x0c\3", "test")):
        data = small_data(folder / name, **({"labels": labels} if which == "train" else {"test_labels": labels}))
        error = train(folder / "run", *data, "--set", "train.batch_size=4", expect=1).stderr
        value = "12: need one of the 10 classes of " if name == "class" else "-1: need a class, a whole number from 0 to "
        start = f"backflow: error: {folder / name / which}-labels: sample 2, counted from 0, has the label {value}"
        assert error.startswith(start) and error.count("\n") == 1, error
        assert not (folder / "run").exists()


def test_evaluate_takes_test_data_without_some_of_the_classes(folder):
    data = small_data(folder / "data")
    train(folder / "run", *data, "--set", "train.epochs=1")
    fewer = small_data(folder / "fewer", test_labels=bytes(range(5)))
    assert json.loads(run("evaluate", newest(folder / "run"), *fewer).stdout)["samples"] == 5


def test_zeros_behind_gzip_data_are_padding_and_other_bytes_a_warning(folder):
    data, option = copy_data(folder)
    labels = data / "t10k-labels-idx1-ubyte.gz"
    whole = labels.read_bytes()
    for rest, warned in ((b"\0" * 1000, False), (b"\0\0junk", True), (b"junk", True)):
        labels.write_bytes(whole + rest)
        error = run("config", CONFIG, *option).stderr
        assert (f"{labels}: offset {len(whole)}: what follows the gzip stream is ignored" in error) == warned, error
        assert warned or not error, error


def test_a_batch_larger_than_the_data_is_told(folder):
    data = small_data(folder / "data")
    for ranks in (0, 2):
        done = train(folder / str(ranks), *data, "--set", "train.batch_size=21", "--dry-run", ranks=ranks)
        words = f"'batch_size' in [train] is 21, {folder}/data/train-images has 20 samples: each step takes all of them"
        assert (done.stdout + done.stderr).count(words) == 1, done.stderr
    assert not run("config", CONFIG, *data, "--set", "train.batch_size=20").stderr


if __name__ == "__main__":
    main(globals())

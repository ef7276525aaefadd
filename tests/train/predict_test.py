"""Predictions of the `backflow` program: what is in the files, for each kind of target, on any number of ranks.

usage: predict_test.py [NAME...]  runs the tests of these names, or all.
"""
import csv
import random

import h5py
import numpy

from program import config_text, main, metrics, newest, run, write_data


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def table(path, n, seed, target=True):
    """x1, x2 and y = 2 x1 - x2 + 1."""
    source = random.Random(seed)
    rows = [[source.uniform(-1, 1), source.uniform(-1, 1)] for _ in range(n)]
    lines = [",".join(map(repr, row + ([2 * row[0] - row[1] + 1] if target else []))) for row in rows]
    path.write_text("x1,x2" + (",y" if target else "") + "\n" + "\n".join(lines) + "\n")
    return numpy.array(rows)


def csv_config(folder, rest=""):
    table(folder / "train.csv", 200, 1)
    table(folder / "test.csv", 50, 2)
    (folder / "csv.toml").write_text(
        f'name = "law"\nseed = 1\n[data]\nformat = "csv"\ndirectory = "{folder}"\ntrain_file = "train.csv"\ntest_file = "test.csv"\n'
        f'target_columns = ["y"]\nnormalize = "auto"\n[model]\nname = "mlp"\nhidden = []\n[optimizer]\nname = "sgd"\nlr = 0.2\n'
        f"[train]\nepochs = 30\nbatch_size = 20\neval_batch_size = 7\n{rest}")
    return folder / "csv.toml"


def test_classes_and_probabilities_of_images_agree_with_evaluate(folder):
    data = write_data(folder / "data", classes=3)
    (folder / "small.toml").write_text(config_text(data) + "eval_batch_size = 7\n")
    run("train", folder / "small.toml", "--out", folder / "run")
    dump = newest(folder / "run")
    run("predict", dump, "-o", folder / "p.csv")
    header, *rows = read_csv(folder / "p.csv")
    assert header == ["class", "0", "1", "2"] and len(rows) == 20, header
    values = numpy.array([[float(x) for x in row[1:]] for row in rows])
    assert abs(values.sum(1) - 1).max() < 1e-5 and (values >= 0).all()
    classes = [int(row[0]) for row in rows]
    assert classes == list(values.argmax(1))
    labels = (folder / "data/t10k-labels-idx1-ubyte").read_bytes()[8:]
    accuracy = numpy.mean([c == label for c, label in zip(classes, labels)])
    assert abs(accuracy - metrics(folder / "run", "final")[-1]["test_accuracy"]) < 1e-6
    run("predict", dump, "-o", folder / "p.npy")
    run("predict", dump, "-o", folder / "p.h5")
    exact = numpy.load(folder / "p.npy")
    assert exact.dtype == numpy.float32 and (exact == values.astype(numpy.float32)).all(), "CSV gives the same bits"
    with h5py.File(folder / "p.h5") as file:
        assert (file["predictions"][()] == exact).all() and list(file["class"][()]) == classes
        assert file["predictions"].attrs["names"].split("\n") == ["0", "1", "2"]


def test_files_are_the_same_on_any_number_of_ranks(folder):
    data = write_data(folder / "data", test=41)
    (folder / "small.toml").write_text(config_text(data) + "eval_batch_size = 4\n")
    run("train", folder / "small.toml", "--out", folder / "run")
    for name in ("p.csv", "p.npy"):
        run("predict", newest(folder / "run"), "-o", folder / name)
        one = (folder / name).read_bytes()
        for ranks in (2, 3):
            run("predict", newest(folder / "run"), "-o", folder / name, ranks=ranks)
            assert (folder / name).read_bytes() == one, f"{name} on {ranks} ranks"


def test_values_of_a_table_without_targets_keep_their_order(folder):
    run("train", csv_config(folder), "--out", folder / "run")
    x = table(folder / "new.csv", 33, 3, target=False)
    run("predict", newest(folder / "run"), "--data", folder / "new.csv", "-o", folder / "p.csv")
    header, *rows = read_csv(folder / "p.csv")
    assert header == ["y"] and len(rows) == 33, header
    found = numpy.array([float(row[0]) for row in rows])
    assert abs(found - (2 * x[:, 0] - x[:, 1] + 1)).max() < 0.02, found
    run("predict", newest(folder / "run"), "--data", folder / "test.csv", "-o", folder / "p.npy")
    assert numpy.load(folder / "p.npy").shape == (50, 1)


def test_columns_are_found_by_their_names_and_targets_are_not_looked_at(folder):
    run("train", csv_config(folder), "--out", folder / "run")
    dump = newest(folder / "run")
    run("predict", dump, "-o", folder / "p.npy")
    lines = (folder / "test.csv").read_text().splitlines()[1:]
    mixed = [",".join((x2, "", "note", x1)) for x1, x2, _ in (line.split(",") for line in lines)]
    (folder / "mixed.csv").write_text("x2,y,remark,x1\n" + "\n".join(mixed) + "\n")
    run("predict", dump, "--data", folder / "mixed.csv", "-o", folder / "q.npy")
    assert (numpy.load(folder / "p.npy") == numpy.load(folder / "q.npy")).all()
    (folder / "less.csv").write_text("x2,z\n1,2\n")
    done = run("predict", dump, "--data", folder / "less.csv", "-o", folder / "q.npy", expect=2)
    assert "'feature_columns' in [data]: no column 'x1' in" in done.stderr, done.stderr
    # A row without a value would be missing among the predictions.
    (folder / "holes.csv").write_text("x1,x2\n1,2\n,2\n")
    done = run("predict", dump, "--set", "data.missing=drop", "--data", folder / "holes.csv", "-o", folder / "q.npy", expect=1)
    assert "holes.csv:3: column 'x1' has no value: need one" in done.stderr, done.stderr


def test_arrays_without_targets_are_what_the_training_data_were(folder):
    """Whole numbers are classes in training, and floating-point numbers values; new data hold none to tell by."""
    source = numpy.random.default_rng(1)
    x = source.normal(size=(60, 2))
    for name, y, columns in (("class", numpy.arange(60) % 3, 3), ("values", x[:, :1], 1), ("labels", numpy.arange(120).reshape(60, 2) % 2, 2)):
        numpy.savez(folder / "data.npz", x=x, y=y)
        text = csv_config(folder).read_text()
        text = text[:text.index("[data]")] + f'[data]\nformat = "numpy"\ntrain_file = "{folder}/data.npz"\nvalidation = 0.2\n' + \
            text[text.index("[model]"):]
        (folder / "numpy.toml").write_text(text.replace("epochs = 30", "epochs = 1"))
        run("train", folder / "numpy.toml", "--out", folder / name)
        assert f'target = "{name}"' in (folder / name / "config.toml").read_text()
        numpy.savez(folder / "new.npz", x=x[:7])
        run("predict", newest(folder / name), "--data", folder / "new.npz", "-o", folder / "p.npy")
        assert numpy.load(folder / "p.npy").shape == (7, columns)


def test_mistakes_leave_nothing_behind(folder):
    run("train", csv_config(folder), "--out", folder / "run")
    dump = newest(folder / "run")
    assert "need a name that ends with" in run("predict", dump, "-o", folder / "p.txt", expect=2).stderr
    assert "no such file" in run("predict", dump, "--data", folder / "no.csv", "-o", folder / "p.csv", expect=2).stderr
    (folder / "other.csv").write_text("x1\n1\n2\n")
    run("predict", dump, "--data", folder / "other.csv", "-o", folder / "p.csv", expect=2)
    assert "no such file" in run("predict", folder / "no.h5", "-o", folder / "p.csv", expect=2).stderr
    run("predict", dump, "-o", folder / "no/p.csv", expect=1)
    assert not list(folder.glob("p.*")) and not list(folder.glob(".backflow*"))


if __name__ == "__main__":
    main(globals())

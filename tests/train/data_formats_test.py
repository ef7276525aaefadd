"""What the program makes of data in each format: files as other programs write them, and files that are wrong."""
import gzip
import os
import pathlib
import sys

import h5py
import numpy as np

sys.path.insert(0, os.path.dirname(__file__))
from program import errors, main, metrics, newest, png, run  # noqa: E402

TAIL = """
[model]
name = "mlp"
hidden = [8]
[optimizer]
name = "adam"
lr = 0.01
[train]
epochs = {epochs}
batch_size = {batch}
"""


def config(folder, data, epochs=1, batch=64, name="c"):
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\nseed = 1\n[data]\n{data}\n' + TAIL.format(epochs=epochs, batch=batch))
    return path


def train(folder, data, *options, name="c", ranks=0, **keys):
    out = folder / f"run_{name}"
    run("train", config(folder, data, name=name, **keys), "--out", out, "--quiet", *options, ranks=ranks)
    return out


def parameters(out):
    with h5py.File(newest(out)) as file:
        return {name: file["parameters"][name][()].tobytes() for name in file["parameters"]}


def message(folder, data, expect=2, options=()):
    done = run("train", config(folder, data), "--out", folder / "run", "--overwrite", *options, expect=expect)
    lines = errors(done)
    assert len(lines) == 1, done.stderr
    return lines[0][len("backflow: error: "):]


def table(rows=600, columns=5, seed=3):
    source = np.random.default_rng(seed)
    x = source.normal(size=(rows, columns))
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(np.int64)
    return x, y


def write_csv(path, x, y, names=None):
    names = names or [f"x{i}" for i in range(x.shape[1])]
    lines = [",".join([*names, "y"])]
    lines += [",".join([*(repr(float(v)) for v in row), str(label)]) for row, label in zip(x, y)]
    path.write_text("\n".join(lines) + "\n")


def test_one_table_in_many_files(folder):
    """CSV, HDF5 of any layout, .npy and .npz with the same numbers give the same bits."""
    x, y = table()
    write_csv(folder / "t.csv", x, y)
    (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes()))
    np.save(folder / "x.npy", x)
    np.save(folder / "xf.npy", np.asfortranarray(x))
    np.save(folder / "y.npy", y)
    np.savez(folder / "t.npz", x=x, y=y)
    np.savez_compressed(folder / "tc.npz", x=x, y=y)
    layouts = {
        "plain": {},
        "chunked": {"chunks": (37, 5)},
        "columns": {"chunks": (50, 2)},
        "gzip": {"chunks": (64, 5), "compression": "gzip", "shuffle": True, "fletcher32": True},
        "packed": {"chunks": (64, 5), "compression": "gzip"},
        "shuffled": {"chunks": (64, 5), "compression": "gzip", "shuffle": True},
        "whole": {"chunks": (600, 5), "compression": "gzip", "compression_opts": 9},
    }
    with h5py.File(folder / "t.h5", "w") as file:
        for name, layout in layouts.items():
            file.create_dataset(name, data=x, **layout)
        file.create_dataset("big", data=x.astype(">f8"))
        file.create_dataset("y", data=y)
        file.create_dataset("y8", data=y.astype(np.uint8))
        file.create_dataset("yb", data=y.astype(bool))
    rest = 'validation = 0.2\nnormalize = "auto"\ntarget = "class"\n'
    files = f'directory = "{folder}"\n' + rest
    wanted = parameters(train(folder, files + 'format = "csv"\ntrain_file = "t.csv"\ntarget_columns = ["y"]', name="csv"))
    same = {"gz": 'format = "csv"\ntrain_file = "t.csv.gz"\ntarget_columns = ["y"]',
            "npy": 'format = "numpy"\ntrain_file = "x.npy"\ntrain_targets_file = "y.npy"',
            "npyf": 'format = "numpy"\ntrain_file = "xf.npy"\ntrain_targets_file = "y.npy"',
            "npz": 'format = "numpy"\ntrain_file = "t.npz"',
            "npzc": 'format = "numpy"\ntrain_file = "tc.npz"'}
    for layout in [*layouts, "big"]:
        same[layout] = f'format = "hdf5"\ntrain_file = "t.h5"\nx = "{layout}"'
    for targets in ("y8", "yb"):
        same[targets] = f'format = "hdf5"\ntrain_file = "t.h5"\nx = "plain"\ny = "{targets}"'
    for name, keys in same.items():
        assert parameters(train(folder, files + keys, name=name)) == wanted, name


def test_a_damaged_chunk_is_named(folder):
    x, y = table()
    for shuffle in (False, True):
        with h5py.File(folder / "t.h5", "w") as file:
            file.create_dataset("x", data=x, chunks=(64, 5), compression="gzip", shuffle=shuffle)
            file.create_dataset("y", data=y)
            file["x"].id.write_direct_chunk((128, 0), b"junk" * 30)
        said = message(folder, f'directory = "{folder}"\nformat = "hdf5"\ntrain_file = "t.h5"\nvalidation = 0.2', 1)
        assert f"{folder}/t.h5: 'x': the chunk of sample 128, counted from 0, is damaged" in said, said


def test_classes_that_are_numbers_may_have_names(folder):
    x, y = table(200)
    np.savez(folder / "t.npz", x=x, y=y)
    data = f'directory = "{folder}"\nformat = "numpy"\ntrain_file = "t.npz"\nvalidation = 0.2\ntarget = "class"\nclass_names = '
    out = train(folder, data + '["no", "yes", "maybe"]')
    assert metrics(out, "confusion")[-1]["classes"] == ["no", "yes", "maybe"], "a class that no sample has is there too"
    said = message(folder, data + '["no"]', 1)
    assert "has the label 1: need one of the 1 classes that data.class_names names" in said, said


def test_ranks_and_threads(folder):
    """Split, normalization, augmentation and drawing by weight are the same on any number of ranks and threads."""
    data = ('format = "synthetic"\ngenerator = "digits"\nsamples = 320\ntest_samples = 40\nnormalize = "auto"\n'
            'validation = 0.25\nsampling = "balanced"\n[data.augment]\ncrop_padding = 2\nflip = true\nrotate = 10\n'
            "noise = 0.1\ncutout = 3\nmixup = 0.3\n[distributed]\nreduction = \"reproducible\"\nshards = 4")
    one = parameters(train(folder, data, "--threads", 1, name="one", batch=32))
    assert parameters(train(folder, data, "--threads", 2, name="threads", batch=32)) == one
    assert parameters(train(folder, data, "--threads", 1, name="ranks", batch=32, ranks=2)) == one
    other = parameters(train(folder, data.replace("flip = true", "flip = false"), name="noflip", batch=32))
    assert other != one


def test_numbers_of_the_training_data(folder):
    """A dump holds the normalization and the classes that it was trained with; evaluation uses these."""
    x, y = table(200)
    words = np.array(["no", "yes"])[y]
    write_csv(folder / "train.csv", 5 * x + 3, words)
    write_csv(folder / "test.csv", 5 * x[:50] + 3, words[:50])
    out = train(folder, f'directory = "{folder}"\nformat = "csv"\ntrain_file = "train.csv"\ntest_file = "test.csv"\n'
                'target_columns = ["y"]\nnormalize = "auto"', epochs=3)
    text = (out / "config.toml").read_text()
    assert 'normalize = "given"' in text and 'class_names = ["no", "yes"]' in text, text
    final = metrics(out, "final")[0]
    (folder / "train.csv").unlink()
    done = run("evaluate", newest(out))
    assert f'"test_loss":{final["test_loss"]}' in done.stdout.replace(" ", ""), (done.stdout, final)
    # Only one class, and in another order: names decide, not the order in the file.
    write_csv(folder / "test.csv", 5 * x[y == 1] + 3, words[y == 1])
    run("evaluate", newest(out))
    write_csv(folder / "test.csv", x[:2], ["no", "perhaps"])
    assert "'perhaps'" in errors(run("evaluate", newest(out), expect=1))[0]


def test_pictures(folder):
    """PNG files in folders of classes, gray and in colour, of different sizes."""
    source = np.random.default_rng(1)
    for part, n in (("train", 30), ("test", 10)):
        for k, name in enumerate(("dark", "light")):
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                shape = (12 + i % 3, 15, 3) if i % 2 else (12, 16)
                pixels = (source.integers(0, 60, size=shape) + 150 * k).astype(np.uint8)
                (folder / part / name / f"{i}.png").write_bytes(png(pixels))
    data = (f'directory = "{folder}"\nformat = "images"\ntrain_folder = "train"\ntest_folder = "test"\n'
            "height = 8\nwidth = 8\n")
    out = train(folder, data + 'normalize = "auto"', epochs=4, batch=10)
    assert metrics(out, "final")[0]["test_accuracy"] == 1
    (folder / "train/dark/7.png").write_bytes(b"GIF89a not a PNG")
    text = message(folder, data, expect=1)
    assert text == f"{folder}/train/dark/7.png: neither PNG nor JPEG: need a picture in one of these formats", text
    (folder / "train/dark/7.png").write_bytes(png(np.zeros((9, 9), np.uint8))[:-20])
    assert f"{folder}/train/dark/7.png: the PNG is damaged" in message(folder, data, expect=1)


def test_cifar(folder):
    source = np.random.default_rng(1)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        records = source.integers(0, 256, size=(8, 3073)).astype(np.uint8)
        records[:, 0] %= 10
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    data = f'directory = "{folder}"\nformat = "cifar10"\n'
    train(folder, data + 'normalize = "auto"', batch=8)
    (folder / "data_batch_3.bin").write_bytes(b"\x05" * 3074)
    text = message(folder, data, expect=1)
    assert text.startswith(f"{folder}/data_batch_3.bin: record 1 has 1 bytes: need 3073"), text


def test_synthetic_and_weights(folder):
    data = 'format = "synthetic"\ngenerator = "spirals"\nsamples = 300\ntest_samples = 60\n'
    train(folder, data, name="spirals")
    weights = folder / "w.csv"
    weights.write_text("\n".join(["1"] * 300))
    keys = f'sampling = "file"\nweights_file = "{weights}"\n'
    train(folder, data + keys, name="weights")
    weights.write_text("\n".join(["1"] * 299))
    assert "299 weights for 300 samples" in message(folder, data + keys, expect=1)
    assert "'class_weights' in [data] has 2 numbers: need 3" in message(
        folder, data + 'sampling = "classes"\nclass_weights = [1, 2]', expect=2)


def test_wrong_tables(folder):
    """Errors of CSV files name file, line and column."""
    path = folder / "t.csv"
    base = f'directory = "{folder}"\nformat = "csv"\ntrain_file = "t.csv"\ntarget_columns = ["y"]\nvalidation = 0.5\n'
    path.write_text("a,b,y\n1,2,0\n3,4\n")
    assert message(folder, base, 1) == f"{path}:3: 2 cells: need 3, as in the first record"
    path.write_text("a,b,y\n1,2,0\n3,oops,1\n")
    assert message(folder, base, 1) == (f"{path}:3: column 'b' has 'oops': need a number; name it in "
                                        "data.category_columns or data.ignore_columns otherwise")
    path.write_text("a,b,y\n1,2,0\n3,,1\n")
    assert message(folder, base, 1).startswith(f"{path}:3: column 'b' has no value: need one")
    path.write_text("a,b,y\n1,2,0\n3,4,1\n5,6,\n")
    assert message(folder, base, 1).startswith(f"{path}:4: column 'y' has no value: need one")
    path.write_text("a,b,Y\n1,2,0\n3,4,1\n")
    text = message(folder, base)
    assert text.endswith(f"no column 'y' in {path}: need one of its 3; did you mean 'Y'?") and "c.toml:7:19" in text, text
    path.write_text("a,b,y\n1,2,0\n3,4,-1\n")
    assert "the label -1" in message(folder, base + 'target = "class"', 1)
    path.write_text("")
    assert message(folder, base, 1) == f"{path}: no records: need at least one"


def test_missing_values_and_categories(folder):
    x, y = table(60)
    rows = [f"{a!r},{b!r},{'red' if i % 3 else 'blue'},{k}" for i, ((a, b), k) in enumerate(zip(x[:, :2].tolist(), y))]
    rows[4] = rows[4].replace(rows[4].split(",")[0], "NA", 1)
    path = folder / "t.csv"
    path.write_text("a,b,color,y\n" + "\n".join(rows) + "\n")
    base = (f'directory = "{folder}"\nformat = "csv"\ntrain_file = "t.csv"\ntarget_columns = ["y"]\ntarget = "class"\n'
            'validation = 0.2\ncategory_columns = ["color"]\n')
    assert f"{path}:6: column 'a' has no value" in message(folder, base, 1)
    texts = {}
    for missing in ("drop", "mean", "fill"):
        out = train(folder, base + f'missing = "{missing}"', name=missing)
        texts[missing] = (out / "config.toml").read_text()
        with h5py.File(newest(out)) as file:
            assert file["parameters/0.weight"].shape == (8, 4)  # a, b, color=blue, color=red
            samples = file.attrs["train_data"].decode()
        assert ("59 samples" if missing == "drop" else "60 samples") in samples, samples
    assert 'categories = ["color=blue", "color=red"]' in texts["mean"]
    assert 'missing = "fill"' in texts["mean"] and "fill_values = [" in texts["mean"], texts["mean"]


def test_larger_than_memory(folder):
    """A file that is read as it is needed: every sample once in an epoch, the same on any number of ranks; NaN in it is an
    error, as is a filter that is not there."""
    x, y = table(100000, 6)  # 4.6 MiB, of which 1 MiB is a block
    with h5py.File(folder / "t.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(500, 6), compression="gzip")
        file.create_dataset("y", data=y)
        bad = x.copy()
        bad[777, 3] = np.nan
        file.create_dataset("bad", data=bad, chunks=(500, 6))
        file.create_dataset("lzf", data=x, chunks=(500, 6), compression="lzf")
        file.create_dataset("text", data=[b"a"] * 100000)
        file.create_dataset("z", data=y[:-1])
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    data = (f'directory = "{folder}"\nformat = "hdf5"\ntrain_file = "t.h5"\nvalidation = 0.2\nnormalize = "auto"\n'
            "memory_mb = 1\ncache_mb = 1\n")
    reproducible = '[distributed]\nreduction = "reproducible"\nshards = 2'
    one = train(folder, data + reproducible, name="one", batch=500)
    assert "in a file" in h5py.File(newest(one)).attrs["train_data"].decode()
    assert parameters(train(folder, data + reproducible, name="two", batch=500, ranks=2)) == parameters(one)
    # In the same order, what is read as it is needed has the same bits as what is in memory.
    numpy = data.replace("hdf5", "numpy").replace("t.h5", "x.npy") + 'train_targets_file = "y.npy"\n'
    in_order = data + "shuffle = false\n"
    for name, keys in (("numpy", numpy.replace("cache_mb = 1\n", "")), ("order", in_order)):
        streamed = parameters(train(folder, keys, name=name, batch=500))
        in_memory = train(folder, keys.replace("memory_mb = 1\n", "memory_mb = 64\n"), name=f"{name}_all", batch=500)
        assert "in a file" not in h5py.File(newest(in_memory)).attrs["train_data"].decode()
        if name == "numpy":
            assert parameters(in_memory) == streamed
    assert "sample 777, counted from 0, has the number nan: need finite numbers" in message(
        folder, data.replace("auto", "none") + 'x = "bad"\n', 1, ("--set", "train.batch_size=500"))
    assert "is compressed by filter 32000 (lzf): need gzip" in message(folder, data + 'x = "lzf"', 1)
    assert "'text' holds no numbers" in message(folder, data + 'x = "text"', 1)
    assert "99999 targets for 100000 samples" in message(folder, data + 'y = "z"', 1)


def test_options_that_do_not_fit(folder):
    """Contradictions are found before anything is computed, at their line."""
    synthetic = 'format = "synthetic"\ngenerator = "spirals"\nsamples = 30\n'
    cases = {
        synthetic + 'normalize = "auto"\nmean = 1.0': "it is a key of normalize = \"given\"",
        synthetic + "means = [1.0]": "'stds' in [data] has 0 numbers, 'means' 1",
        synthetic + "means = [1.0, 2.0, 3.0]\nstds = [1.0, 1.0, 1.0]": "'means' in [data] has 3 numbers",
        synthetic + "validation = 0.001": "need at least one in each of the two parts",
        synthetic + "[data.augment]\nflip = true": "'flip' in [data.augment]: samples have the shape [2]: need pictures",
        'format = "synthetic"\ngenerator = "digits"\n[data.augment]\ncutout = 99': "need at most 16 pixels",
        'format = "csv"\ntrain_file = "none.csv"\ntarget_columns = ["y"]': "no such file: none.csv: need a file of format",
        'format = "numpy"\ntrain_file = "x.npy"': "no such file: x.npy",
        'format = "images"\ntrain_folder = "none"\nheight = 8\nwidth = 8': "no such folder: none",
        'format = "csv"\ntrain_file = "x"\n': "missing key 'target_columns' in [data]",
        'format = "png"': "'format' in [data] is \"png\": need \"idx\", ",
        synthetic + 'train_file = "x"': "unknown key 'train_file' in [data]",
    }
    for data, text in cases.items():
        found = message(folder, data)
        assert text in found and "c.toml" in found, (data, found)
    nothing = newest(train(folder, synthetic + "test_samples = 0", name="nothing", batch=10))
    found = errors(run("evaluate", nothing, expect=2))
    assert len(found) == 1 and "no test data and no validation data in [data]" in found[0], found


if __name__ == "__main__":
    main(globals())

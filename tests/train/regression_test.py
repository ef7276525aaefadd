"""A table of 20,000 rows with a known law: what is learned of it, and that its format does not matter.

usage: regression_test.py [NAME...]  runs the tests of these names, or all.
"""
import h5py
import numpy as np

from program import main, metrics, newest, run

FEATURES = 6
CONFIG = """name = "law"
seed = 1
[data]
directory = "{folder}"
{data}
validation = 0.1
normalize = "auto"
missing = "{missing}"
[model]
name = "mlp"
hidden = [32, 32]
activation = "tanh"
[optimizer]
name = "adam"
lr = 0.02
[schedule]
name = "one_cycle"
[train]
epochs = {epochs}
batch_size = 100
"""
FORMATS = {
    "csv": 'format = "csv"\ntrain_file = "{name}.csv"\ntarget_columns = ["price"]',
    "hdf5": 'format = "hdf5"\ntrain_file = "{name}.h5"',
    "numpy": 'format = "numpy"\ntrain_file = "{name}-x.npy"\ntrain_targets_file = "{name}-y.npy"',
}


def law(x):
    return 3 * x[:, 0] - 2 * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3] * x[:, 4] + 0.5


def table(n, seed):
    """Samples of very different sizes, and their values, of which 0.05 of a standard deviation of 4 is noise."""
    source = np.random.default_rng(seed)
    x = source.normal(size=(n, FEATURES))
    return x * 10.0 ** np.arange(-2, FEATURES - 2), law(x) + source.normal(size=n) * 0.05


def write_csv(path, x, y=None):
    """Some cells stand in quotes, and missing ones are written in several ways."""
    missing = ["", "NA", "nan", "?"]
    names = [f"f{i}" for i in range(x.shape[1])] + ([] if y is None else ['"price"'])
    lines = [",".join(names)]
    for i, row in enumerate(x.tolist()):
        cells = [missing[(i + j) % 4] if value != value else f'"{value!r}"' if (i + j) % 97 == 0 else repr(value)
                 for j, value in enumerate(row)]
        lines.append(",".join(cells + ([] if y is None else [repr(float(y[i]))])))
    path.write_text("\n".join(lines) + "\n")


def write_all(folder, x, y, name):
    write_csv(folder / f"{name}.csv", x, y)
    np.save(folder / f"{name}-x.npy", x)
    np.save(folder / f"{name}-y.npy", y)
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(500, x.shape[1]), compression="gzip", shuffle=True)
        file["y"] = y


def train(folder, form, name, *args, missing="error", epochs=12):
    (folder / "config.toml").write_text(CONFIG.format(
        folder=folder, data=FORMATS[form].format(name=name), missing=missing, epochs=epochs))
    out = folder / f"run-{name}-{form}-{missing}{len(args)}"
    done = run("train", folder / "config.toml", "--out", out, *args)
    return out, done.stdout


def r2(found, y):
    return 1 - np.sum((found - y) ** 2) / np.sum((y - y.mean()) ** 2)


def test_a_law_is_learned_with_the_same_bits_from_each_format(folder):
    x, y = table(20000, 1)
    write_all(folder, x, y, "whole")
    new, _ = table(1000, 2)
    write_csv(folder / "new.csv", new)
    out, said = train(folder, "csv", "whole")
    assert "18,000 samples of [6] with values of [1], 2,000 for validation" in said, said
    final = metrics(out, "final")[0]
    assert final["validation_r2"] >= 0.99, final
    # Rows that the program has never seen, and the law without noise.
    run("predict", newest(out), "--data", folder / "new.csv", "-o", folder / "p.npy")
    assert r2(np.load(folder / "p.npy")[:, 0], law(new / 10.0 ** np.arange(-2, FEATURES - 2))) >= 0.99
    for form in ("hdf5", "numpy"):
        other, _ = train(folder, form, "whole")
        assert run("inspect", newest(out), "--diff", newest(other)).stdout == "", form
        assert metrics(other, "final")[0]["validation_r2"] == final["validation_r2"]


def test_each_format_means_the_same_by_a_missing_value(folder):
    x, y = table(20000, 3)
    holes = np.random.default_rng(4).random(x.shape) < 0.01
    x[holes] = np.nan
    write_all(folder, x, y, "holes")
    complete = int((~holes.any(1)).sum())
    for missing, samples in (("mean", 20000), ("fill", 20000), ("drop", complete)):
        runs = {form: train(folder, form, "holes", missing=missing, epochs=2) for form in FORMATS}
        for form, (out, said) in runs.items():
            assert f"{samples - round(samples / 10):,} samples of [6]" in said, (form, said)
            assert run("inspect", newest(runs["csv"][0]), "--diff", newest(out)).stdout == "", (form, missing)
    for form, words in (("csv", "has no value: need one"), ("hdf5", "has the number nan: need finite numbers"),
                        ("numpy", "has the number nan: need finite numbers")):
        (folder / "config.toml").write_text(CONFIG.format(
            folder=folder, data=FORMATS[form].format(name="holes"), missing="error", epochs=1))
        done = run("train", folder / "config.toml", "--out", folder / "no", expect=1)
        assert words in done.stderr and "data.missing says" in done.stderr, done.stderr


def test_missing_values_of_files_that_are_larger_than_memory(folder):
    x, y = table(30000, 5)  # 1.4 MB
    x[np.random.default_rng(6).random(x.shape) < 0.01] = np.nan
    write_all(folder, x, y, "large")
    fills = set()
    for form in ("hdf5", "numpy"):
        half = ("--set", "data.validation=0.5")  # of the two blocks of the file
        whole, _ = train(folder, form, "large", *half, missing="mean", epochs=1)
        streamed, _ = train(folder, form, "large", *half, "--set", "data.memory_mb=1", missing="mean", epochs=1)
        with h5py.File(newest(streamed)) as file:
            assert "in a file" in file.attrs["train_data"].decode()
        fills |= {line for out in (whole, streamed) for line in (out / "config.toml").read_text().splitlines()
                  if line.startswith("fill_values")}
        if form == "numpy":  # in the same order
            assert run("inspect", newest(whole), "--diff", newest(streamed)).stdout == ""
        done = run("train", folder / "config.toml", "--out", folder / "no", "--set", "data.missing=drop", "--set",
                   "data.memory_mb=1", expect=2)
        assert "'missing' in [data] is \"drop\" for" in done.stderr, done.stderr
    assert len(fills) == 1 and "nan" not in fills.pop()


if __name__ == "__main__":
    main(globals())

"""All files of configs/: each is trained, shortened, on small data of its format, and says how to run it.

usage: configs_test.py [NAME...]  runs the tests of these names, or all.
"""
import gzip
import math
import re
import sys
import tomllib

from program import SOURCE, main, metrics, newest, run, run_command, write_data

CONFIGS = sorted((SOURCE / "configs").glob("*.toml"))
# What makes a step small where small data do not.
SHORTER = {"cifar10_resnet18": ["model.width=8"], "fashion_mnist_resnet18": ["model.width=8"]}


def write_fashion_mnist(folder):
    write_data(folder, train=24, test=10, size=28, classes=10)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))


def write_cifar(folder):
    folder.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        records = (bytes([label]) + bytes((p * 7 + label * 20) % 256 for p in range(3 * 32 * 32)) for label in range(5))
        (folder / f"{name}.bin").write_bytes(b"".join(records))


def write_small_data(folder):
    """By format, what --set needs to find small data."""
    write_fashion_mnist(folder / "idx")
    write_cifar(folder / "cifar10")
    run_command([sys.executable, str(SOURCE / "scripts/make_example_data.py"), "--out", str(folder / "made"),
                 "--rows", "60", "--pictures", "8"])
    return {"idx": [f"data.directory={folder}/idx"], "cifar10": [f"data.directory={folder}/cifar10"],
            "csv": [f"data.directory={folder}/made"], "images": [f"data.directory={folder}/made/shapes"],
            "synthetic": ["data.samples=40", "data.test_samples=10"]}


def data_format(config):
    """Of a configuration, or of the one that it includes."""
    keys = tomllib.loads(config.read_text())
    return keys.get("data", {}).get("format") or data_format(config.parent / keys["include"])


def shortened(config, data):
    sets = [*data[data_format(config)], "train.epochs=2", "train.batch_size=8", *SHORTER.get(config.stem, [])]
    return [word for one in sets for word in ("--set", one)]


def test_every_configuration_trains(folder):
    data = write_small_data(folder)
    for config in CONFIGS:
        out = folder / config.stem
        done = run("train", config, "--out", out, *shortened(config, data))
        steps, (final,) = metrics(out, "step"), metrics(out, "final")
        assert len(steps) == final["steps"] > 0 and newest(out).exists(), config
        assert all(math.isfinite(line["loss"]) for line in steps), config
        assert any(key.startswith(("test_", "validation_")) for key in final), (config, final)
        check_waiting_is_reported(done.stdout, steps, final)


def check_waiting_is_reported(said, steps, final):
    stall = sum(line["stall_seconds"] for line in steps)
    assert abs(final["stall_seconds"] - stall) <= 1e-9 and stall <= final["step_seconds"] <= final["seconds"], final
    share = 100 * final["stall_seconds"] / final["step_seconds"]
    assert f"waiting for data: {share:.2f}% of the steps' time\n" in said, said


def test_every_configuration_passes_a_dry_run(folder):
    data = write_small_data(folder)
    for config in CONFIGS:
        said = run("train", config, "--dry-run", *shortened(config, data)).stdout
        assert re.search(r"memory of a rank, about [\d.]+ [KMG]iB", said), said
        assert re.search(r"\d steps per epoch, \d+ in all", said), said


def test_the_sweep_makes_its_runs(folder):
    config = SOURCE / "configs/sweep.toml"
    axes = tomllib.loads(config.read_text())["sweep"]["set"]
    out = folder / "sweep"
    done = run("sweep", config, "--out", out, "--jobs", 2, *shortened(config, write_small_data(folder)))
    assert len(list((out / "runs").iterdir())) == 6, axes
    assert all(axis.split("=")[0] in done.stdout for axis in axes) and done.stdout.count("finished") == 6, done.stdout


def test_every_configuration_says_what_it_is(folder):
    for config in CONFIGS:
        first, *lines = config.read_text().splitlines()
        assert first == "#:schema backflow.schema.json" and (config.parent / "backflow.schema.json").exists(), config
        head = "\n".join(lines[:next(i for i, line in enumerate(lines) if not line.startswith("#"))])
        assert f"configs/{config.name}" in head, f"{config}: the comment at its start has to say how it is run"
        assert re.search(r"^# (Reaches|Takes)", head, re.M), f"{config}: it has to say what it reaches, or takes"
        assert tomllib.loads(config.read_text())["name"] == config.stem, config


def test_the_table_has_every_configuration(folder):
    table = re.findall(r"^\| \[(\w+)\]\((\w+)\.toml\) \|", (SOURCE / "configs/README.md").read_text(), re.M)
    assert table == [(config.stem, config.stem) for config in CONFIGS], table


if __name__ == "__main__":
    main(globals())

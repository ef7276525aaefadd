"""Options of dumps in runs: compressed ones go on bit for bit, `convert` makes small ones to hand on."""
import json

import h5py
import numpy as np

from program import config_text, errors, main, newest, run, write_data

ADAM = 'name = "adam"\nlr = 0.01'
MODEL = 'name = "mlp"\nhidden = [64]'


def contents(path):
    with h5py.File(path, "r") as file:
        found = {}
        for group in ("parameters", "buffers", "optimizer", "loop"):
            for name, data in file[group].items():
                found[f"{group}/{name}"] = data[()].tobytes()
        return found


def test_compressed_dumps_go_on_bit_for_bit(folder):
    config = folder / "a.toml"
    config.write_text(config_text(write_data(folder / "data"), MODEL, ADAM))
    run("train", config, "--out", folder / "plain")
    packed = ("train", config, "--out", folder / "packed", "--set", "checkpoint.compression=gzip")
    run(*packed, "--stop-after-epoch", 1, expect=3)
    with h5py.File(newest(folder / "packed"), "r") as file:
        weights = file["parameters/0.weight"]
        assert weights.compression == "gzip" and weights.shuffle
    run(*packed, "--resume", "auto")
    assert contents(newest(folder / "plain")) == contents(newest(folder / "packed"))
    assert run("inspect", newest(folder / "packed")).stdout.count("digest ok") == 1
    assert run("inspect", newest(folder / "packed"), "--diff", newest(folder / "plain")).returncode == 0


def test_small_files_to_hand_on(folder):
    config = folder / "a.toml"
    config.write_text(config_text(write_data(folder / "data"), MODEL, ADAM))
    run("train", config, "--out", folder / "run")
    dump = newest(folder / "run")
    for dtype, tolerance in (("float16", 1e-3), ("bfloat16", 1e-2)):
        small = folder / f"{dtype}.h5"
        run("convert", dump, small, "--dtype", dtype)
        assert dtype in run("inspect", small).stdout
        assert run("inspect", dump, "--diff", small, "--tolerance", str(tolerance)).returncode == 0
    whole_result = json.loads(run("evaluate", dump).stdout)
    for dtype, tolerance in (("float16", 0.01), ("bfloat16", 0.05)):
        small = folder / f"{dtype}.h5"
        note = f"{small}: parameters are converted from {dtype} to float32"
        evaluated = run("evaluate", small)
        result = json.loads(evaluated.stdout)
        assert note in evaluated.stderr, evaluated.stderr
        assert abs(result["test_loss"] - whole_result["test_loss"]) < tolerance, (result, whole_result)
        predicted = run("predict", small, "--output", folder / "out.csv")
        assert note in predicted.stderr, predicted.stderr
        refused, = errors(run("train", config, "--out", folder / f"on_{dtype}", "--resume", small, expect=1))
        assert f"{small}: parameters are stored as {dtype}, with fewer digits than were trained: need a dump" in refused
        started = run("train", config, "--out", folder / f"from_{dtype}", "--init", small).stdout
        assert f"start from {small}: 4 tensors loaded, all that there are" in started, started
    assert "converted (4): 0.weight from bfloat16, 0.bias from bfloat16" in started, started
    with h5py.File(dump, "r") as whole, h5py.File(folder / "float16.h5", "r") as half:
        for name, data in whole["parameters"].items():
            assert half["parameters"][name][()].tobytes() == data[()].astype(np.float16).tobytes(), name


if __name__ == "__main__":
    main(globals())

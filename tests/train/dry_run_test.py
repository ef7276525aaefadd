"""`backflow train --dry-run`: what a run would be, and all that is wrong with it at once, without its data in memory.

usage: dry_run_test.py [NAME...]  runs the tests of these names, or all.
"""
import re
import subprocess
import sys

import numpy

from program import BACKFLOW, config_text, errors, main, newest, run, write_data
from wrong_cases import CSV, H5, IMAGES, NPY, SYNTHETIC, TEXT
from wrong_data import write_all


def config(folder, text, name="x.toml"):
    path = folder / name
    path.write_text(text.replace("{data}", str(folder / "data")))
    return path


def said(folder, text, *arguments, expect=2, **options):
    done = run("train", config(folder, text), "--dry-run", *arguments, expect=expect, **options)
    return [line.removeprefix("backflow: error: ").replace(f"{folder}/", "") for line in errors(done)]


def test_mistakes_of_configuration_data_and_model_come_at_once(folder):
    write_all(folder / "data")
    text = (SYNTHETIC.replace("hidden = [4]", 'layers = [{type = "flatten"}, {type = "linear", out_features = 5}]')
            .replace("lr = 0.1", "lr = -1") + '[checkpoint]\nbest = "f7"\n[distributed]\nshards = 3\nreduction = "reproducible"\n'
            '[schedule]\nname = "cosine"\nwarmup = 9\n[init]\nfile = "none.h5"\n')
    lines = said(folder, text, "--resume", "auto", ranks=2)
    wanted = ["x.toml:11:6: 'lr' in [optimizer] is -1", "x.toml:9:39: in [model.layers.1], linear", "'warmup' in [schedule] takes",
              "'shards' in [distributed] is 3, and there are 2 ranks", "--resume auto: no run directory"]
    assert len(lines) == len(set(lines)), lines
    for words in wanted:
        assert any(words in line for line in lines), (words, lines)
    assert any("'file' in [init]: no such file" in line for line in lines), lines


def test_missing_files_hide_no_other_mistake(folder):
    write_all(folder / "data")
    text = CSV.replace("t.csv", "none.csv").replace("validation = 0.2", 'test_file = "short.csv"\nvalidation_file = "no.csv"')
    lines = said(folder, text.replace("epochs = 2", "epochs = 1.5"))
    assert [line.split(": ")[0] for line in lines] == ["x.toml:15:10", "x.toml:5:14", "x.toml:9:19", "data/short.csv:3"], lines
    damaged = said(folder, CSV.replace("t.csv", "word.csv").replace("validation = 0.2", 'test_file = "short.csv"'), expect=1)
    assert [line.split(": ")[0] for line in damaged] == ["data/word.csv:3", "data/short.csv:3"], damaged


def test_the_copy_of_a_dump_is_counted(folder):
    text = SYNTHETIC.replace("hidden = [4]", "hidden = [4096]")
    copy = "more for the copy of a dump while it is written"
    for checkpoint, wanted in (("every_steps = 5", True), ("every_minutes = 1", True), ('best = "accuracy"', True), ("", False),
                               ("every_steps = 5\nasync = false", False)):
        done = run("train", config(folder, text + f"[checkpoint]\n{checkpoint}\n"), "--dry-run").stdout
        assert (copy in done) == wanted, (checkpoint, done)
    of_one = re.search(r"parameters ([\d.]+) MiB", done)[1]
    adam = text.replace("lr = 0.1", 'lr = 0.1\nname = "adam"')
    done = run("train", config(folder, adam + "[ema]\ndecay = 0.9\n[checkpoint]\nevery_steps = 5\n"), "--dry-run").stdout
    rank_0 = float(re.search(r"rank 0 ([\d.]+) MiB " + copy, done)[1])
    assert abs(rank_0 - 4 * float(of_one)) < 0.3, done  # parameters, two moments, an average


def test_all_formats_are_described(folder):
    write_all(folder / "data")
    for text, words in ((CSV, "24 samples of [2] with values of [1], 6 for validation"),
                        (H5, "32 samples of [3] with values of [1], 8 for validation"),
                        (NPY, "32 samples of [3] with values of [1], 8 for validation"),
                        (IMAGES, "2 samples of [3, 8, 8] in 2 classes"), (TEXT, "25 samples of [4] of 256 tokens"),
                        (SYNTHETIC, "20 samples of [1, 8, 8] in 10 classes, 10 for testing")):
        for ranks in (0, 2):
            done = run("train", config(folder, text), "--dry-run", "--set", "data.normalize=" + ("given" if text is TEXT else "auto"),
                       ranks=ranks)
            assert words in " ".join(done.stdout.split()) and done.stdout.count("steps per epoch") == 1, (words, done.stdout)
    assert not (folder / "runs").exists()


def test_samples_are_not_read(folder):
    (folder / "data").mkdir()
    rows = 1 << 16
    numpy.save(folder / "data/y.npy", numpy.arange(rows, dtype="f4"))
    x = numpy.lib.format.open_memmap(folder / "data/x.npy", "w+", "f4", (rows, 1 << 14))  # 4 GiB of which nothing is written
    del x
    script = ("import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
              "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    command = [BACKFLOW, "train", str(config(folder, NPY)), "--dry-run", "--set", "data.memory_mb=16384"]
    code, kilobytes = subprocess.run([sys.executable, "-c", script, *command], stdout=subprocess.PIPE, text=True, timeout=100,
                                     check=True).stdout.split()
    assert code == "0" and int(kilobytes) < 512 << 10, (code, kilobytes)


def test_a_run_to_go_on_with_is_compared(folder):
    data = write_data(folder / "data")
    path = folder / "x.toml"
    path.write_text(config_text(data))
    settings = ["--set", "data.normalize=auto", "--set", "train.max_steps=3"]
    run("train", path, "--out", folder / "run", *settings)
    again = ["train", path, "--out", folder / "run", "--resume", "auto", "--dry-run", *settings]
    assert f"goes on after step 3: {newest(folder / 'run')}" in run(*again).stdout
    lines = errors(run(*again, "--set", "train.batch_size=5", "--set", "checkpoint.best=r2", expect=2))
    assert len(lines) == 2 and "no metric of the task" in lines[0] and "train.batch_size is 5, in the dump 10" in lines[1], lines
    taken = errors(run("train", path, "--out", folder / "run", "--dry-run", "--set", "checkpoint.best=r2", expect=2))
    assert len(taken) == 2 and "holds a run already" in taken[1], taken


if __name__ == "__main__":
    main(globals())

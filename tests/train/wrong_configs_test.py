"""Wrong configurations: what the program says of each, at which line, and that it ends with 2. The sweep over all keys and
all kinds of values is config_sweep_test.cpp; here are files, and what several keys say together.
"""
import concurrent.futures
import os
import pathlib
import re
import tempfile

import wrong_cases
import wrong_data
from program import BACKFLOW, SOURCE, errors, run
from wrong_cases import IDX

GOOD = IDX
OF_CONFIGS = [case for name in ("TYPOS", "TYPES", "RANGES", "CHOICES", "TOGETHER", "MODELS", "FILES")
              for case in getattr(wrong_cases, name)]


def config(folder, text, name="x.toml"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace("{data}", str(folder / "data")))
    return path


def said(folder, text, *arguments, expect=2, command="config"):
    """The errors of a configuration, without the folder's name."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        link = pathlib.Path(own)
        (link / "data").symlink_to(folder / "data")
        done = run(command, config(link, text), *arguments, expect=expect)
    assert "terminate" not in done.stderr, done.stderr
    return [line.removeprefix("backflow: error: ").replace(f"{own}/", "") for line in errors(done)]


def place_of_mark(text):
    """Line and column of the mark, from 1, in a text whose variables are filled in."""
    before = text[:text.index("§")]
    return f"x.toml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "


def check_config(folder, case):
    base, old, new, words = case
    assert base.count(old) >= 1, case
    text = base.replace(old, new, 1)
    lines = said(folder, text.replace("§", ""))
    assert len(lines) == 1 and words in lines[0], (new, words, lines)
    if "§" in text:
        assert lines[0].startswith(place_of_mark(text)), (new, place_of_mark(text), lines)
    else:
        assert re.match(r"(x|none)\.toml", lines[0]), (new, lines)


def check_data(folder, case):
    base, old, new, place, words = case
    assert base.count(old) >= 1, case
    lines = said(folder, base.replace(old, new, 1), expect=1)
    assert len(lines) == 1 and lines[0].startswith(place) and words in lines[0], (new, place, words, lines)


def for_all(folder, check, cases):
    failures = []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done in [pool.submit(check, folder, case) for case in cases]:
            if done.exception() is not None:
                failures.append(f"{type(done.exception()).__name__}: {done.exception()}")
    assert not failures, "\n".join(failures)


def test_one_mistake_is_one_error_at_its_place(folder):
    assert len(OF_CONFIGS) + len(wrong_cases.DATA) >= 120 and len(set(OF_CONFIGS)) == len(OF_CONFIGS)
    for_all(folder, check_config, OF_CONFIGS)


def test_wrong_data_are_named_with_their_record(folder):
    for_all(folder, check_data, wrong_cases.DATA)


def test_what_is_right_has_no_error(folder):
    for base in (wrong_cases.IDX, wrong_cases.CSV, wrong_cases.H5, wrong_cases.NPY, wrong_cases.NPZ, wrong_cases.IMAGES,
                 wrong_cases.TEXT, wrong_cases.SYNTHETIC, wrong_cases.CIFAR):
        assert said(folder, base, expect=0) == []


def test_all_mistakes_of_a_file_are_said_at_once(folder):
    text = GOOD.replace("lr = 0.1", "lr = 'a'").replace("epochs", "epoch").replace("[4]", "[0]")
    lines = said(folder, text, "--set", "train.batch_size=no")
    assert [line.split(": ")[0] for line in lines] == ["x.toml:5:11", "x.toml:7:6", "x.toml:9:1", "--set train.batch_size=no"], lines


def test_included_files_and_variables(folder):
    config(folder, GOOD, "base/base.toml")
    config(folder, "[train]\nepochs = 3\n", "base/more.toml")
    text = f'include = ["{folder}/base/base.toml", "{folder}/base/more.toml"]\n' + 'name = "${BACKFLOW_TEST_NAME:-none}"\n'
    resolved = run("config", config(folder, text)).stdout
    assert 'name = "none"' in resolved and "epochs = 3" in resolved and "include" not in resolved
    assert run("config", config(folder, resolved, "y.toml")).stdout == resolved
    config(folder, "[train]\nepochs = -3\n", "base/more.toml")
    lines = said(folder, text)
    assert lines[0].startswith(f"{folder}/base/more.toml:2:10: 'epochs' in [train] is -3"), lines


def test_help_schema_and_tables(folder):
    assert "passes over the training data" in run("--help-config", "train.epochs").stdout
    assert run("--help-config", "train").stdout.startswith("[train]")
    everything = run("--help-config").stdout
    assert "learning rate" in everything and "[[model.layers]]" in everything
    assert "did you mean 'train.epochs'?" in errors(run("--help-config", "train.epoch", expect=2))[0]
    assert run("config", "--schema").stdout.startswith("{")
    assert "need the TOML file" in errors(run("config", expect=2))[0]


def test_documents_have_what_the_program_says(folder):
    from program import run_command
    run_command(["/usr/bin/python3", str(SOURCE / "scripts/document_keys.py"), "--check", BACKFLOW])


def test_dry_run_shows_the_model(folder):
    done = run("train", config(folder, GOOD), "--dry-run", "--set", "optimizer.momentum=0.9").stdout
    assert re.search(r"Linear +\[4\] +260 ", done), done  # 8x8 bytes
    assert re.search(r"all +\[3\] +275 ", done), done
    assert "memory of a rank, about" in done and "8 steps per epoch, 16 in all" in done, done


if __name__ == "__main__":
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as temporary:
                folder = pathlib.Path(temporary)
                wrong_data.write_all(folder / "data")
                test(folder)

#!/usr/bin/env python3
"""The tables of folders in CONTRIBUTING.md are the tree's; each folder says what lives there; and how that is found out."""
import os
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
DOCUMENT = "CONTRIBUTING.md"
PARENTS = ("exchange", "io", "ops", "ops/kernels", "runtime", "train")
SAMPLES = "tests/samples"


def rows(text):
    return [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]


def folders_of(root):
    """The folders that have to stand in the tables."""
    found = {path.relative_to(root).as_posix() for parent in PARENTS for path in (root / parent).iterdir() if path.is_dir()}
    return {name for name in found if name not in PARENTS and not name.endswith("__pycache__")}


def check(root):
    """What is wrong, line by line."""
    text = (root / DOCUMENT).read_text()
    listed = [name for row in rows(text) for cell in row for name in re.findall(r"\]\(([\w/]+)\)", cell)]
    folders = folders_of(root)
    for name in sorted(set(listed) | folders):
        if listed.count(name) != 1 or name not in folders:
            there = "is there" if name in folders else "is not there"
            yield f"{DOCUMENT}: {name} {there} and stands {listed.count(name)} times in the tables: need once"
    for name in sorted(folders | set(PARENTS)):
        build = root / name / "CMakeLists.txt"
        if not (root / name / "README.md").exists() and not (build.exists() and build.read_text().startswith("# ")):
            yield f"{name}: need a README.md that says what lives there, and what may come in"
    samples = sorted(path.name for path in (root / SAMPLES).glob("*.cpp"))
    shown = sorted(name for row in rows(text) if len(row) == 4 for name in re.findall(r"`(\w+\.cpp)`", row[3]))
    if shown != samples:
        yield f"{DOCUMENT}: samples {sorted(set(shown) ^ set(samples))} or one listed twice: need each file of {SAMPLES} once"
    for row in rows(text):
        paths = [re.findall(r"\]\(([\w/]+)\)", cell) for cell in row]
        if len(row) == 4 and paths[1] and paths[2] and paths[2] != [paths[1][0].replace("ops/", "ops/kernels/")]:
            yield f"{DOCUMENT}: {paths[1][0]} and {paths[2][0]} are of two families"


def check_that_faults_are_found(root):
    table = ("| family | operators | kernels | samples |\n|---|---|---|---|\n"
             "| a | [a](ops/a) | [a](ops/kernels/a) | `a.cpp` |\n| b | [b](ops/b) | | `b.cpp`, `c.cpp` |\n"
             "\n| folder | what is in it |\n|---|---|\n| [t](runtime/t) | t |\n| [m](train/m) | m |\n")
    for name in ("ops/a", "ops/b", "ops/kernels/a", "runtime/t", "train/m", *PARENTS):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "README.md").write_text("A folder.\n")
    (root / SAMPLES).mkdir(parents=True)
    for name in "abc":
        (root / SAMPLES / f"{name}.cpp").touch()
    (root / DOCUMENT).write_text(table)
    assert list(check(root)) == [], list(check(root))
    for old, new, message in (
            ("[a](ops/a)", "a", "CONTRIBUTING.md: ops/a is there and stands 0 times in the tables: need once"),
            ("[t](runtime/t)", "[t](runtime/t) [t](runtime/t)", "CONTRIBUTING.md: runtime/t is there and stands 2 times in the tables: need once"),
            ("[b](ops/b)", "[b](ops/b) [c](ops/c)", "CONTRIBUTING.md: ops/c is not there and stands 1 times in the tables: need once"),
            ("`b.cpp`, ", "", "CONTRIBUTING.md: samples ['b.cpp'] or one listed twice: need each file of tests/samples once"),
            ("| [b](ops/b) | |", "| | |", "CONTRIBUTING.md: ops/b is there and stands 0 times in the tables: need once")):
        assert old in table, old
        (root / DOCUMENT).write_text(table.replace(old, new))
        assert list(check(root)) == [message], (list(check(root)), message)
    swapped = table.replace("[a](ops/a)", "[x](ops/x)").replace("[b](ops/b)", "[a](ops/a)").replace("[x](ops/x)", "[b](ops/b)")
    (root / DOCUMENT).write_text(swapped)
    assert list(check(root)) == ["CONTRIBUTING.md: ops/b and ops/kernels/a are of two families"], list(check(root))
    (root / DOCUMENT).write_text(table)
    (root / "runtime/t/README.md").unlink()
    assert list(check(root)) == ["runtime/t: need a README.md that says what lives there, and what may come in"], list(check(root))


with tempfile.TemporaryDirectory() as folder:
    check_that_faults_are_found(pathlib.Path(folder))
problems = list(check(SOURCE))
print("\n".join(problems))
sys.exit(1 if problems else 0)

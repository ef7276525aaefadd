"""What docs/internals/add_operator.md says is a complete operator: its blocks, applied to a copy of the tree, work.

    add_operator.py compile SOURCE FOLDER COMPILER   generates from the copy, and checks that what changed compiles
    add_operator.py build SOURCE FOLDER              builds test_ops from the copy, and runs the operator's tests

The copy is made in FOLDER, which stays; what did not change there is not written again, so that a second build is short.
A block of the page belongs to the file that the line before it names:

    `PATH`, a new file:
    `PATH`, after the line `LINE`:
"""
import os
import pathlib
import re
import subprocess
import sys

PAGE = "docs/internals/add_operator.md"
BLOCK = re.compile(r"^`([^`]+)`, (?:a new file|after the line `([^`]+)`):\n\n```cpp\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
TREE = ("bench", "cmake", "distributed", "docs", "examples", "exchange", "io", "nn", "ops", "runtime", "scripts", "serialize", "tests", "train")
RIGHT, WRONG = "b.dx(0) = b.dy() * (1 - part * part);", "b.dx(0) = b.dy() * (1 + part * part);"
OF_THE_SAMPLE = "samples:*,sweep:*,dtypes:*,bad operands:*,in place:*"
OF_ALL = "registry:*,limits:*"


def write(path, data):
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def apply(page, read):
    """The changed files by name, for a page's text and a function that reads a file of the tree."""
    blocks = BLOCK.findall(page)
    shown = page.count("```cpp\n")
    assert len(blocks) == shown and shown >= 3, f"{PAGE}: {len(blocks)} of {shown} blocks say where they belong"
    changed = {}
    for name, line, code in blocks:
        if not line:
            assert read(name) is None, f"{PAGE}: {name} is no new file"
            changed[name] = code
            continue
        lines = changed.get(name, read(name)).splitlines(keepends=True)
        places = [i for i, text in enumerate(lines) if text.strip() == line]
        assert len(places) == 1, f"{PAGE}: {name} has the line '{line}' {len(places)} times: need once"
        lines.insert(places[0] + 1, code)
        changed[name] = "".join(lines)
    return changed


def copy_with_operator(source, copy):
    """The names of the changed files, the new one first."""
    def read(name):
        return (source / name).read_text() if (source / name).exists() else None

    changed = apply((source / PAGE).read_text(), read)
    kept = set()
    for folder in ("", *TREE):
        for path in (source.glob("*") if not folder else (source / folder).rglob("*")):
            name = path.relative_to(source).as_posix()
            if path.is_file() and name not in changed:
                write(copy / name, path.read_bytes())
                kept.add(name)
    for name, text in changed.items():
        write(copy / name, text.encode())
    for folder in TREE:
        for path in (copy / folder).rglob("*"):
            name = path.relative_to(copy).as_posix()
            if path.is_file() and name not in kept and name not in changed:
                path.unlink()
    return sorted(changed, key=lambda name: (source / name).exists())


def run(command, **options):
    print("$", " ".join(map(str, command)), flush=True)
    return subprocess.run(command, **options)


def compile_only(source, copy, compiler):
    changed = [name for name in copy_with_operator(source, copy) if name.endswith(".cpp")]
    directory = copy / "build/compile"
    run(["cmake", "--preset", "minimal", "-B", directory, "-DBACKFLOW_BUILD_TESTS=OFF", "-DBACKFLOW_BUILD_EXAMPLES=OFF",
         "--log-level=WARNING"], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    run(["cmake", "--build", directory, "--target", "backflow_generate"], check=True, stdout=subprocess.DEVNULL)
    functions = (directory / "generated/backflow/ops/functions.h").read_text()
    assert "Tensor softclip(const Tensor& self, const Scalar& limit = 1);" in functions, "the function was not generated"
    for name in changed:
        run([compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-I", directory / "include",
             "-I", directory / "generated", copy / name], check=True)


def build(source, copy):
    new_file = copy_with_operator(source, copy)[0]
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "2")
    configure = ["cmake", "--preset", "release", "--log-level=WARNING"]
    make = ["cmake", "--build", "--preset", "release", "--parallel", jobs, "--target", "test_ops"]

    def tests(environment, selected, **options):
        return run([copy / "build/release/bin/test_ops", selected], env={**os.environ, **environment}, text=True,
                   stdout=subprocess.PIPE, **options)

    run(configure, cwd=copy, check=True)
    run(make, cwd=copy, check=True)
    done = tests({"BACKFLOW_SAMPLE": "softclip"}, OF_THE_SAMPLE)
    print(done.stdout)
    assert done.returncode == 0, "the operator fails its tests"
    checked = re.search(r"\((\d+) assertions", done.stdout)
    assert checked and int(checked[1]) > 100, "the tests did not reach the operator"
    done = tests({}, OF_ALL)
    print(done.stdout)
    assert done.returncode == 0, "the registry or the limits do not agree with the operator"

    path = copy / new_file
    code = path.read_text()
    assert code.count(RIGHT) == 1, f"{PAGE}: need the line {RIGHT}"
    path.write_text(code.replace(RIGHT, WRONG))
    try:
        run(make, cwd=copy, check=True)
        done = tests({"BACKFLOW_SAMPLE": "softclip"}, "samples:*")
    finally:
        path.write_text(code)
    assert done.returncode != 0 and "gradient agrees with central differences" in done.stdout, "a wrong gradient passes"
    print("a wrong gradient fails: OK")


if __name__ == "__main__":
    command, source, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve()
    if command == "compile":
        compile_only(source, folder, sys.argv[4])
    else:
        build(source, folder)
    print(f"{PAGE}: OK")

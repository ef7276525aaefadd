"""The installed library: a project of its own finds it, and registers a model and a loss with the standard program.

usage: package_test.py [NAME...]  runs the tests of these names, or all.
"""
import json
import pathlib
import re
import shutil
import sys

from program import BACKFLOW, SOURCE, errors, main, metrics, newest, run_command

BUILD = pathlib.Path(BACKFLOW).parents[1]
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(app CXX)
find_package(backflow REQUIRED)
add_executable(app custom_model.cpp)
target_link_libraries(app PRIVATE backflow::backflow)
"""


def cached(name):
    return re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)


def build(folder):
    """examples/custom_model.cpp in a folder outside of the tree, with an installed Backflow alone."""
    prefix, project = folder / "prefix", folder / "app"
    run_command(["cmake", "--install", BUILD, "--prefix", prefix])
    project.mkdir()
    (project / "CMakeLists.txt").write_text(PROJECT)
    for name in ("custom_model.cpp", "custom_model.toml"):
        shutil.copy(SOURCE / "examples" / name, project / name)
    run_command(["cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
                 f"-DCMAKE_CXX_COMPILER={cached('CMAKE_CXX_COMPILER')[1]}"])
    run_command(["cmake", "--build", project / "build"])
    cache = (project / "build/CMakeCache.txt").read_text()
    assert str(SOURCE) not in cache and f"backflow_DIR:PATH={prefix}" in cache, cache
    return project / "build/app", project / "custom_model.toml"


def test_a_model_of_a_project_of_its_own(folder):
    app, config = build(folder)
    run_command([app, "train", config, "--threads", "1", "--out", folder / "run"])
    expected = re.search(r"test r2 (\d\.\d+)", (SOURCE / "examples/custom_model.expected").read_text())[1]
    assert str(metrics(folder / "run", "final")[0]["test_r2"]).startswith(expected)
    # Its model and keys are known like those of Backflow, and so are its dumps.
    assert "size of the hidden layer" in run_command([app, "--help-config", "model.hidden"]).stdout
    wrong = errors(run_command([app, "train", config, "--set", "model.hidden=0"], expect=2))
    assert "'hidden' in [model] is 0: need an integer from 1 to 4096" in wrong[0], wrong
    evaluated = json.loads(run_command([app, "evaluate", newest(folder / "run")]).stdout)
    assert evaluated["test_r2"] == metrics(folder / "run", "final")[0]["test_r2"]
    # The program that was installed beside it has no such model.
    plain = errors(run_command([folder / "prefix/bin/backflow", "train", config], expect=2))
    assert "'name' in [model] is \"normal\": need" in plain[0], plain


if __name__ == "__main__":
    sanitize = cached("BACKFLOW_SANITIZE")
    if sanitize and sanitize[1]:
        print(f"skipped: a build with {sanitize[1]} sanitizers, which the project would need too")
        sys.exit(77)
    main(globals())

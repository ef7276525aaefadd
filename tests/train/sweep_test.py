"""Sweeps of the `backflow` program: which runs there are, what becomes of them, how they stop and go on.

usage: sweep_test.py [NAME...]  runs the tests of these names, or all.
"""
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from program import BACKFLOW, config_text, errors, main, metrics, newest, run, write_data


def prepare(folder, rest="", **data):
    (folder / "small.toml").write_text(config_text(write_data(folder / "data", **data), rest=rest))
    return folder / "small.toml"


def rows(sweep):
    with open(sweep / "summary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def runs(sweep):
    return sorted((sweep / "runs").iterdir())


def test_a_grid_trains_every_combination_and_compares(folder):
    config = prepare(folder)
    done = run("sweep", config, "--set", "optimizer.lr=0.2,0.001", "--set", "seed=1..3", "--set", "train.epochs=3",
               "--out", folder / "sweep", "--jobs", 2, "--trace")
    assert len(runs(folder / "sweep")) == 6
    assert all((one / "trace.json").stat().st_size > 1000 for one in runs(folder / "sweep"))
    table = rows(folder / "sweep")
    assert {(row["optimizer.lr"], row["seed"]) for row in table} == {(lr, s) for lr in ("0.2", "0.001") for s in "123"}
    assert all(row["status"] == "finished" and row["epochs"] == "3" and row["train.epochs"] == "3" for row in table)
    values = [float(row["test_accuracy"]) for row in table]
    assert values == sorted(values, reverse=True), "the best comes first"
    for row in table:
        final = metrics(pathlib.Path(row["directory"]), "final")[-1]
        assert abs(final["test_accuracy"] - float(row["test_accuracy"])) < 1e-6
        assert f'lr = {row["optimizer.lr"]}' in (pathlib.Path(row["directory"]) / "config.toml").read_text()
    assert "over the seeds:" in done.stdout and "summary.csv" in done.stdout, done.stdout


def test_a_run_of_a_sweep_is_that_of_train(folder):
    config = prepare(folder)
    run("sweep", config, "--set", "model.hidden=[6, 5],[4]", "--out", folder / "sweep")
    run("train", config, "--set", "model.hidden=[6, 5]", "--out", folder / "alone")
    (mine,) = [r for r in runs(folder / "sweep") if "hidden = [6, 5]" in (r / "config.toml").read_text()]
    assert (mine / "config.toml").read_text() == (folder / "alone/config.toml").read_text()
    run("inspect", newest(mine), "--diff", newest(folder / "alone"))


def test_values_are_read_as_documented(folder):
    config = prepare(folder)

    def planned(*sets):
        done = run("sweep", config, *[word for s in sets for word in ("--set", s)], "--dry-run")
        return [line.split(": ", 1)[1] for line in done.stdout.splitlines()[1:]]

    assert planned("seed=1..9..4,20") == ["seed=1", "seed=5", "seed=9", "seed=20"]
    assert planned("optimizer.lr=log(1e-3..1e-1, 3)") == [f"optimizer.lr={x}" for x in ("0.001", "0.01", "0.1")]
    assert planned("optimizer.lr=linear(0.1..0.3, 3)") == [f"optimizer.lr={x}" for x in ("0.1", "0.2", "0.3")]
    assert planned('name="a,b",c') == ['name="a,b"', "name=c"]
    assert planned("model.hidden=[3, 4]") == ["model.hidden=[3, 4]"]
    assert not (folder / "sweeps").exists()


def test_random_runs_depend_on_the_seed_alone_and_more_keep_those_of_before(folder):
    config = prepare(folder)

    def planned(n, seed):
        done = run("sweep", config, "--set", "optimizer.lr=log(1e-4..1e-1)", "--set", "model.hidden=[3],[4],[5]",
                   "--random", n, "--seed", seed, "--dry-run")
        return done.stdout.splitlines()[1:]

    assert planned(4, 7) == planned(4, 7) == planned(9, 7)[:4] and len(set(planned(9, 7))) == 9
    assert not set(planned(4, 7)) & set(planned(4, 8))
    few = run("sweep", config, "--set", "seed=1,2", "--random", 50, "--dry-run").stdout
    assert few.startswith("2 runs"), few


def test_mistakes_are_found_before_anything_starts(folder):
    config = prepare(folder)
    for sets, message in [
            (["optimizer.lrr=0.1,0.2"], "did you mean 'lr'"), (["optimizer.lr=0.1,x"], "--set optimizer.lr=x"),
            (["optimizer.lr=0.1,"], "an empty value"), (["optimizer.lr=0.1,0.1"], "0.1 twice"), (["model.hidden=[1,2"], "no ]"),
            (["seed=3..1"], "has no values"), (["seed=0..100000000"], "too many values"), (["optimizer.lr=log(0..1, 3)"], "above 0"),
            (["optimizer.lr=log(1e-4..1e-1)"], "need --random"), (["seed=1,2", "seed=3"], "given twice"), (["seed"], "no value")]:
        done = run("sweep", config, *[word for s in sets for word in ("--set", s)], "--out", folder / "sweep", expect=2)
        assert len(errors(done)) == 1 and message in errors(done)[0], (sets, done.stderr)
        assert not (folder / "sweep").exists()
    assert "nothing to vary" in run("sweep", config, expect=2).stderr
    assert "started by mpirun" in run("sweep", config, "--set", "seed=1,2", ranks=1, expect=2).stderr


def test_a_sweep_goes_on_after_a_run_that_fails_and_tries_it_again(folder):
    config = prepare(folder)
    sweep = ["sweep", config, "--set", "optimizer.lr=1e30,0.1", "--set", "train.epochs=4", "--out", folder / "sweep"]
    done = run(*sweep, expect=1)
    assert [row["status"] for row in rows(folder / "sweep")] == ["finished", "failed"]
    assert "finite" in rows(folder / "sweep")[1]["error"] and "--resume" in done.stdout, done.stdout
    before = {path: path.stat().st_mtime_ns for path in (folder / "sweep").glob("runs/lr=0.1*/*")}
    again = run(*sweep, "--resume", expect=1)
    assert "1 finished already" in again.stdout and again.stdout.count("start  ") == 1, again.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "sweep").glob("runs/lr=0.1*/*")}


def test_a_sweep_that_is_there_is_refused_and_another_configuration_too(folder):
    config = prepare(folder)
    sweep = ["sweep", config, "--set", "seed=1,2", "--out", folder / "sweep"]
    run(*sweep)
    assert "holds a sweep already" in run(*sweep, expect=2).stderr
    other = run(*sweep, "--resume", "--set", "train.epochs=3", expect=2).stderr
    assert "train.epochs is 2 there, 3 now" in other, other
    more = run("sweep", config, "--set", "seed=1,2,5", "--out", folder / "sweep", "--resume").stdout
    assert "2 finished already" in more and len(runs(folder / "sweep")) == 3, more


def test_a_signal_ends_the_runs_in_order_and_says_how_to_go_on(folder):
    config = prepare(folder)
    sets = ["--set", "seed=1,2", "--set", "train.epochs=300", "--set", "model.hidden=[64]"]
    command = [BACKFLOW, "sweep", str(config), *sets, "--jobs", "2", "--out", str(folder / "sweep")]
    for number in (signal.SIGTERM, signal.SIGINT):
        resume = ["--resume"] if number == signal.SIGINT else []
        process = subprocess.Popen(command + resume, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()  # from now on it watches for signals
        while not any(log.stat().st_size > 2000 for log in (folder / "sweep").glob("runs/*/metrics.jsonl")):
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.01)
        process.send_signal(number)
        text = process.communicate(timeout=120)[0]
        if process.returncode == 0:  # it was done before the signal came
            break
        assert process.returncode == 3, (process.returncode, text)
        assert "go on with:" in text and text.strip().endswith("--resume"), text
        assert any(list((one / "checkpoints").glob("step-*.h5")) for one in runs(folder / "sweep"))
    hint = text.strip().splitlines()[-1].split() if process.returncode == 3 else [*command, "--resume"]
    assert hint[0].endswith("backflow") and hint[1] == "sweep", hint
    run(*[word.strip("'") for word in command[1:]], "--resume")
    run("train", config, "--set", "seed=2", *sets[2:], "--out", folder / "alone")
    (second,) = [r for r in runs(folder / "sweep") if r.name.startswith("seed=2")]
    run("inspect", newest(second), "--diff", newest(folder / "alone"))


def test_halving_stops_the_worst_early_and_decides_the_same_again(folder):
    config = prepare(folder)
    sweep = ["sweep", config, "--set", "optimizer.lr=0.1,1e-5,1e-6,1e-7", "--set", "train.epochs=40", "--halving", "--eta", 6,
             "--metric", "loss"]
    done = run(*sweep, "--out", folder / "a").stdout
    table = rows(folder / "a")
    assert [row["status"] for row in table] == ["finished"] + 3 * ["dropped by halving"], done
    assert table[0]["optimizer.lr"] == "0.1" and [row["epochs"] for row in table] == ["40", "1", "1", "1"], table
    assert "after 1 epoch 1 of 4 runs go on" in done and "after 6 epochs 1 of 1 runs go on" in done, done
    kept = {row["run"]: row["status"] for row in table}
    again = run(*sweep, "--out", folder / "a", "--resume").stdout
    assert "start  " not in again and {row["run"]: row["status"] for row in rows(folder / "a")} == kept, again
    # Several at once: the same runs come to the same epochs, whichever is faster.
    run(*sweep, "--out", folder / "b", "--jobs", 3)
    timeless = lambda name: [{k: v for k, v in row.items() if k not in ("seconds", "directory")} for row in rows(folder / name)]
    assert timeless("a") == timeless("b"), (timeless("a"), timeless("b"))
    run("train", config, "--set", "optimizer.lr=0.1", "--set", "train.epochs=40", "--out", folder / "alone")
    run("inspect", newest(pathlib.Path(table[0]["directory"])), "--diff", newest(folder / "alone"))
    short = run("sweep", config, "--set", "seed=1,2", "--set", "train.epochs=1", "--halving", "--out", folder / "c", expect=2)
    assert "too few" in short.stderr, short.stderr
    never = run("sweep", config, "--set", "seed=1,2", "--set", "evaluation.every_epochs=0", "--set", "train.epochs=9", "--halving",
                "--out", folder / "c", expect=2)
    assert "need evaluation.every_epochs" in never.stderr, never.stderr


def test_halving_judges_runs_where_they_are_evaluated(folder):
    config = prepare(folder)
    done = run("sweep", config, "--set", "optimizer.lr=0.1,1e-5,1e-6", "--set", "train.epochs=9", "--set", "evaluation.every_epochs=2",
               "--set", "evaluation.every_steps=1", "--halving", "--out", folder / "a", "--metric", "loss").stdout
    table = rows(folder / "a")
    assert [row["status"] for row in table] == ["finished"] + 2 * ["dropped by halving"], done
    assert [row["epochs"] for row in table] == ["9", "2", "2"] and table[0]["optimizer.lr"] == "0.1", table


def test_the_runs_of_a_sweep_may_have_several_ranks(folder):
    config = prepare(folder)
    sweep = ["sweep", config, "--set", "seed=1,2", "--ranks", 2, "--out", folder / "sweep"]
    assert "1 at once on 2 ranks each with" in run(*sweep).stdout
    for one in runs(folder / "sweep"):
        assert json.loads((one / "environment.json").read_text())["ranks"] == 2, one
    run("train", config, "--set", "seed=2", "--out", folder / "alone", ranks=2)
    (second,) = [r for r in runs(folder / "sweep") if r.name.startswith("seed=2")]
    run("inspect", newest(second), "--diff", newest(folder / "alone"))
    wrong = prepare(folder, rest='[distributed]\nreduction = "reproducible"\nshards = 4\n[sweep]\nranks = 3\n')
    said = errors(run("sweep", wrong, "--set", "seed=1,2", "--out", folder / "wrong", expect=2))
    assert len(said) == 1 and "there are 3 ranks" in said[0] and not (folder / "wrong").exists(), said


def test_the_configuration_may_hold_the_sweep(folder):
    config = prepare(folder, rest='[sweep]\nset = ["seed=1..2", "optimizer.lr=0.1,0.2"]\nmetric = "loss"\n')
    run("sweep", config, "--set", "optimizer.lr=0.3", "--out", folder / "sweep")
    table = rows(folder / "sweep")
    assert [row["optimizer.lr"] for row in table] == ["0.3", "0.3"] and {row["seed"] for row in table} == {"1", "2"}
    assert float(table[0]["test_loss"]) <= float(table[1]["test_loss"])
    assert all("sweep" not in (one / "config.toml").read_text() for one in runs(folder / "sweep"))
    run("train", config, "--out", folder / "alone")
    wrong = prepare(folder, rest='[sweep]\nsets = ["seed=1..2"]\n')
    assert "did you mean 'set'" in run("train", wrong, "--out", folder / "wrong", expect=2).stderr


def test_a_program_that_is_replaced_meanwhile_does_not_end_the_sweep(folder):
    program = folder / "backflow"
    shutil.copy(BACKFLOW, program)
    command = [str(program), "sweep", str(prepare(folder)), "--set", "seed=1..3", "--out", str(folder / "sweep")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    while not list((folder / "sweep").glob("runs/seed=2*/environment.json")):
        assert process.poll() is None
        time.sleep(0.01)
    program.unlink()
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0 and len(runs(folder / "sweep")) == 3, output


def test_runs_that_go_on_at_once_share_the_cores(folder):
    config = prepare(folder)
    cores = len(os.sched_getaffinity(0))
    done = run("sweep", config, "--set", f"seed=1..{cores}", "--out", folder / "sweep", "--jobs", cores).stdout
    assert f"{cores} at once with 1 thread each" in done, done
    used = [json.loads((one / "environment.json").read_text()) for one in runs(folder / "sweep")]
    assert all(one["threads"] == 1 for one in used), used
    many = run("sweep", config, "--set", "seed=1..2", "--out", folder / "many", "--jobs", 4 * cores).stdout
    assert "1 thread each" in many and len(rows(folder / "many")) == 2


if __name__ == "__main__":
    main(globals())

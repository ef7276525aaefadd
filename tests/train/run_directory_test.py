"""The run directory of the `backflow` program: what a second run may do with it, locks, dumps, going on after a break.

usage: run_directory_test.py [NAME...]  runs the tests of these names, or all.
"""
import json
import os
import shutil
import signal
import socket
import subprocess

from program_test import BACKFLOW, CONFIG, MPIRUN, SMALL, bits, main, metrics, newest, run, start_and_wait_for_step, steps, train

BIG = ["--set", "train.batch_size=2000"]  # three steps an epoch


def every(n):
    return ["--set", f"checkpoint.every_steps={n}"]


def snapshot(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def dumps(out):
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def name(step):
    return f"step-{step:09}.h5"


def message(done):
    """The one message of the program; mpirun has others."""
    ours = [line for line in done.stderr.splitlines() if "backflow: error: " in line]
    assert len(ours) == 1, done.stderr
    return ours[0]


def test_a_directory_that_holds_a_run_is_refused_and_left_as_it_is(folder):
    out = folder / "run"
    train(out, *steps(3), *every(1))
    before = snapshot(out)
    for ranks in (0, 2):
        error = message(train(out, *steps(2), "--set", "seed=2", ranks=ranks, expect=2))
        for part in (str(out), "config.toml", "--resume auto", "--overwrite", "--out"):
            assert part in error, error
        assert snapshot(out) == before
    # Any one of a run's files is enough; what else lies there is no hindrance.
    for file in ("config.toml", "metrics.jsonl", "log.txt", "environment.json", "trace-rank1.json", f"checkpoints/{name(3)}"):
        one = folder / file.replace("/", "-")
        (one / file).parent.mkdir(parents=True)
        (one / file).write_text("mine")
        assert file in message(train(one, *steps(2), expect=2))
        assert snapshot(one) == {file: b"mine"}
    (folder / "other" / "checkpoints").mkdir(parents=True)
    (folder / "other" / "notes.txt").write_text("mine")
    train(folder / "other", *steps(2))
    assert (folder / "other" / "notes.txt").read_text() == "mine"


def test_overwrite_removes_a_run_and_nothing_else(folder):
    out, fresh = folder / "run", folder / "fresh"
    train(out, *steps(4), *every(1), "--trace")
    for foreign in ("notes.txt", "checkpoints/best-1.h5", "checkpoints/step-old.h5"):
        (out / foreign).write_text("mine")
    for own in (name(7) + ".old", "best.h5"):
        (out / "checkpoints" / own).write_text("of an earlier run")
    train(out, *steps(2), "--set", "seed=2", "--overwrite")
    train(fresh, *steps(2), "--set", "seed=2")
    files = snapshot(out)
    assert all(files.pop(foreign) == b"mine" for foreign in ("notes.txt", "checkpoints/best-1.h5", "checkpoints/step-old.h5"))
    assert sorted(files) == sorted(snapshot(fresh))
    assert bits(newest_of(out)) == bits(newest_of(fresh))
    assert [m["step"] for m in metrics(out, "step")] == [1, 2]
    train(folder / "new", *steps(1), "--overwrite")  # nothing to remove
    assert "need one of the two" in message(train(out, *steps(2), "--overwrite", "--resume", "auto", expect=2))


def test_files_and_folders_of_names_that_no_dump_has_are_left_alone(folder):
    out = folder / "run"
    train(out, *steps(4), *every(1))
    checkpoints = out / "checkpoints"
    foreign = checkpoints / "step-4.h5"
    foreign.write_bytes((checkpoints / name(4)).read_bytes())
    (checkpoints / name(9)).mkdir()
    (checkpoints / name(8)).symlink_to("nowhere")
    error = train(out, *steps(6), *every(1), "--resume", "auto").stderr
    assert error == "" and foreign.exists() and (checkpoints / name(9)).is_dir() and (checkpoints / name(8)).is_symlink()
    train(out, *steps(2), "--overwrite")
    assert foreign.exists() and (checkpoints / name(9)).is_dir()


def test_a_folder_of_dumps_that_goes_away_is_made_again(folder):
    process, _, out = start_and_wait_for_step(folder)
    shutil.rmtree(out / "checkpoints")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 3 and newest(out).exists()


def test_empty_names_and_folders_are_no_dumps(folder):
    out = folder / "run"
    train(out, *steps(1))
    assert "--resume" in message(train(out, "--resume", "", expect=2))
    assert "--out" in message(run("train", CONFIG, *SMALL, "--out", "", expect=2))
    assert "is a directory: need a dump in it" in message(train(out, "--resume", out / "checkpoints", expect=2))
    assert "--resume" in message(train(folder / "new", "--allow-change", "seed", expect=2))


def newest_of(out):
    return max(path for path in (out / "checkpoints").glob("step-0*.h5"))


def test_a_refused_resume_writes_nothing(folder):
    out, other = folder / "run", folder / "other"
    train(out, *steps(3), *BIG)
    train(other, *steps(3), *BIG, "--set", "seed=2")
    before = snapshot(out)
    for ranks in (0, 2):
        error = message(train(out, "--resume", "auto", *BIG, "--set", "model.hidden=[64, 33]", ranks=ranks, expect=2))
        assert "model.hidden" in error, error
        allowed = [*BIG, "--set", "model.hidden=[64, 33]", "--allow-change", "model"]
        assert "'2.weight'" in message(train(out, "--resume", "auto", *allowed, ranks=ranks, expect=1))
        assert "another run" in message(train(out, "--resume", newest(other), ranks=ranks, expect=2))
        assert snapshot(out) == before
    missing = folder / "missing"
    assert "no such file" in message(train(missing, "--resume", folder / "none.h5", expect=2))
    assert not missing.exists()


def test_a_directory_in_use_is_refused_with_host_and_process(folder):
    process, ranks, out = start_and_wait_for_step(folder)
    try:
        holder = f"process {ranks[0]} on {socket.gethostname()}"
        done = train(out, "--resume", "auto", *steps(2), ranks=2, expect=2)
        assert f"{out}: in use by {holder}" in message(done), done.stderr
        assert f"waiting for {holder} to leave" in done.stderr, done.stderr
        assert "in use by" in message(train(out, "--overwrite", *steps(2), expect=2))
        assert "holds a run" in message(train(out, *steps(2), expect=2))
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert not (out / "lock").exists()
    lines = [m["step"] for m in metrics(out, "step")]
    assert lines == list(range(1, len(lines) + 1))


def test_a_lock_that_a_killed_run_has_left_locks_nothing(folder):
    process, _, out = start_and_wait_for_step(folder)
    process.kill()
    process.communicate()
    assert (out / "lock").exists()
    train(out, "--resume", "auto", *steps(2))
    assert not (out / "lock").exists()


def test_dumps_newer_than_the_one_gone_on_from_are_set_aside(folder):
    out, whole = folder / "run", folder / "whole"
    train(out, *steps(5), *every(1), "--set", "checkpoint.keep_last=4")
    fifth = (out / "checkpoints" / name(5)).read_bytes()
    (out / "checkpoints" / "step-old.h5").write_text("mine")
    warnings = train(out, *steps(4), *every(1), "--set", "optimizer.lr=0.01", "--set", "checkpoint.keep_last=2", "--resume",
                     out / "checkpoints" / name(3)).stderr
    assert f"{name(5)}: is newer" in warnings and f"{name(5)}.old" in warnings, warnings
    # 2 was this run's and had its turn; 4 is the new one.
    assert dumps(out) == sorted([name(3), name(4), name(4) + ".old", name(5) + ".old", "step-old.h5"])
    assert (out / "checkpoints" / (name(5) + ".old")).read_bytes() == fifth
    assert f"resumed after step 4: {out}/checkpoints/{name(4)}" in train(out, *steps(5), "--resume", "auto").stdout
    assert [m["lr"] for m in metrics(out, "step")] == [0.03] * 5 + [0.01] + [0.03]
    # One that was set aside can be gone on from.
    assert "resumed after step 5" in train(out, *steps(6), "--resume", out / "checkpoints" / (name(5) + ".old")).stdout
    train(whole, *steps(6))
    assert bits(newest_of(out)) == bits(newest_of(whole))


def test_resume_auto_leaves_out_damaged_dumps_and_names_them(folder):
    out, whole = folder / "run", folder / "whole"
    train(whole, *steps(6))
    for ranks in (0, 2):
        out = folder / f"run{ranks}"
        train(out, *steps(5), *every(1), ranks=ranks)
        for step, damage in ((5, lambda content: content[:len(content) // 2]), (4, lambda content: content[:-1] + b"?")):
            path = out / "checkpoints" / name(step)
            path.write_bytes(damage(path.read_bytes()))
        (out / "checkpoints" / "step-old.h5").write_bytes(b"")
        done = train(out, *steps(6), "--resume", "auto", ranks=ranks)
        assert "resumed after step 3" in done.stdout, done.stdout
        assert all(f"left out: {out}/checkpoints/{name(step)}: " in done.stderr for step in (4, 5)), done.stderr
        assert f"left out: {out}/checkpoints/{name(5)}: " in (out / "log.txt").read_text()
        assert dumps(out) == sorted([name(3), name(6), name(4) + ".old", name(5) + ".old", "step-old.h5"])
        if ranks == 0:
            assert bits(newest_of(out)) == bits(newest_of(whole))
    for step in (3, 6):
        (out / "checkpoints" / name(step)).write_bytes(b"x")
    before = snapshot(out)
    error = train(out, *steps(7), "--resume", "auto", expect=1).stderr
    assert "none of its 2 dumps can be read" in error and name(6) in error, error
    assert snapshot(out) == before


def test_what_killed_runs_have_left_unfinished_is_removed(folder):
    out = folder / "run"
    train(out, *steps(2))
    stale = [out / ".backflow-node-1-0.tmp", out / "checkpoints" / ".backflow-node-1-1.tmp"]
    foreign = [out / "x.tmp", out / "checkpoints" / "x.tmp"]
    for path in stale + foreign:
        path.write_text("half")
    train(out, *steps(3), expect=2)
    assert all(path.exists() for path in stale)
    train(out, *steps(3), "--resume", "auto")
    assert not any(path.exists() for path in stale) and all(path.exists() for path in foreign)


def test_a_run_whose_last_update_diverges_fails_and_dumps_nothing(folder):
    wild = ["--set", "optimizer.lr=1e300"]
    for ranks in (0, 2):
        out = folder / f"run{ranks}"
        error = message(train(out, *steps(1), *wild, ranks=ranks, expect=1))
        assert "after step 1 parameter '0.weight' has elements that are NaN or infinite" in error, error
        assert error.split("error: ")[-1].removeprefix("rank 0: ") in (out / "log.txt").read_text()
        assert dumps(out) == [] and not metrics(out, "final")
        # Parameters that are finite, and too large for any loss to be.
        error = message(train(folder / f"large{ranks}", *steps(1), "--set", "optimizer.lr=1e37", ranks=ranks, expect=1))
        assert "the test loss after step 1 is " in error and dumps(folder / f"large{ranks}") == [], error
    # With every_steps the dump before is the newest, and one can go on from it.
    out = folder / "every"
    train(out, *steps(2), *every(1))
    train(out, *steps(9), *every(1), *wild, "--resume", "auto", expect=1)
    assert dumps(out) == [name(1), name(2)]
    train(out, *steps(4), *every(1), "--resume", "auto")
    train(folder / "whole", *steps(4))
    assert bits(newest(out)) == bits(newest(folder / "whole"))


def test_the_error_that_ended_a_run_stands_in_the_log_whatever_rank_had_it(folder):
    out = folder / "run"
    (out / "trace-rank1.json").mkdir(parents=True)  # which the trace of rank 1 cannot replace
    error = message(train(out, *steps(3), "--trace", "--resume", "auto", ranks=2, expect=1))
    text = error.split("backflow: error: ")[1]
    assert text.startswith("rank 1: ") and f"error: {text}" in (out / "log.txt").read_text().replace("error] ", "", 1)


def test_an_epoch_without_a_step_is_a_mistake_of_the_configuration(folder):
    for batch, expect in ((6001, 2), (6000, 0)):
        options = ["--set", "train.drop_last=true", "--set", f"train.batch_size={batch}"]
        done = run("config", CONFIG, *options, expect=expect)
        assert expect == 0 or "larger than the 6000 samples" in message(done)
    assert "drop_last" in message(train(folder / "run", "--set", "train.drop_last=true", "--set", "train.batch_size=7000",
                                        ranks=2, expect=2))
    assert not (folder / "run").exists()


def check_same_end(a, b):
    """Two runs end with the same numbers and dumps; lines that occur twice count once."""
    assert bits(newest(a)) == bits(newest(b))
    for key in ("test_loss", "test_accuracy", "steps"):
        assert metrics(a, "final")[-1][key] == metrics(b, "final")[-1][key], key
    evaluations = [{m["epoch"]: (m["step"], m["loss"], m["accuracy"]) for m in metrics(out, "eval")} for out in (a, b)]
    last = max(evaluations[0])
    assert evaluations[0][last] == evaluations[1][last] and last == max(evaluations[1]), evaluations


def test_a_break_between_the_last_dump_and_its_evaluation_changes_nothing(folder):
    # A dump of every step, which lies there as after a break right behind it: within an epoch, at its end, at the end of
    # the run by its steps and by its epochs.
    every_step = folder / "every"
    train(every_step, *steps(6), *BIG, *every(1), "--set", "checkpoint.keep_last=9")
    for limit, end in ((2, steps(2)), (3, steps(3)), (4, steps(4)), (6, ["--set", "train.epochs=2"])):
        whole = folder / f"whole{limit}"
        train(whole, *end, *BIG)
        assert bits(newest(whole))[2] == (limit + 2) // 3  # an epoch that was begun counts
        for again in range(2):  # the second time from the dump at the end of the run
            cut = folder / f"cut{limit}-{again}"
            source = every_step / "checkpoints" / name(limit) if again == 0 else newest(folder / f"cut{limit}-0")
            if limit == 6 and again == 0:  # the last dump of that run is behind its evaluation
                longer = folder / "longer"
                train(longer, *steps(7), *BIG, *every(1))
                source = longer / "checkpoints" / name(6)
            train(cut, *end, *BIG, "--resume", source)
            assert metrics(cut, "step") == []
            if again == 0:
                check_same_end(cut, whole)
            assert bits(newest(cut)) == bits(newest(whole))
            assert metrics(cut, "final")[0]["test_loss"] == metrics(whole, "final")[0]["test_loss"]
    # One that has ended within an epoch and gets more steps has not evaluated that epoch.
    train(folder / "more", *steps(5), *BIG, *every(1), "--resume", newest(folder / "whole4"))
    train(folder / "five", *steps(5), *BIG, *every(1))
    check_same_end(folder / "more", folder / "five")


def test_ranks_go_on_from_one_file_or_not_at_all(folder):
    for seed in (1, 2):
        train(folder / str(seed), *steps(2), "--set", f"seed={seed}")
    command = [*MPIRUN]
    for seed in (1, 2):
        command += [":"] * (seed == 2) + ["-n", "1", "--wdir", str(folder / str(seed)), BACKFLOW, "train", CONFIG, *SMALL,
                                          *steps(4), "--out", str(folder / "out"), "--resume", f"checkpoints/{name(2)}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    error = done.stderr
    assert "rank 0 has step 2, epoch 1, digest " in error and "rank 1 has step 2, epoch 1, digest " in error, error
    assert not (folder / "out").exists()
    (folder / "2" / "checkpoints" / name(2)).unlink()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and f"rank 1: checkpoints/{name(2)}: cannot open" in done.stderr, done.stderr


def test_a_job_whose_mpirun_was_killed_is_gone_on_with_at_once(folder):
    process, ranks, out = start_and_wait_for_step(folder, *MPIRUN, "-n", "2")
    process.kill()  # its ranks live on for a while
    process.communicate()
    done = metrics(out, "step")[-1]["step"]
    # Without a dump it starts anew; the old ranks write nothing any more.
    train(out, "--resume", "auto", "--set", "train.max_steps=5", *every(1), ranks=2)
    lines = [m["step"] for m in metrics(out, "step")]
    assert len(lines) >= done + 5 and lines[-5:] == [1, 2, 3, 4, 5], lines
    for rank in ranks:
        while os.path.exists(f"/proc/{rank}"):
            os.sched_yield()


def test_dry_run_says_what_a_run_goes_on_from_and_writes_nothing(folder):
    out = folder / "run"
    train(out, *steps(2))
    before = snapshot(out)
    assert f"goes on after step 2: {out}/checkpoints/{name(2)}" in train(out, "--resume", "auto", "--dry-run").stdout
    assert "holds a run" in message(train(out, "--dry-run", expect=2))
    assert snapshot(out) == before


if __name__ == "__main__":
    main(globals())

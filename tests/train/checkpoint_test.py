"""Dumps that are written while training goes on: the same files as without that, what a step waits for, and what happens when
they cannot be written.

usage: checkpoint_test.py [NAME...]  runs the tests of these names, or all.
"""
import atexit
import json
import os
import pathlib
import resource
import signal
import subprocess
import time

from loop_test import ADAMW, LOOP, check_resume, contents, losses
from program import BACKFLOW, MPIRUN, config_text, errors, main, metrics, newest, run, write_data


def write_config(folder, rest="", model='name = "mlp"\nhidden = [64, 64]', optimizer=ADAMW):
    path = folder / "small.toml"
    path.write_text(config_text(write_data(folder / "data"), model=model, optimizer=optimizer, rest=rest))
    return path


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def temporaries(out):
    return [path for path in out.rglob(".backflow-*")]


def names(out):
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def test_dumps_are_those_that_are_made_at_once(folder):
    config = write_config(folder, LOOP + '[checkpoint]\nbest = "loss"\nevery_steps = 1\nkeep_last = 100\n')
    for name, ranks, extra in (("one", 0, []), ("two", 2, []), ("shared", 2, ["distributed.shard_optimizer=true"])):
        for mode in ("true", "false"):
            run("train", config, "--out", folder / (name + mode), *sets(f"checkpoint.async={mode}", *extra), ranks=ranks)
        with_async, without = folder / (name + "true"), folder / (name + "false")
        assert names(with_async) == names(without) and len(names(without)) == 13  # twelve steps, and the best
        for file in names(without):
            assert contents(with_async / "checkpoints" / file) == contents(without / "checkpoints" / file), (name, file)
        assert losses(with_async) == losses(without) and metrics(with_async, "eval") == metrics(without, "eval")
        assert not temporaries(with_async)


def test_each_dump_has_a_line_of_metrics(folder):
    config = write_config(folder, '[checkpoint]\nbest = "loss"\nevery_steps = 4\n')
    for mode in ("true", "false"):
        out = folder / mode
        run("train", config, "--out", out, *sets(f"checkpoint.async={mode}"))
        lines = metrics(out, "checkpoint")
        steps = [(line["step"], line["file"]) for line in lines if line["file"] != "best.h5"]
        assert steps == [(step, f"step-{step:09}.h5") for step in (4, 8, 12, 12)], steps  # the last is written again
        assert {line["step"] for line in lines} == {4, 6, 8, 12}
        for line in lines:
            assert line["bytes"] > 4 * 64 * 64 and min(line[key + "_seconds"] for key in ("wait", "copy", "write")) >= 0
            assert line["write_seconds"] > 0 and (mode == "true" or line["wait_seconds"] == 0)
        assert json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["event"] == "final"


def test_a_dump_waits_for_the_one_before(folder):
    # A state of 13 MB, which takes longer to write than a step of one sample to compute.
    config = write_config(folder, "[checkpoint]\nevery_steps = 1\n", model='name = "mlp"\nhidden = [1000, 1000]')
    out = folder / "run"
    run("train", config, "--out", out, *sets("train.batch_size=1", "train.max_steps=40"))
    waits = [line["wait_seconds"] for line in metrics(out, "checkpoint")]
    assert len(waits) == 41 and sum(wait > 0 for wait in waits) > 0, waits
    log = (out / "log.txt").read_text()
    assert log.count("has waited") == 1 and "checkpoint.every_steps" in log, log
    assert names(out) == [f"step-{step:09}.h5" for step in (38, 39, 40)]


def test_a_run_dumps_by_the_clock_of_rank_0(folder):
    config = write_config(folder)
    for ranks, extra in ((0, []), (2, []), (2, ["distributed.reduction=reproducible", "distributed.shards=4"])):
        out = folder / f"often{ranks}{len(extra)}"
        run("train", config, "--out", out, *sets("checkpoint.every_minutes=1e-9", "checkpoint.keep_last=100", *extra), ranks=ranks)
        assert names(out) == [f"step-{step:09}.h5" for step in range(1, 13)]
        seldom = folder / f"seldom{ranks}{len(extra)}"
        run("train", config, "--out", seldom, *sets("checkpoint.every_minutes=1000", "checkpoint.every_steps=5", *extra), ranks=ranks)
        assert names(seldom) == [f"step-{step:09}.h5" for step in (5, 10, 12)]
        assert contents(newest(seldom)) == contents(newest(out))
    gan = folder / "gan"
    gan.mkdir()
    config = write_config(gan, '[task]\nname = "gan"\n', model='name = "dcgan"\nlatent = 4\nfeatures = 4',
                          optimizer='name = "adam"\nlr = 0.01')
    run("train", config, "--out", gan / "run", *sets("checkpoint.every_minutes=1e-9", "checkpoint.keep_last=100"))
    assert len(names(gan / "run")) == 12


def test_a_run_goes_on_with_all_that_training_remembers(folder):
    dropout = "\n".join(f"[[model.layers]]\n{layer}" for layer in (
        'type = "flatten"', 'type = "linear"\nout_features = 16', 'type = "dropout"\np = 0.5', 'type = "linear"\nout_features = 3'))
    for name, model, extra, ranks in (
            ("parts", None, ["train.micro_batches=3"], 0),  # a dump falls between steps, never between the parts of a batch
            ("parts2", None, ["train.micro_batches=3"], 2),
            ("clipped", None, ["train.micro_batches=2", "train.clip_grad_norm=0.1", "distributed.shard_optimizer=true"], 2),
            ("drawn", dropout, ["data.workers=2", "data.prefetch=5"], 0),
            ("drawn2", dropout, ["data.workers=2", "data.prefetch=5"], 2),
            ("errors", None, ["distributed.compression=powersgd", "distributed.powersgd_rank=2"], 2)):
        (folder / name).mkdir()
        config = write_config(folder / name, LOOP + '[checkpoint]\nbest = "loss"\n')
        if model:
            config.write_text(config.read_text().replace('[model]\nname = "mlp"\nhidden = [64, 64]', model))
        check_resume(folder / name, config, *sets(*extra), ranks=ranks)


def test_early_stopping_goes_on_counting(folder):
    config = write_config(folder, "[early_stopping]\npatience = 3\n")
    common = ["train", config, *sets("optimizer.lr=0", "optimizer.weight_decay=0", "train.epochs=20", "checkpoint.every_steps=5",
                                     "checkpoint.keep_last=100")]
    run(*common, "--out", folder / "whole")
    assert metrics(folder / "whole", "final")[0]["steps"] == 24
    for step in (5, 10, 15, 20):
        out = folder / f"from{step}"
        run(*common, "--out", out, "--resume", folder / f"whole/checkpoints/step-{step:09}.h5")
        assert metrics(out, "final")[0]["steps"] == 24 and contents(newest(out)) == contents(newest(folder / "whole"))


class Endless:
    """A run with a dump after every step that goes on until a signal stops it."""

    def __init__(self, config, out, *settings, ranks=0):
        self.out, self.said = out, config.parent / f"{out.name}.said"
        command = (MPIRUN + ["-n", str(ranks)] if ranks else []) + [
            BACKFLOW, "train", str(config), "--out", str(out), "--threads", "1",
            *sets("train.epochs=1000000", "checkpoint.every_steps=1", *settings)]
        with open(self.said, "w") as said:  # a pipe that nobody reads would hold up the run
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        atexit.register(self.process.kill)  # where a test fails
        self.wait_for("checkpoint", 2)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        while pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    def lines(self, event):
        try:
            text = (self.out / "metrics.jsonl").read_text()
        except FileNotFoundError:
            return []
        whole = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        return [line for line in whole if line["event"] == event]

    def wait_for(self, event, more):
        """Until there are so many more lines of this event."""
        wanted = len(self.lines(event)) + more
        while len(self.lines(event)) < wanted:
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGUSR1)
        return self.end()

    def end(self):
        code = self.process.wait(timeout=300)
        return code, self.said.read_text()


def check_went_on(job, why, are_lines_lost=False):
    """Warnings, lines of metrics, and whole dumps afterwards."""
    job.wait_for("checkpoint", 3)
    code, said = job.stop()
    assert code == 3, said
    failed = job.lines("checkpoint_failed")
    assert failed and all(why in line["error"] for line in failed), failed
    warnings = [line for line in said.splitlines() if "training goes on, and the dump before stays the newest" in line]
    if not are_lines_lost:
        assert len(warnings) == len(failed), (len(warnings), failed)
        steps = [line["step"] for line in job.lines("step")]
        assert steps == list(range(1, len(steps) + 1)), steps
    assert warnings and not temporaries(job.out)
    run("evaluate", newest(job.out))


def check_stopped(job, why):
    code, said = job.end()
    assert code == 1, (code, said)
    found = [line for line in said.splitlines() if line.startswith("backflow: error: ")]
    assert len(found) == 1 and why in found[0], said
    assert not temporaries(job.out)
    run("evaluate", newest(job.out))


def limit_files(job, limit):
    """No file may grow beyond so many bytes: a dump is larger, and lines of text are not."""
    _, most = resource.prlimit(job.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(job.process.pid, resource.RLIMIT_FSIZE, (limit if limit else most, most))


def test_a_dump_that_is_too_large_for_the_disk_is_a_warning_or_the_end(folder):
    config = write_config(folder, model='name = "mlp"\nhidden = [1000, 500]')
    for mode in ("true", "false"):
        job = Endless(config, folder / f"warn{mode}", 'checkpoint.on_error="warn"', f"checkpoint.async={mode}")
        limit_files(job, 1 << 20)
        job.wait_for("checkpoint_failed", 2)
        limit_files(job, 0)
        check_went_on(job, "File too large")
        job = Endless(config, folder / f"stop{mode}", f"checkpoint.async={mode}")
        limit_files(job, 1 << 20)
        check_stopped(job, "File too large")


def test_a_run_whose_last_dump_fails_has_its_results_and_exit_code_1(folder):
    config = write_config(folder, model='name = "mlp"\nhidden = [1000, 500]')
    out = folder / "run"
    run("train", config, "--out", out, "--stop-after-epoch", 1, expect=3)
    first = newest(out)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

    done = run("train", config, "--out", out, "--resume", "auto", *sets('checkpoint.on_error="warn"'), expect=1, preexec_fn=limited)
    assert len(errors(done)) == 1 and "File too large" in errors(done)[0], done.stderr
    assert "dump: " not in done.stdout and "dump" not in metrics(out, "final")[-1], done.stdout
    assert metrics(out, "final")[-1]["steps"] == 12 and metrics(out, "checkpoint_failed")[-1]["step"] == 12
    assert newest(out) == first and not temporaries(out)
    run("train", config, "--out", out, "--resume", "auto")
    assert newest(out).name == "step-000000012.h5"


def block(job, kept):
    """Puts a file in the place of the directory of dumps, and those of the run to other places."""
    dumps = job.out / "checkpoints"
    for n in range(100000):  # the run makes the directory again, unless the file is there first
        dumps.rename(kept.with_name(f"{kept.name}-{n}"))
        try:
            with open(dumps, "x"):
                return dumps
        except FileExistsError:
            pass
    raise AssertionError("the run is always faster")


def test_a_directory_that_goes_away_is_a_warning(folder):
    config = write_config(folder)
    for ranks in (0, 2):
        job = Endless(config, folder / f"run{ranks}", 'checkpoint.on_error="warn"', ranks=ranks)
        file = block(job, folder / f"kept{ranks}")
        job.wait_for("checkpoint_failed", 2)
        run("evaluate", max(path for path in folder.glob(f"kept{ranks}-*/step-*.h5")))
        file.unlink()
        check_went_on(job, "")
        # The dump that a signal asks for is one that the run has to have.
        job = Endless(config, folder / f"last{ranks}", 'checkpoint.on_error="warn"', ranks=ranks)
        block(job, folder / f"last_kept{ranks}")
        job.wait_for("checkpoint_failed", 2)
        code, said = job.stop()
        assert code == 1 and said.count("backflow: error: ") == 1, said


def test_a_run_goes_on_although_its_whole_directory_is_gone(folder):
    config = write_config(folder)
    job = Endless(config, folder / "run", 'checkpoint.on_error="warn"')
    job.out.rename(folder / "moved")
    while "checkpoint_failed" not in (folder / "moved/metrics.jsonl").read_text():
        assert job.process.poll() is None, job.process.stderr.read()
        time.sleep(0.02)
    (folder / "moved").rename(job.out)
    check_went_on(job, "", are_lines_lost=True)


def mounted(folder, options):
    """A small file system of its own, or nothing where that is not allowed."""
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "backflow-test", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"skipped: no file system can be mounted here ({done.stderr.strip()}); RLIMIT_FSIZE stands for a full disk elsewhere")
        return None
    return place


def test_a_full_disk(folder):
    config = write_config(folder, model='name = "mlp"\nhidden = [1000, 500]')
    place = mounted(folder, "size=64m")
    if place is None:
        return
    try:
        for mode in ("true", "false"):
            job = Endless(config, place / f"warn{mode}", 'checkpoint.on_error="warn"', f"checkpoint.async={mode}",
                          "checkpoint.keep_last=1")
            filler = place / "filler"
            fill(filler, job, lambda job=job: len(job.lines("checkpoint_failed")) >= 2)
            assert job.process.poll() is None, job.said.read_text()
            filler.unlink()
            check_went_on(job, "No space left on device", are_lines_lost=True)
            job = Endless(config, place / f"stop{mode}", f"checkpoint.async={mode}", "checkpoint.keep_last=1")
            fill(filler, job, lambda: False)
            check_stopped(job, "No space left on device")
            filler.unlink()
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path, job, is_enough):
    """Until then, or until the run ends. Leaves a megabyte if it can: room for lines of text, and none for a dump."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    while job.process.poll() is None and not is_enough():
        place = os.statvfs(path)
        try:
            os.write(file, b"\0" * max(0, place.f_bavail * place.f_frsize - (1 << 20)))
        except OSError:
            pass  # the run was faster, and gives back what it has taken
        time.sleep(0.01)
    os.close(file)


def turn_read_only(directory):
    """Returns what undoes it, or nothing where that is not possible."""
    if os.geteuid() != 0:
        directory.chmod(0o555)
        return lambda: directory.chmod(0o755)
    done = subprocess.run(["mount", "--bind", str(directory), str(directory)], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"skipped: root cannot make a directory read-only here: {done.stderr.strip()}")
        return None

    def undo():  # where mounts propagate there are two of them
        while subprocess.run(["umount", "-l", str(directory)], capture_output=True).returncode == 0:
            pass
    if subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)]).returncode != 0:
        undo()
        raise AssertionError("cannot be made read-only")
    return undo


def test_a_directory_that_turns_read_only(folder):
    config = write_config(folder)
    for on_error in ("warn", "stop"):
        job = Endless(config, folder / on_error, f'checkpoint.on_error="{on_error}"')
        job.pause()  # nobody may write where it turns read-only
        undo = turn_read_only(job.out / "checkpoints")
        job.process.send_signal(signal.SIGCONT)
        if undo is None:
            job.stop()
            return
        try:
            if on_error == "warn":
                job.wait_for("checkpoint_failed", 2)
            else:
                code, said = job.end()
                assert code == 1 and said.count("backflow: error: ") == 1, said
        finally:
            undo()
        if on_error == "warn":
            check_went_on(job, "")
        else:
            run("evaluate", newest(job.out))


def test_signals_wait_for_the_dump(folder):
    config = write_config(folder, model='name = "mlp"\nhidden = [1000, 500]')
    for name in ("SIGTERM", "SIGUSR1"):
        job = Endless(config, folder / name)
        job.process.send_signal(getattr(signal, name))
        code, said = job.end()
        assert code == 3 and not temporaries(job.out), said
        last = newest(job.out)
        assert contents(last)[1]["step"] == job.lines("step")[-1]["step"] == job.lines("checkpoint")[-1]["step"]
        assert pathlib.Path(job.out / "checkpoints" / job.lines("checkpoint")[-1]["file"]) == last


if __name__ == "__main__":
    main(globals())

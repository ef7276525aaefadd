"""Dumps that cannot be written: a full disk, a directory that is read-only or gone; and runs that are stopped while one is being
written.

usage: checkpoint_errors_test.py [NAME...]  runs the tests of these names, or all.
"""
import atexit
import json
import os
import pathlib
import resource
import signal
import subprocess
import time

from checkpoint_test import sets, temporaries, write_config
from loop_test import contents
from program import BACKFLOW, MPIRUN, errors, main, metrics, newest, run


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

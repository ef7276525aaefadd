"""Signals and what else goes on around a run of the `backflow` program: streams that are closed, folders that go away.

usage: signals_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import time

from program_test import BACKFLOW, CONFIG, MPIRUN, SMALL, WHOLE, main, metrics, newest, run, start_and_wait_for_step, steps, train
from program_test import SOURCE

MPIRUN_SCRIPT = str(SOURCE / "scripts/mpirun.sh")
LONG = ["--set", "train.epochs=100000"]
# A step of many seconds, in little memory: it has not ended when the second signal comes.
SLOW = ["--set", "model.hidden=[4096,4096]", "--set", "train.batch_size=60000", "--set", "train.micro_batches=200",
        "--set", f"data.directory={WHOLE}", "--threads", "1"]


def start(*command, **options):
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)


def end_of(process, code):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == code, f"exit code {process.returncode}, want {code}: {output}"
    return output


def ranks_of(out):
    found = subprocess.run(["pgrep", "-f", f"^{BACKFLOW} train .*{out}"], capture_output=True, text=True).stdout.split()
    return list(map(int, found))


def wait_until(process, state):
    """Until the process has SIGTERM "SigBlk", blocked, the first thing that training does, or "SigCgt", trapped."""
    while True:
        assert process.poll() is None, process.stdout.read()
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        signals = int(next(line for line in status.splitlines() if line.startswith(state)).split()[1], 16)
        if signals & 1 << (signal.SIGTERM - 1):
            return


def test_every_stopping_signal_ends_a_run_with_a_dump(folder):
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        (folder / name).mkdir()
        process, _, out = start_and_wait_for_step(folder / name)
        process.send_signal(getattr(signal, name))
        assert "dump: " in end_of(process, 3)
        run("evaluate", newest(out))


def test_every_stopping_signal_to_mpirun_sh_ends_its_ranks_with_a_dump(folder):
    for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"):
        (folder / name).mkdir()
        process, ranks, out = start_and_wait_for_step(folder / name, MPIRUN_SCRIPT, "-n", 2)
        assert len(ranks) == 2
        process.send_signal(getattr(signal, name))
        assert "dump: " in end_of(process, 3), name
        assert not ranks_of(out)
        run("evaluate", newest(out))


def test_a_signal_before_the_ranks_are_up_ends_them_with_a_dump(folder):
    out = folder / "run"
    process = start(MPIRUN_SCRIPT, "-n", 2, BACKFLOW, "train", CONFIG, *SMALL, *LONG, "--out", out)
    wait_until(process, "SigCgt")
    process.send_signal(signal.SIGTERM)
    assert "dump: " in end_of(process, 3)
    run("evaluate", newest(out))


def test_signals_in_quick_succession_count_once(folder):
    for name in ("SIGTERM", "SIGHUP"):
        out = folder / name
        process = start(BACKFLOW, "train", CONFIG, *SMALL, *LONG, "--out", out)
        wait_until(process, "SigBlk")
        for _ in range(3):  # while the data are read
            process.send_signal(getattr(signal, name))
        assert "dump: " in end_of(process, 3)
        run("evaluate", newest(out))


def test_a_second_signal_to_the_script_counts_once_if_it_comes_at_once(folder):
    process, _, out = start_and_wait_for_step(folder, MPIRUN_SCRIPT, "-n", 2)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    assert "dump: " in end_of(process, 3)
    run("evaluate", newest(out))


def send_until_it_ends(process):
    """Also when it comes later than a second after the first."""
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)


def test_a_later_signal_kills(folder):
    out = folder / "run"
    process = start(BACKFLOW, "train", CONFIG, *SLOW, "--out", out)
    wait_until(process, "SigBlk")
    begin = time.monotonic()
    send_until_it_ends(process)
    assert process.returncode == -signal.SIGTERM, process.stdout.read()
    assert time.monotonic() - begin >= 1
    assert not list((out / "checkpoints").glob("step-*.h5"))


def test_a_later_signal_to_the_script_kills_the_ranks(folder):
    out = folder / "run"
    process = start(MPIRUN_SCRIPT, "-n", 2, BACKFLOW, "train", CONFIG, *SLOW, "--out", out)
    while len(ranks_of(out)) < 2:
        assert process.poll() is None, process.stdout.read()
    send_until_it_ends(process)
    assert process.returncode not in (0, 3), process.returncode
    assert not ranks_of(out)


def test_a_hangup_that_is_ignored_stays_ignored(folder):
    process, _, out = start_and_wait_for_step(folder, "nohup")
    process.send_signal(signal.SIGHUP)
    before = len(metrics(out, "step"))
    while len(metrics(out, "step")) <= before + 1:
        assert process.poll() is None, process.stdout.read()
    process.send_signal(signal.SIGTERM)
    end_of(process, 3)


def test_sigterm_to_mpirun_itself_leaves_a_dump(folder):
    process, _, out = start_and_wait_for_step(folder, *MPIRUN, "-n", "2")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode not in (0, 3), process.returncode  # mpirun's own, as docs/runs.md says
    run("evaluate", newest(out))


def check_trained(out, n):
    assert len(metrics(out, "step")) == n
    assert metrics(out, "final") and newest(out).exists()


def test_a_run_whose_reader_has_gone_trains_on(folder):
    for ranks in (0, 2):
        out = folder / str(ranks)
        command = (MPIRUN + ["-n", str(ranks)] if ranks else []) + [BACKFLOW, "train", CONFIG, *SMALL, *steps(50), "--out",
                                                                   str(out)]
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300)
        os.close(writer)
        assert done.returncode == 0, done.stderr
        check_trained(out, 50)
        if not ranks:
            log = (out / "log.txt").read_text()
            assert log.count("standard output: cannot write: Broken pipe") == 1 and "test accuracy 0." in log, log


def test_ranks_train_on_when_the_reader_of_mpirun_sh_leaves(folder):
    script = str(SOURCE / "scripts/mpirun.sh")
    for redirect in ("", "2>&1"):
        out = folder / ("both" if redirect else "out")
        command = f'"$@" {redirect} | head -1; exit ${{PIPESTATUS[0]}}'
        words = [script, "-n", "2", BACKFLOW, "train", CONFIG, *SMALL, *steps(200), "--out", str(out)]
        done = subprocess.run(["bash", "-c", command, "-", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 1, done
        check_trained(out, 200)


def test_commands_whose_output_is_lost_fail(folder):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BACKFLOW, "config", CONFIG], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == 1 and "standard output: cannot write" in done.stderr, done


def test_a_run_goes_on_with_a_full_disk_behind_its_output(folder):
    out = folder / "run"
    with open("/dev/full", "w") as full:
        done = subprocess.run([BACKFLOW, "train", CONFIG, *SMALL, *steps(20), "--out", str(out)], stdin=subprocess.DEVNULL,
                              stdout=full, stderr=full, timeout=300)
    assert done.returncode == 0
    check_trained(out, 20)
    assert "standard output: cannot write: No space left on device" in (out / "log.txt").read_text()


def test_streams_that_are_closed_at_the_start_get_no_file(folder):
    for closed in ((1,), (2,), (0, 1, 2)):
        out = folder / "".join(map(str, closed))
        words = " ".join(f"{fd}>&-" for fd in closed)
        command = f'exec "$@" {words}'
        done = subprocess.run(["bash", "-c", command, "-", BACKFLOW, "train", CONFIG, *SMALL, *steps(20), "--out", str(out)],
                              capture_output=True, timeout=300)
        assert done.returncode == 0, done
        check_trained(out, 20)
        for name in ("metrics.jsonl", "config.toml", "environment.json"):
            assert "samples/s" not in (out / name).read_text()
        run("evaluate", newest(out))


def test_a_run_directory_that_goes_away_ends_the_run(folder):
    for name, take in (("removed", shutil.rmtree), ("renamed", lambda out: out.rename(folder / "elsewhere"))):
        (folder / name).mkdir()
        process, _, out = start_and_wait_for_step(folder / name)
        take(out)
        output = end_of(process, 1)
        assert f"{out}/metrics.jsonl: is not there any more" in output, output
        assert not out.exists()


if __name__ == "__main__":
    main(globals())

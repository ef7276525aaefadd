"""How a job of several ranks ends: with the program's exit code and its own words, and none of mpirun's.

usage: job_end_test.py [NAME...]  runs the tests of these names, or all.
"""
import signal
import subprocess
import time

from program import BACKFLOW, MPIRUN, SOURCE, config_text, main, metrics, run_command, without_warnings, write_data

LAUNCHERS = (MPIRUN, [str(SOURCE / "scripts/mpirun.sh")])


def words(command, expect):
    """All that a command says, in lines."""
    done = run_command([str(word) for word in command], expect)
    return without_warnings(done.stdout + done.stderr)


def small(folder):
    path = folder / "small.toml"
    path.write_text(config_text(write_data(folder / "data")))
    return path


def test_a_mistake_is_told_in_one_line(folder):
    config = small(folder)
    for launcher in LAUNCHERS:
        for ranks in (1, 3):
            for mistake, said in ((["train", config, "--set", "train.epoch=1"], "did you mean 'epochs'?"),
                                  (["trian", config], "did you mean 'train'?"),
                                  (["train", config, "--oot", "x"], "did you mean --out?"),
                                  (["config", config, "--set", "model.nme=mlp"], "did you mean 'name'?"),
                                  (["evaluate", "none.h5"], "none.h5: no such file")):
                lines = words([*launcher, "-n", ranks, BACKFLOW, *mistake], 2)
                assert len(lines) == 1 and lines[0].startswith("backflow: error: ") and said in lines[0], (launcher, lines)


def test_a_mistake_of_one_rank_is_told_in_one_line(folder):
    config = small(folder)
    for command in ("train", "config"):
        lines = words([*MPIRUN, "-n", 1, BACKFLOW, command, config, ":", "-n", 1, BACKFLOW, command, config, "--oot"], 2)
        assert len(lines) == 1 and lines[0].startswith("backflow: error: rank 1: unknown option --oot"), lines
    lines = words([*MPIRUN, "-n", 1, BACKFLOW, "train", config, ":", "-n", 1, BACKFLOW, "train", config, "--set", "seed=2"], 2)
    assert lines == ["backflow: error: ranks differ: seed is 1 on rank 0, 2 on rank 1: need the same on all ranks"], lines


def test_of_a_run_that_a_signal_stopped_mpirun_only_says_that_it_passed_it_on(folder):
    config, out = small(folder), folder / "run"
    command = [*MPIRUN, "-n", "2", BACKFLOW, "train", config, "--out", out, "--quiet", "--set", "train.epochs=100000"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not (out / "metrics.jsonl").exists() or not metrics(out, "step"):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    lines = [line for line in without_warnings(process.communicate(timeout=120)[0]) if "Forwarding signal" not in line]
    assert process.returncode == 3 and len(lines) == 1 and lines[0].endswith(".h5"), (process.returncode, lines)


if __name__ == "__main__":
    main(globals())

"""A rank that fails ends the run on all, with one message, and leaves the last dump as it was. scripts/failure_test.py
does the same at random moments.

usage: failures_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import re
import shutil
import signal
import subprocess
import time

from program import BACKFLOW, MPIRUN, config_text, errors, main, metrics, newest, run, run_command, write_data

NORM = "\n".join(f"[[model.layers]]\n{layer}" for layer in (
    'type = "conv2d"\nout_channels = 4\nkernel_size = 3', 'type = "batch_norm2d"', 'type = "relu"', 'type = "flatten"',
    'type = "linear"\nout_features = 3'))
MODES = ([], ['distributed.reduction="reproducible"', "distributed.shards=4"],
         ["distributed.shard_optimizer=true", 'distributed.batch_norm="sync"'])


def write_config(folder, **options):
    path = folder / "norm.toml"
    path.write_text(config_text(write_data(folder / "data"), model=NORM, optimizer='name = "adam"', **options))
    return path


def sets(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def run_with_fault(fault, *args, ranks=2, expect=1):
    return run(*args, ranks=ranks, expect=expect, env={**os.environ, "BACKFLOW_PLANTED_FAULT": fault})


def test_an_exception_is_told_once_with_rank_and_step(folder):
    config = write_config(folder)
    for ranks, victim in ((2, 1), (4, 2), (4, 0)):
        for mode in MODES:
            for kind in ("throw", "throw_in_backward"):
                done = run_with_fault(f"{kind}:{victim}:4", "train", config, "--out", folder / "run", "--overwrite",
                                      *sets(*mode), ranks=ranks)
                said = [re.sub(r"backward of \w+: ", "", line) for line in errors(done)]
                wanted = [f"backflow: error: rank {victim}: step 4: BACKFLOW_PLANTED_FAULT: this rank fails"]
                assert said == wanted, (kind, mode, done.stderr)


def test_what_fails_on_all_ranks_is_told_once(folder):
    config = write_config(folder)
    for mode in MODES:
        # The first update gives parameters of 1e38, the second step no finite number.
        done = run("train", config, "--out", folder / "run", "--overwrite",
                   *sets(*mode, "optimizer.lr=1e38", "train.check_gradients=true"), ranks=4, expect=1)
        assert len(errors(done)) == 1 and "NaN or infinite" in errors(done)[0] or "need finite" in errors(done)[0], done.stderr


def test_a_model_that_differs_on_one_rank_is_found(folder):
    config = write_config(folder)
    for ranks, same in ((2, "rank 0"), (4, "ranks 0,2-3")):
        for mode in MODES:
            out = folder / f"run{ranks}"
            common = ["train", config, "--out", out, *sets(*mode, "distributed.check_every=4", "checkpoint.every_steps=3")]
            done = run_with_fault("change:1:6", *common, "--overwrite", ranks=ranks)
            said = errors(done)
            assert len(said) == 1 and "ranks differ after step 6: " in said[0], done.stderr  # before the dump
            assert "the digest of parameter '0.weight' is 0x" in said[0] and f" on {same}, 0x" in said[0], said
            assert newest(out).name == "step-000000003.h5", newest(out)
            done = run_with_fault("change:1:8", *common, "--overwrite", ranks=ranks)
            assert "ranks differ after step 8: " in errors(done)[0], done.stderr
            run(*common, "--resume", "auto", ranks=ranks)
            assert metrics(out, "final")[-1]["steps"] == 12


def test_check_every_0_compares_nothing(folder):
    config = write_config(folder)
    run_with_fault("change:1:6", "train", config, "--out", folder / "run", *sets("distributed.check_every=0"), expect=0)
    run_with_fault("change:0:6", "train", config, "--out", folder / "one", *sets("distributed.check_every=1"), ranks=0, expect=0)


def test_another_program_file_is_refused(folder):
    config = write_config(folder)
    other = folder / "backflow"
    shutil.copy(BACKFLOW, other)
    with open(other, "ab") as file:
        file.write(b"\0")
    done = run_command([*MPIRUN, "-n", "1", BACKFLOW, "train", str(config), ":", "-n", "1", str(other), "train", str(config)],
                       expect=2, cwd=folder)
    said = errors(done)
    assert len(said) == 1 and "ranks differ: the program is " in said[0] and " on rank 1: need the same" in said[0], said


def start_endless(config, out, ranks, **environment):
    command = [*MPIRUN, "-n", str(ranks), BACKFLOW, "train", str(config), "--out", str(out), "--threads", "1",
               *sets("train.epochs=100000", "checkpoint.every_steps=1", "distributed.timeout_s=5")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **environment})
    while process.poll() is None and not list((out / "checkpoints").glob("step-*.h5")):
        time.sleep(0.01)
    return process


def end_of(process):
    _, said = process.communicate(timeout=300)
    assert process.returncode not in (0, 3), said
    return [line for line in said.splitlines() if line.startswith("backflow: error: ")], said


def test_a_dump_that_cannot_be_written_ends_the_run_on_all_ranks(folder):
    config = write_config(folder)
    out = folder / "run"
    process = start_endless(config, out, 4)
    dumps = out / "checkpoints"
    for n in range(100000):  # the run makes the folder again, unless a file is there first
        dumps.rename(folder / f"kept{n}")
        try:
            with open(dumps, "x"):
                break
        except FileExistsError:
            pass
    error, said = end_of(process)
    assert len(error) == 1 and error[0].startswith(f"backflow: error: rank 0: {dumps}/"), said
    whole = max(path for path in folder.glob("kept*/step-*.h5"))
    run("evaluate", whole)


def ranks_of(process):
    found = {}
    for pid in map(int, subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()):
        with open(f"/proc/{pid}/environ", "rb") as file:
            for value in file.read().split(b"\0"):
                if value.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(value[21:])] = pid
    return found


def test_a_node_that_is_gone_ends_the_run_on_the_others(folder):
    config = write_config(folder)
    for how in (signal.SIGSTOP, signal.SIGKILL):
        process = start_endless(config, folder / how.name, 4, BACKFLOW_PRETEND_NODES="2")
        ranks = ranks_of(process)
        assert len(ranks) == 4, ranks
        for rank in (2, 3):
            os.kill(ranks[rank], how)
        error, said = end_of(process)
        assert len(error) <= 1, said
        text = error[0] if error else said  # of a rank that was killed mpirun may be the one that tells
        assert "rank 2" in text or "rank 3" in text, said
        assert how is signal.SIGKILL or (error and "communicator: waited " in error[0] and " in step " in error[0]), said
        run("evaluate", newest(folder / how.name))


if __name__ == "__main__":
    main(globals())

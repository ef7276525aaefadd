#!/usr/bin/python3
"""Kills training runs at random, goes on with each at once, and compares what comes out with a run without a break.

A run trains a network with batch normalization and dropout by Adam on a small random data set, with a dump after every
step, alone and on two ranks. Up to five times it is killed with SIGKILL: a rank, mpirun (whose ranks live on for a
while) or both, at a random moment, or while a dump is being written. Each time the same command, with --resume auto, is
started again at once. In the end

- every start but the first has gone on from a dump, if there was one, and none has failed by itself;
- the `final` line, what `backflow evaluate` makes of the last dump, and the `final` line of the run without a break are
  equal, bit for bit, and so is all that the last dump holds;
- the run directory has the same files as that of the run without a break: nothing unfinished, no lock, no other dumps.
"""
import argparse
import json
import pathlib
import random
import sys
import tempfile
import time

from training_jobs import (descendants, dumps_now, evaluate, kill, newest, number_of_dumps, program_of, start,
                           write_config, write_data)

MOST_KILLS = 5


def kill_some(process, victim, rng):
    """Kills a rank, mpirun, or both, of a job that may have ended by now."""
    everyone = [process.pid, *descendants(process.pid)]
    programs = {pid: program_of(pid) for pid in everyone}
    ranks = [pid for pid, program in programs.items() if program == "backflow"]
    launchers = [pid for pid, program in programs.items() if program in ("mpirun", "orterun", "prterun")]
    kill({"rank": [rng.choice(ranks)] if ranks else [], "mpirun": launchers, "both": launchers + ranks}[victim])


def wait_for_moment(process, out, rng):
    """Until a few more dumps have been made, and then a random time, or until the next dump is being written."""
    wanted = number_of_dumps(out) + rng.randrange(7)
    while process.poll() is None and number_of_dumps(out) < wanted:
        time.sleep(0.001)
    if rng.random() < 0.5:
        while process.poll() is None and not dumps_now(out):
            pass
    else:
        time.sleep(rng.random() * 0.03)


def read_metrics(out, event):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def content_of(dump):
    import h5py
    with h5py.File(dump) as file:
        found = {f"{group}/{name}": data[()].tobytes() for group in ("parameters", "buffers", "optimizer")
                 for name, data in file[group].items()}
        return found, int(file.attrs["step"]), int(file.attrs["epoch"])


def compare(out, whole):
    files = [sorted(str(p.relative_to(d)) for p in d.rglob("*")) for d in (out, whole)]
    assert files[0] == files[1], f"files: {files[0]}, want {files[1]}"
    final, wanted = (read_metrics(d, "final")[-1] for d in (out, whole))
    evaluated = evaluate(newest(out))
    for key in ("test_loss", "test_accuracy"):
        assert final[key] == wanted[key] == evaluated[key], f"{key}: {final[key]}, {evaluated[key]}, want {wanted[key]}"
    assert content_of(newest(out)) == content_of(newest(whole)), "the last dumps differ"
    last = [{m["epoch"]: (m["loss"], m["accuracy"]) for m in read_metrics(d, "eval")} for d in (out, whole)]
    assert last[0] == last[1], f"eval lines: {last[0]}, want {last[1]}"


def run_with_kills(config, out, ranks, rng, log_path):
    """Returns what was killed, and how often a dump was being written then."""
    kills, in_dumps, planned = [], 0, rng.randrange(1, MOST_KILLS + 1)
    while True:
        had_dump, alive = number_of_dumps(out) > 0, False
        log_path.unlink(missing_ok=True)  # ranks that live on keep their own
        with open(log_path, "w") as log:
            process = start(config, out, ranks, log)
            if len(kills) < planned:
                wait_for_moment(process, out, rng)
                in_dumps += dumps_now(out)
                victim = rng.choice(["rank", "mpirun", "both"] if ranks > 1 else ["rank"])
                alive = process.poll() is None
                kill_some(process, victim, rng)
                kills += [victim] if alive else []
            code = process.wait(timeout=300)
        printed = log_path.read_text()
        if code == 0:
            assert not had_dump or "resumed after step" in printed, printed
            return kills, in_dumps
        assert alive, f"exit code {code} of a run that nobody killed:\n{printed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="half of them alone, half on two ranks (100)")
    parser.add_argument("--seed", type=int, default=0, help="of data, moments and victims (0)")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    started, kills, in_dumps = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory(prefix="backflow-crash-") as name:
        folder = pathlib.Path(name)
        write_data(folder, rng)
        config = write_config(folder, "crash_test", options.seed)
        wholes = {}
        for number in range(options.runs):
            ranks = 1 + number % 2
            if ranks not in wholes:
                wholes[ranks] = folder / f"whole{ranks}"
                run_whole(config, wholes[ranks], ranks, folder / "log")
            out = folder / f"run{number}"
            try:
                found, during = run_with_kills(config, out, ranks, rng, folder / "log")
                compare(out, wholes[ranks])
            except AssertionError:
                print(f"FAILED run {number} on {ranks} ranks; reproduce: {sys.argv[0]} --runs {number + 1} --seed {options.seed}")
                raise
            kills += found
            in_dumps += during
            print(f"run {number}: {ranks} rank(s), killed: {', '.join(found) or 'not at all'}", flush=True)
    counts = ", ".join(f"{kills.count(victim)} of {victim}" for victim in ("rank", "mpirun", "both"))
    print(f"{options.runs} runs, {len(kills)} kills ({counts}; {in_dumps} while a dump was being written): all went on and "
          f"ended as the run without a break; {time.monotonic() - started:.0f} s")


def run_whole(config, out, ranks, log_path):
    with open(log_path, "w") as log:
        code = start(config, out, ranks, log).wait(timeout=300)
    assert code == 0, log_path.read_text()


if __name__ == "__main__":
    main()

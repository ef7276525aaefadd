#!/usr/bin/python3
"""Kills training runs at random, goes on with each at once, and compares what comes out with a run without a break.

A run trains a network with batch normalization and dropout by Adam on a small random data set, with a dump after every
step, on one, two or three ranks. Dumps are written while training goes on, or not, by rank 0 or by all ranks together; they
are small, or take longer to write than a step; and by turns they hold averaged weights, a plateau and the best loss, a
sharded optimizer's state, or the errors of a compression. Up to five times a run is killed with SIGKILL: a rank, mpirun (whose ranks live on for a while) or
both, half of the times at a random moment, else while a dump is being written. Each time the same command, with --resume
auto, is started again at once. In the end

- every start but the first has gone on from a dump, if there was one, and none has failed by itself;
- the `final` line, what `backflow evaluate` makes of the last dump, and the `final` line of the run without a break are
  equal, bit for bit, and so is all that the last dump holds;
- the run directory has the same files as that of the run without a break: nothing unfinished, no lock, no other dumps.
  Only best.h5.old may be there, where the best dump was newer than the one that the run went on from.
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
PARALLEL = ['checkpoint.mode="parallel"']
LARGE = ["model.layers.0.out_channels=192"]
SHARDED = ["distributed.shard_optimizer=true"]
MODES = {
    "plain": [],
    "large": LARGE,
    "parallel": PARALLEL,
    "loop": ["ema.decay=0.9", 'schedule.name="plateau"', 'schedule.metric="accuracy"', "schedule.patience=0", "train.micro_batches=2",
             "evaluation.every_steps=3", "early_stopping.patience=100", 'checkpoint.best="loss"'],
    "parallel sharded": PARALLEL + SHARDED,
    "sharded": SHARDED,
    "at once": ["checkpoint.async=false"],
    "parallel large": PARALLEL + LARGE + SHARDED,
    "compressed": ['distributed.compression="powersgd"', "distributed.powersgd_rank=1"],
    "by the clock": ["checkpoint.every_steps=0", "checkpoint.every_minutes=1e-9"],
}


def mode_of(number, modes):
    """Of a run, so that each mode meets one, two and three ranks, which come by turns."""
    shift = number // len(modes) if len(modes) % 3 == 0 else 0
    return modes[(number + shift) % len(modes)]


def victims_of(process, victim, rng):
    """A rank, mpirun, or both, of a job that may have ended by now."""
    everyone = [process.pid, *descendants(process.pid)]
    programs = {pid: program_of(pid) for pid in everyone}
    ranks = [pid for pid, program in programs.items() if program == "backflow"]
    launchers = [pid for pid, program in programs.items() if program in ("mpirun", "orterun", "prterun")]
    return {"rank": [rng.choice(ranks)] if ranks else [], "mpirun": launchers, "both": launchers + ranks}[victim]


def kill_at_some_moment(process, out, victim, rng):
    """After a few more dumps, and then a random time, or when the next dump is being written. Returns whether the job had not
    ended by itself.
    """
    wanted = number_of_dumps(out) + rng.randrange(7)
    while process.poll() is None and number_of_dumps(out) < wanted:
        time.sleep(0.001)
    victims = victims_of(process, victim, rng)  # looking for them takes longer than writing a small dump
    if rng.random() < 0.5:
        while process.poll() is None and not dumps_now(out):
            pass
    else:
        time.sleep(rng.random() * 0.03)
    alive = process.poll() is None
    kill(victims)
    return alive


def read_metrics(out, event):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def content_of(dump):
    import h5py
    with h5py.File(dump) as file:
        found = {f"{group}/{name}": data[()].tobytes() for group in file if group != "versions"
                 for name, data in file[group].items()}
        return found, int(file.attrs["step"]), int(file.attrs["epoch"])


def compare(out, whole):
    files = [sorted(str(p.relative_to(d)) for p in d.rglob("*") if not p.name.startswith("best.h5.old")) for d in (out, whole)]
    assert files[0] == files[1], f"files: {files[0]}, want {files[1]}"
    final, wanted = (read_metrics(d, "final")[-1] for d in (out, whole))
    evaluated = evaluate(newest(out))
    best = [{key: value for key, value in line.items() if key.startswith("best_")} for line in (final, wanted)]
    assert best[0] == best[1], f"best: {best[0]}, want {best[1]}"
    for key in ("test_loss", "test_accuracy"):
        assert final[key] == wanted[key] == evaluated[key], f"{key}: {final[key]}, {evaluated[key]}, want {wanted[key]}"
    assert content_of(newest(out)) == content_of(newest(whole)), "the last dumps differ"
    last = [{m["step"]: (m["loss"], m["accuracy"]) for m in read_metrics(d, "eval")} for d in (out, whole)]
    assert last[0] == last[1], f"eval lines: {last[0]}, want {last[1]}"


def run_with_kills(config, out, ranks, settings, rng, log_path):
    """Returns what was killed, and how often a dump was left unfinished by that."""
    kills, in_dumps, planned = [], 0, rng.randrange(1, MOST_KILLS + 1)
    while True:
        had_dump, alive = number_of_dumps(out) > 0, False
        log_path.unlink(missing_ok=True)  # ranks that live on keep their own
        with open(log_path, "w") as log:
            process = start(config, out, ranks, log, settings)
            if len(kills) < planned:
                victim = rng.choice(["rank", "mpirun", "both"] if ranks > 1 else ["rank"])
                alive = kill_at_some_moment(process, out, victim, rng)
                kills += [victim] if alive else []
            code = process.wait(timeout=300)
            in_dumps += alive and dumps_now(out)
        printed = log_path.read_text()
        if code == 0:
            assert not had_dump or "resumed after step" in printed, printed
            return kills, in_dumps
        assert alive, f"exit code {code} of a run that nobody killed:\n{printed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="on one, two and three ranks by turns (100)")
    parser.add_argument("--seed", type=int, default=0, help="of data, moments and victims (0)")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES), metavar="MODE",
                        help=f"some of: {', '.join(MODES)} (all, by turns)")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    started, kills, in_dumps = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory(prefix="backflow-crash-") as name:
        folder = pathlib.Path(name)
        write_data(folder, rng)
        config = write_config(folder, "crash_test", options.seed)
        wholes = {}
        for number in range(options.runs):
            ranks, mode = 1 + number % 3, mode_of(number, options.modes)
            if (ranks, mode) not in wholes:
                wholes[ranks, mode] = folder / f"whole{len(wholes)}"
                run_whole(config, wholes[ranks, mode], ranks, MODES[mode], folder / "log")
            out = folder / f"run{number}"
            try:
                found, during = run_with_kills(config, out, ranks, MODES[mode], rng, folder / "log")
                compare(out, wholes[ranks, mode])
            except AssertionError:
                print(f"FAILED run {number} on {ranks} ranks, {mode}; reproduce: "
                      f"{sys.argv[0]} --runs {number + 1} --seed {options.seed} --modes {' '.join(map(repr, options.modes))}")
                raise
            kills += found
            in_dumps += during
            print(f"run {number}: {ranks} rank(s), {mode}, killed: {', '.join(found) or 'not at all'}", flush=True)
    counts = ", ".join(f"{kills.count(victim)} of {victim}" for victim in ("rank", "mpirun", "both"))
    print(f"{options.runs} runs, {len(kills)} kills ({counts}; {in_dumps} left a dump unfinished): all went on and "
          f"ended as the run without a break; {time.monotonic() - started:.0f} s")


def run_whole(config, out, ranks, settings, log_path):
    with open(log_path, "w") as log:
        code = start(config, out, ranks, log, settings).wait(timeout=300)
    assert code == 0, log_path.read_text()


if __name__ == "__main__":
    main()

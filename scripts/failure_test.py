#!/usr/bin/python3
"""Makes a rank of training runs fail at random, and looks at how each run ends.

A run trains a small network with batch normalization and dropout on 2 or 4 ranks, which wait for each other for 5 s at
most, with a dump after every step; with gradients reduced as fast as possible or reproducibly, with a sharded optimizer
and synchronized batch normalization, by turns. At a random moment a random rank is killed (SIGKILL) or stopped
(SIGSTOP), or it throws an exception at a random step. Then

- the run ends, with an exit code other than 0, and leaves no process behind;
- there is one message, which names the right rank: of a rank that was killed, that it has died, from another rank or
  from mpirun; of one that was stopped also the step and what it was waited for; of an exception also the step;
- the last dump can be evaluated, and --resume auto goes on from it.
"""
import argparse
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

from training_jobs import (evaluate, kill, newest, number_of_dumps, program_of, rank_processes, start,
                           write_config, write_data)

TIMEOUT = 5
HANGS = 120  # s; many times what any run takes, since the machine may be busy with other things
KINDS = ("kill", "stop", "exception")
MODES = {
    "fast": [],
    "reproducible": ['distributed.reduction="reproducible"', "distributed.shards=4"],
    "sharded": ["distributed.shard_optimizer=true"],
    "sync": ['distributed.batch_norm="sync"'],
    "sharded, sync": ["distributed.shard_optimizer=true", 'distributed.batch_norm="sync"'],
}
COMMON = [f"distributed.timeout_s={TIMEOUT}", "train.epochs=100000", "distributed.check_every=3"]


class Job:
    """A run that goes on until its rank `victim` fails."""

    def __init__(self, folder, number, rng):
        self.kind = KINDS[number % 3]
        self.ranks = (2, 4)[number // 3 % 2]
        self.mode = list(MODES)[number // 6 % len(MODES)]
        self.victim, self.step = rng.randrange(self.ranks), rng.randrange(2, 40)
        self.out, self.log = folder / f"run{number}", folder / f"log{number}"
        self.settings = [*COMMON, *MODES[self.mode]]
        self.fault = rng.choice(["throw", "throw_in_backward"])
        self.delay = rng.random() * 0.05
        self.processes = {}

    def run(self, config):
        """Returns the exit code, and how long the run went on after the failure."""
        planted = {"BACKFLOW_PLANTED_FAULT": f"{self.fault}:{self.victim}:{self.step}"} if self.kind == "exception" else {}
        with open(self.log, "w") as log:
            process = start(config, self.out, self.ranks, log, self.settings, **planted)
            self.wait_for_step(process)
            if self.kind != "exception":
                time.sleep(self.delay)
                pid = self.processes[self.victim]
                assert program_of(pid) == "backflow", f"rank {self.victim} has ended by itself: {self.log.read_text()}"
                os.kill(pid, signal.SIGKILL if self.kind == "kill" else signal.SIGSTOP)
            failed = time.monotonic()
            try:
                return process.wait(timeout=HANGS), time.monotonic() - failed
            except subprocess.TimeoutExpired:
                kill([*self.processes.values(), *rank_processes(process).values(), process.pid])
                raise AssertionError(f"hangs; it has printed:\n{self.log.read_text()}") from None

    def wait_for_step(self, process):
        """Until the dump of the step before is there, or for an exception until the run is over."""
        while process.poll() is None:
            found = rank_processes(process)
            self.processes.update(found)
            if self.kind != "exception" and len(found) == self.ranks and number_of_dumps(self.out) >= self.step - 1:
                return
            time.sleep(0.01)
        assert self.kind == "exception", f"has ended by itself:\n{self.log.read_text()}"

    def left_over(self):
        """Processes that are still there; a killed one may need a moment."""
        end = time.monotonic() + HANGS
        while time.monotonic() < end:
            left = [pid for pid in self.processes.values() if program_of(pid) == "backflow"]
            if not left:
                return []
            time.sleep(0.05)
        return left

    def check_message(self):
        """Returns who told: "rank" or "mpirun"."""
        text = self.log.read_text()
        errors = [line for line in text.splitlines() if line.startswith("backflow: error: ")]
        assert len(errors) <= 1, f"{len(errors)} messages:\n{text}"
        pid = self.processes.get(self.victim, 0)
        of_mpirun = re.search(rf"process rank {self.victim} with PID \d+ .*signal 9", " ".join(text.split()))
        if self.kind == "kill" and not errors and of_mpirun:
            return "mpirun"
        wanted = {
            "kill": rf"rank \d+: communicator: .*rank {self.victim} \(process {pid}, which has died\) in step \d+, ",
            "stop": rf"rank \d+: communicator: waited .* for rank {self.victim} \(process {pid}, which is stopped\) in step "
                    rf"\d+, .*: need every rank within distributed.timeout_s",
            "exception": rf"rank {self.victim}: step {self.step}: (backward of \w+: )?BACKFLOW_PLANTED_FAULT: this rank fails",
        }[self.kind]
        assert errors and re.search(wanted, errors[0]), f"no message '{wanted}':\n{text}"
        return "rank"

    def check_dump(self, config):
        """The newest dump is whole, and a run goes on from it."""
        if not number_of_dumps(self.out):
            return
        dump = newest(self.out)
        evaluate(dump)
        with open(self.log, "w") as log:
            settings = [*self.settings, f"train.max_steps={number_of_dumps(self.out) + 2}"]
            code = start(config, self.out, self.ranks, log, settings).wait(timeout=300)
        text = self.log.read_text()
        assert code == 0 and "resumed after step" in text, f"exit code {code} of a run that goes on from {dump}:\n{text}"

    def check(self, config):
        code, seconds = self.run(config)
        left = self.left_over()
        kill(left)
        assert not left, f"processes are left: {left}"
        assert code != 0, f"exit code 0:\n{self.log.read_text()}"
        told_by = self.check_message()
        self.check_dump(config)
        return told_by, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="a third of them of each kind of failure (60)")
    parser.add_argument("--seed", type=int, default=0, help="of data, ranks and moments (0)")
    parser.add_argument("--only", type=int, help="the run of this number alone")
    options = parser.parse_args()
    longest, told = {kind: 0.0 for kind in KINDS}, []
    with tempfile.TemporaryDirectory(prefix="backflow-failure-") as name:
        folder = pathlib.Path(name)
        write_data(folder, random.Random(options.seed))
        config = write_config(folder, "failure_test", options.seed)
        for number in range(options.runs) if options.only is None else [options.only]:
            job = Job(folder, number, random.Random(f"{options.seed} {number}"))
            what = f"run {number}: {job.kind} of rank {job.victim} of {job.ranks}, {job.mode}"
            try:
                told_by, seconds = job.check(config)
            except AssertionError:
                print(f"FAILED {what}; reproduce: {sys.argv[0]} --only {number} --seed {options.seed}", flush=True)
                raise
            longest[job.kind] = max(longest[job.kind], seconds)
            told.append(told_by)
            print(f"{what}: told by {told_by}, ended after {seconds:.1f} s", flush=True)
    print(f"{len(told)} runs ended, with {told.count('rank')} messages of ranks and {told.count('mpirun')} of mpirun, which named "
          f"the right rank; each went on from its last dump; the longest end took {longest['stop']:.1f} s after SIGSTOP, "
          f"{longest['kill']:.1f} s after SIGKILL")


if __name__ == "__main__":
    main()

"""Dumps that all ranks write into one file (`checkpoint.mode = "parallel"`): the same tensors as those of rank 0, that a run goes on
from them on any number of ranks, and what happens when they cannot be written.

usage: parallel_dump_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import pathlib
import resource
import subprocess

from checkpoint_errors_test import Endless, block, check_stopped, check_went_on, fill, mounted
from checkpoint_test import names, sets, temporaries, write_config
from loop_test import LOOP, contents, losses
from program import errors, main, metrics, newest, run

PARALLEL = ['checkpoint.mode="parallel"']
LARGE = 'name = "mlp"\nhidden = [300, 200]'  # weights that all ranks have parts of
VARIANTS = {
    "plain": [],
    "sharded": ["distributed.shard_optimizer=true"],
    "compressed": ['distributed.compression="powersgd"', "distributed.powersgd_rank=1"],
    "reproducible": ['distributed.reduction="reproducible"', "distributed.shards=4"],
}


def check_same(one, other):
    assert names(one) == names(other) and names(one)
    for file in names(one):
        assert contents(one / "checkpoints" / file) == contents(other / "checkpoints" / file), file


def test_the_dumps_are_those_of_rank_0(folder):
    config = write_config(folder, LOOP + '[checkpoint]\nbest = "loss"\nevery_steps = 3\nkeep_last = 100\n', model=LARGE)
    for name, extra in VARIANTS.items():
        alone, together = folder / f"{name}-rank0", folder / f"{name}-all"
        run("train", config, "--out", alone, *sets(*extra), ranks=4)
        run("train", config, "--out", together, *sets(*PARALLEL, *extra), ranks=4)
        check_same(together, alone)
        assert losses(together) == losses(alone) and metrics(together, "eval") == metrics(alone, "eval"), name
        assert [line["bytes"] for line in metrics(together, "checkpoint")] == [line["bytes"] for line in metrics(alone, "checkpoint")]
        assert not temporaries(together) and not metrics(together, "checkpoint_failed")
        assert "collective" not in (together / "log.txt").read_text()


def resumed(config, start, ranks, extra):
    """What the last dump holds of a run that goes on from the fifth step of another."""
    out = start.parent / f"{start.name}-on-{ranks}"
    run("train", config, "--out", out, "--resume", start / "checkpoints/step-000000005.h5", *sets(*extra), ranks=ranks)
    return contents(newest(out))


def test_a_run_goes_on_from_them_on_any_number_of_ranks(folder):
    config = write_config(folder, "[checkpoint]\nevery_steps = 5\nkeep_last = 100\n", model=LARGE)
    # Where sums have the same bits, the run ends as the one without a break.
    for name, same in (("plain", [4]), ("sharded", [4]), ("reproducible", [1, 2])):
        extra = [*PARALLEL, *VARIANTS[name]]
        run("train", config, "--out", folder / name, *sets(*extra), ranks=4)
        for ranks in same:
            assert resumed(config, folder / name, ranks, extra) == contents(newest(folder / name)), (name, ranks)
    # Elsewhere as one that goes on from a dump of rank 0.
    run("train", config, "--out", folder / "rank0", *sets(*VARIANTS["sharded"]), ranks=4)
    for ranks in (1, 2, 3):
        ends = [resumed(config, folder / name, ranks, [*PARALLEL, *VARIANTS["sharded"]]) for name in ("sharded", "rank0")]
        assert ends[0] == ends[1], ranks


def test_a_write_that_is_not_collective_is_a_warning(folder):
    config = write_config(folder)
    done = run("train", config, "--out", folder / "run", *sets(*PARALLEL), ranks=2, env={**os.environ, "HDF5_MPI_OPT_TYPES": "0"})
    warnings = [line for line in done.stderr.splitlines() if "was not written collectively: " in line]
    assert len(warnings) == 1 and "HDF5_MPI_OPT_TYPES in the environment forbids it" in warnings[0], done.stderr
    run("evaluate", newest(folder / "run"))


def test_what_does_not_go_together_is_refused(folder):
    config = write_config(folder)
    for extra, words in ((["checkpoint.async=true"], ("'async'", "mode = \"parallel\"")),
                         (['checkpoint.compression="gzip"'], ("'compression'", "mode = \"parallel\""))):
        done = run("train", config, "--out", folder / "run", *sets(*PARALLEL, *extra), expect=2)
        assert len(errors(done)) == 1 and all(word in errors(done)[0] for word in words), done.stderr


def test_a_directory_that_goes_away(folder):
    config = write_config(folder)
    for ranks, extra in ((2, []), (4, VARIANTS["sharded"])):
        job = Endless(config, folder / f"warn{ranks}", 'checkpoint.on_error="warn"', *PARALLEL, *extra, ranks=ranks)
        file = block(job, folder / f"kept{ranks}")
        job.wait_for("checkpoint_failed", 2)
        run("evaluate", max(path for path in folder.glob(f"kept{ranks}-*/step-*.h5")))
        file.unlink()
        check_went_on(job, "")
        job = Endless(config, folder / f"stop{ranks}", *PARALLEL, *extra, ranks=ranks)
        block(job, folder / f"stop_kept{ranks}")
        code, said = job.end()
        assert code == 1 and said.count("backflow: error: ") == 1, (code, said)
        run("evaluate", max(path for path in folder.glob(f"stop_kept{ranks}-*/step-*.h5")))


def rank_process(job, rank):
    """The process of this rank."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(job.out).encode() in (path / "cmdline").read_bytes() and \
                    f"OMPI_COMM_WORLD_RANK={rank}".encode() in (path / "environ").read_bytes().split(b"\0"):
                return int(path.name)
        except OSError:
            continue
    raise AssertionError(f"no rank {rank}")


def test_a_file_that_may_not_grow_on_one_rank(folder):
    config = write_config(folder, model='name = "mlp"\nhidden = [1000, 500]')
    for rank in (0, 1):
        job = Endless(config, folder / f"warn{rank}", 'checkpoint.on_error="warn"', *PARALLEL, ranks=2)
        pid = rank_process(job, rank)
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 20, most))
        job.wait_for("checkpoint_failed", 2)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        check_went_on(job, "cannot write")
        job = Endless(config, folder / f"stop{rank}", *PARALLEL, ranks=2)
        resource.prlimit(rank_process(job, rank), resource.RLIMIT_FSIZE, (1 << 20, most))
        check_stopped(job, "cannot write")


def test_a_full_disk(folder):
    config = write_config(folder, model='name = "mlp"\nhidden = [1000, 500]')
    place = mounted(folder, "size=64m")
    if place is None:
        return
    try:
        filler = place / "filler"
        job = Endless(config, place / "warn", 'checkpoint.on_error="warn"', "checkpoint.keep_last=1", *PARALLEL, ranks=4)
        fill(filler, job, lambda: len(job.lines("checkpoint_failed")) >= 2)
        assert job.process.poll() is None, job.said.read_text()
        filler.unlink()
        check_went_on(job, "No space left on device", are_lines_lost=True)
        job = Endless(config, place / "stop", "checkpoint.keep_last=1", *PARALLEL, *VARIANTS["sharded"], ranks=4)
        fill(filler, job, lambda: False)
        check_stopped(job, "No space left on device")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


if __name__ == "__main__":
    main(globals())

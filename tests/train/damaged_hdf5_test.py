"""Damaged HDF5 files of other programs: what crashes or hangs HDF5 itself is an error that names the file.

usage: damaged_hdf5_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import signal
import struct
import subprocess
import time

import h5py
import numpy as np

from program import BACKFLOW, errors, main, run

CRASH = "the file is damaged in a way that makes HDF5 crash: need an intact copy"
HANG = "the file is damaged in a way that makes HDF5 hang: need an intact copy"


def write(path, write_more=lambda file: None):
    with h5py.File(path, "w") as file:
        file["parameters/w"] = np.arange(6, dtype="f4")
        file.attrs["config"] = "name = 'x'\n" * 20
        write_more(file)
    return path


def damage_heap(path, offset, value):
    """Text of variable length lies in the global heap. HDF5 1.10 trusts the sizes in it."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, content.find(b"GCOL") + offset, value)
    path.write_bytes(content)
    return path


def crashing(path):
    return damage_heap(write(path), 24, 2**64 - 1)  # the size of its first object


def hanging(path):
    return damage_heap(write(path), 24, 2**64 - 16)  # from which HDF5 finds that the next object is this one again


def test_whole_files_are_read(folder):
    assert "w" in run("inspect", write(folder / "a.h5")).stdout


def test_a_file_that_crashes_hdf5_is_an_error_of_every_command(folder):
    path = crashing(folder / "a.h5")
    for command in (("inspect", path), ("convert", path, folder / "b.npz"), ("evaluate", path)):
        assert errors(run(*command, expect=1)) == [f"backflow: error: {path}: {CRASH}"], command
    assert not (folder / "b.npz").exists()


def test_a_file_that_hangs_hdf5_is_an_error(folder):
    path = hanging(folder / "a.h5")
    assert errors(run("inspect", path, expect=1)) == [f"backflow: error: {path}: {HANG}"]


def test_a_file_that_fills_memory_is_an_error(folder):
    def bomb(file):
        file["parameters"].create_dataset("0", (25 << 20,), "f4", chunks=(1 << 20,), compression="gzip")[:] = 0
        for i in range(1, 100):
            file[f"parameters/{i}"] = file["parameters/0"]

    path = write(folder / "a.h5", bomb)
    said, = errors(run("inspect", path, expect=1))
    assert said.startswith(f"backflow: error: {path}: damaged, or made to fill memory: reading it takes more than "), said


def children_of(process):
    return [int(pid) for pid in open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()]


def test_a_signal_ends_the_program_and_its_child_while_hdf5_hangs(folder):
    path = hanging(folder / "a.h5")
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen([BACKFLOW, "inspect", str(path)])
        while not (children := children_of(process)):
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(timeout=100) == -number
        while any(os.path.exists(f"/proc/{child}") for child in children):
            time.sleep(0.01)


def test_a_signal_ends_training_at_once_while_hdf5_hangs(folder):
    path = hanging(folder / "a.h5")
    config = folder / "a.toml"
    config.write_text('name = "x"\ndata.format = "synthetic"\nmodel = {name = "mlp", hidden = [4]}\noptimizer.lr = 0.1\n')
    process = subprocess.Popen([BACKFLOW, "train", str(config), "--init", str(path), "--out", str(folder / "run")],
                               stderr=subprocess.PIPE, text=True)
    while not any(is_guard(child) for child in children_of(process)):
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 1
    assert f"{path}: stopped by a signal while it was read" in said, said


def is_guard(process):
    try:
        return b"--read-hdf5-in-a-child" in open(f"/proc/{process}/cmdline", "rb").read()
    except OSError:
        return False


if __name__ == "__main__":
    main(globals())

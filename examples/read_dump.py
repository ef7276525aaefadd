#!/usr/bin/python3
"""read_dump.py FILE: what a dump holds, read without Backflow. docs/file_format.md describes the format."""
import sys
import zlib

import h5py
import numpy as np


def check_digest(path):
    data = np.fromfile(path, "u1").tobytes()
    lines = dict(line.split() for line in data[16:112].split(b"\0")[0].splitlines())
    if data.startswith(b"BACKFLOW-DUMP 1\n"):  # one CRC-32 of all that follows
        return int(lines[b"bytes"]) == len(data) and int(lines[b"crc32"], 16) == zlib.crc32(data[512:])
    if not data.startswith(b"BACKFLOW-DUMP 3\n"):
        raise ValueError(f"{path}: no dump, or of a newer format")
    block, chunk = int(lines[b"block"]), int(lines[b"chunk"])
    sums = [zlib.crc32(data[at:at + chunk]) for at in range(block, len(data), chunk)]
    own = zlib.crc32(data[:103] + b"00000000" + data[111:block])
    table = np.frombuffer(data, "<u4", len(sums), offset=128).tolist()
    return int(lines[b"file"]) == len(data) and int(lines[b"crc32"], 16) == own and table == sums


def read_dump(path):
    """Arrays by group and name, as "parameters/0.weight", and the attributes: step, epoch, config ..."""
    if not check_digest(path):
        raise ValueError(f"{path}: damaged: does not match its digest")
    with h5py.File(path, "r") as file:
        values = dict(file.attrs)
        values |= {x.attrs["key"].decode(): x[()] for x in file.get("texts", {}).values() if not x.attrs["group"]}  # long ones
        datasets = {f"{group}/{name}": x for group in file if group not in ("texts", "versions", "metadata")
                    for name, x in file[group].items()}
        tensors = {name: x[()] if "dtype" not in x.attrs else (np.uint32(x[()]) << 16).view("f4")  # bfloat16
                   for name, x in datasets.items()}
    return tensors, {name: x.decode() if isinstance(x, bytes) else x for name, x in values.items()}


if __name__ == "__main__":
    for key, value in read_dump(sys.argv[1])[0].items():
        print(f"{key:40} {value.dtype!s:8} {value.shape}")

#!/usr/bin/python3
"""Reads a dump of Backflow without Backflow, by h5py and NumPy. docs/file_format.md describes the format.

    python3 read_dump.py step-000003752.h5        prints the names and shapes of its tensors
"""
import struct
import sys
import zlib

import h5py
import numpy as np


def check_digest(path):
    with open(path, "rb") as file:
        block = file.read(128)
        lines = dict(line.split() for line in block[16:112].split(b"\0")[0].decode("ascii", "replace").splitlines()[:4])
        if block.startswith(b"BACKFLOW-DUMP 1\n"):  # one CRC-32 for all that follows
            file.seek(512)
            intact = zlib.crc32(file.read()) == int(lines["crc32"], 16)
            return intact and file.tell() == int(lines["bytes"])
        if not block.startswith(b"BACKFLOW-DUMP 3\n"):
            raise ValueError(f"{path}: no dump, or of a newer format")
        length, chunk = int(lines["block"]), int(lines["chunk"])
        block += file.read(length - len(block))
        chunks = list(iter(lambda: file.read(chunk), b""))
        table = struct.unpack_from(f"<{len(chunks)}I", block, 128)
        own = zlib.crc32(block[:103] + b"00000000" + block[111:])
        return own == int(lines["crc32"], 16) and file.tell() == int(lines["file"]) and table == tuple(map(zlib.crc32, chunks))


def read_dump(path):
    """The tensors as NumPy's arrays, by group and name, and the attributes: step, epoch, config ..."""
    if not check_digest(path):
        raise ValueError(f"{path}: damaged: does not match its digest")
    tensors, text = {}, lambda value: value.decode() if isinstance(value, bytes) else value
    with h5py.File(path, "r") as file:
        attributes = {key: text(value) for key, value in file.attrs.items()}
        for dataset in file.get("texts", {}).values():  # what is too long for an attribute
            if text(dataset.attrs["group"]) == "":
                attributes[text(dataset.attrs["key"])] = text(dataset[()])
        for group in ("parameters", "buffers", "optimizer", "trained", "loop"):
            for name, dataset in file.get(group, {}).items():
                value = dataset[()]
                if text(dataset.attrs.get("dtype", "")) == "bfloat16":  # the upper half of a float32
                    value = (np.asarray(value).astype(np.uint32) << 16).view(np.float32)
                tensors[f"{group}/{name}"] = value
    return tensors, attributes


if __name__ == "__main__":
    read_tensors, read_attributes = read_dump(sys.argv[1])
    print(f"step {read_attributes['step']}, epoch {read_attributes['epoch']}")
    for tensor_name, array in read_tensors.items():
        print(f"{tensor_name:40} {np.asarray(array).dtype!s:8} {np.shape(array)}")

#!/usr/bin/python3
"""Dumps of every format version, and examples/read_dump.py, which reads them without Backflow.

The files in tests/io/data were written by the program of their time: version_1.h5, version_2.h5 (which has averaged
weights), and version_3.h5 with the same tensors. Needs python3-h5py and the program io_dump_tool (tests/io/tools/dump_tool.cpp).
"""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import h5py
import numpy as np

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
TOOL = pathlib.Path(os.environ["BACKFLOW_BIN"]) / "io_dump_tool"
sys.path.insert(0, str(SOURCE / "examples"))
from read_dump import check_digest, read_dump  # noqa: E402

DATA = [SOURCE / f"tests/io/data/version_{version}.h5" for version in (1, 2, 3)]
BLOCK, CHUNK, CRC, TABLE = 49, 76, 103, 128  # where the user block has its numbers


def run(*words):
    done = subprocess.run([str(word) for word in (TOOL, *words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    return done.returncode, done.stdout


def seal(data):
    """A file of format 3 with a digest that fits again, as only a person could make it."""
    block, chunk = int(data[BLOCK:BLOCK + 20]), int(data[CHUNK:CHUNK + 20])
    chunks = [data[i:i + chunk] for i in range(block, len(data), chunk)]
    head = bytearray(data[:block])
    head[TABLE:] = struct.pack(f"<{len(chunks)}I", *map(zlib.crc32, chunks)).ljust(block - TABLE, b"\0")
    head[CRC:CRC + 8] = b"00000000"
    head[CRC:CRC + 8] = b"%08x" % zlib.crc32(head)
    return bytes(head) + data[block:]


def tensors_of(text):
    """What io_dump_tool has read, as hexadecimal bytes by group and name."""
    rows = [line.split("|") for line in text.splitlines() if "|" in line]
    return {f"{row[0]}/{row[1]}": row[4] for row in rows}


class FileFormatTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "a.h5"

    def refusal(self, data):
        self.path.write_bytes(data)
        code, text = run("read", self.path)
        self.assertEqual(code, 1, text)
        return text.removeprefix(f"{self.path}: ").rstrip()

    def test_every_version_is_read(self):
        for version, path in enumerate(DATA, 1):
            with self.subTest(version=version):
                code, text = run("read", path)
                self.assertEqual(code, 0, text)
                self.assertIn("step 5 epoch 1 config name = \"old\"", text)
                expected, attributes = read_dump(path)
                self.assertEqual(attributes["format_version"], version)
                ours = tensors_of(text)
                self.assertEqual(len(ours), 9)
                for name, value in ours.items():
                    self.assertEqual(value, np.asarray(expected[name]).tobytes().hex(), name)
                self.assertEqual("trained/0.weight" in expected, version > 1)
                self.assertIn(f"format {version}, step 5, epoch 1", run("inspect", path)[1])

    def test_versions_differ_in_format_alone(self):
        one, two, three = (read_dump(path)[0] for path in DATA)
        for name in ("0.weight", "1.bias", "4.bias"):  # version 2 was trained like version 1, and averages lie in /parameters
            self.assertEqual(one[f"parameters/{name}"].tobytes(), two[f"trained/{name}"].tobytes(), name)
        self.assertEqual({name: np.asarray(x).tobytes() for name, x in two.items()},
                         {name: np.asarray(x).tobytes() for name, x in three.items()})
        self.assertEqual(run("diff", DATA[1], DATA[2]), (0, ""))

    def test_a_newer_version_is_refused_by_name(self):
        data = DATA[2].read_bytes()
        newer = data.replace(b"DUMP 3\n", b"DUMP 4\n")
        self.assertIn("damaged", self.refusal(newer))
        message = "format version 4: need at most 3; a newer Backflow wrote this file"
        self.assertEqual(self.refusal(seal(newer)), message)
        self.assertEqual(self.refusal(b"BACKFLOW-DUMP 4\nof another layout\n" + bytes(1000)), message)
        shutil.copy(DATA[0], self.path)
        with h5py.File(self.path, "r+") as file:
            file.attrs["format_version"] = 4
        plain = bytes(512) + self.path.read_bytes()[512:]
        self.assertEqual(self.refusal(plain), message)

    def test_the_example_reads_what_we_write(self):
        self.assertEqual(run("write", self.path), (0, ""))
        tensors, attributes = read_dump(self.path)
        self.assertEqual((attributes["step"], attributes["epoch"]), (938, 2))
        self.assertEqual(attributes["config"], 'name = "é"\n' + "#" * 200000)
        self.assertEqual(tensors["parameters/10.weight"].tolist(), [[1, -2, 3.5], [0, np.inf, -0.0]])
        self.assertEqual(tensors["buffers/short"].tolist(), [1.5, -2, np.inf])
        self.assertLess(len((SOURCE / "examples/read_dump.py").read_text().splitlines()), 41)

    def test_the_example_sees_damage(self):
        data = DATA[2].read_bytes()
        self.assertEqual(seal(data), data)
        for position in (20, 60, 110, 130, 400, 600, len(data) - 1):
            self.path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1:])
            try:
                self.assertFalse(check_digest(self.path), position)
            except (ValueError, KeyError):
                pass
        for damaged in (data[:-1], data + b"x"):
            self.path.write_bytes(damaged)
            self.assertFalse(check_digest(self.path))

    def test_tensors_on_top_of_each_other_are_refused(self):
        with h5py.File(DATA[2], "r") as file:
            block = file.userblock_size
            places = [file["parameters"][name].id.get_offset() for name in ("1.weight", "1.bias")]
        data = DATA[2].read_bytes()
        inside = [struct.pack("<Q", place - (block if data.count(struct.pack("<Q", place)) == 0 else 0)) for place in places]
        self.assertEqual([data.count(place) for place in inside], [1, 1])
        self.assertIn("lies on top of another tensor", self.refusal(seal(data.replace(inside[1], inside[0]))))
        outside = struct.pack("<Q", 1 << 60)
        self.assertIn("/parameters/1.bias", self.refusal(seal(data.replace(inside[1], outside))))

    def test_compression(self):
        self.assertEqual(run("write_packed", self.path), (0, ""))
        with h5py.File(self.path, "r") as file:
            packed = file["parameters/packed"]
            self.assertEqual((packed.compression, packed.shuffle, packed.chunks), ("gzip", True, (16, 64)))
            self.assertEqual(packed[()].tolist(), (np.arange(200 * 64) % 7).reshape(200, 64).tolist())
            self.assertEqual(packed.attrs["checksum"], zlib.crc32(packed[()].tobytes()))
            self.assertIsNone(file["parameters/small"].compression)
            self.assertEqual(file["optimizer/state"].dtype, np.float32)
        self.assertTrue(check_digest(self.path))
        self.assertLess(self.path.stat().st_size, 20000)
        text = run("read", self.path)[1]
        self.assertEqual(tensors_of(text)["parameters/packed"],
                         (np.arange(200 * 64) % 7).astype(np.float32).tobytes().hex())

    def test_float16(self):
        self.assertEqual(run("write_half", self.path), (0, ""))
        values = np.array([1, 65504, 5.9604645e-08, -0.0, np.inf, 1 / 3], np.float32)
        with h5py.File(self.path, "r") as file:
            self.assertEqual(file["parameters/w"].dtype, np.float16)
            self.assertEqual(file["parameters/w"][()].tobytes(), values.astype(np.float16).tobytes())
        text = run("read", self.path)[1]
        self.assertEqual(tensors_of(text)["parameters/w"], values.astype(np.float16).astype(np.float32).tobytes().hex())
        self.assertIn("float16", run("inspect", self.path)[1])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Dumps between Backflow and the rest of the world: h5py reads ours, h5dump and h5ls too, and we read h5py's.

Needs python3-h5py and hdf5-tools, and the program io_dump_tool in $BACKFLOW_BIN (tests/io/tools/dump_tool.cpp).
"""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

import h5py
import numpy as np

TOOL = pathlib.Path(os.environ["BACKFLOW_BIN"]) / "io_dump_tool"


def run(*words):
    """The exit code and the text of a program."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


class DumpTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "a.h5"

    def write_ours(self):
        code, text = run(TOOL, "write", self.path)
        self.assertEqual(code, 0, text)

    def read(self):
        """What we read: a tuple for each tensor."""
        code, text = run(TOOL, "read", self.path)
        self.assertEqual(code, 0, text)
        return [tuple(line.split("|")) for line in text.splitlines() if "|" in line]

    def refusal(self, write=None):
        """Our message for a file that `write` makes, without its path."""
        if write is not None:
            with h5py.File(self.path, "w") as file:
                write(file)
        code, text = run(TOOL, "read", self.path)
        self.assertEqual(code, 1, text)
        self.assertTrue(text.startswith(f"{self.path}: "), text)
        return text.removeprefix(f"{self.path}: ").rstrip()

    def test_h5py_reads_ours(self):
        self.write_ours()
        with h5py.File(self.path, "r") as file:
            self.assertEqual(file.userblock_size, 4096)  # so that large data start at pages
            self.assertEqual(dict(file["versions"].attrs), {"backflow": b"0.1.0", "onednn": b"2.6.3"})
            self.assertEqual((file.attrs["format_version"], file.attrs["step"], file.attrs["epoch"]), (3, 938, 2))
            self.assertEqual(file["texts/config"].asstr()[()], 'name = "é"\n' + "#" * 200000)
            self.assertEqual(dict(file["texts/config"].attrs), {"group": b"", "key": b"config"})
            self.assertEqual(list(file["parameters"]), ["10.weight", "2.weight", "é.bias"])
            expected = np.array([[1, -2, 3.5], [0, np.inf, -0.0]], np.float32)
            weight = file["/parameters/10.weight"]
            self.assertEqual((weight.dtype, weight.shape), (np.float32, (2, 3)))
            self.assertEqual(weight[()].tobytes(), expected.tobytes())
            self.assertEqual(file["/parameters/2.weight"][()], 1e-300)
            self.assertEqual(file["/parameters/2.weight"].shape, ())
            self.assertEqual(file["/parameters/é.bias"].shape, (0, 4))
            self.assertEqual(file["/buffers/count"][()].tolist(), [-(2**63)])
            self.assertEqual(file["/buffers/mask"].dtype, np.uint8)
            self.assertEqual(file["/buffers/truth"].dtype, np.bool_)
            self.assertEqual(file["/buffers/truth"][()].tolist(), [[True, False], [False, True]])
            self.assertEqual(file["/buffers/int"].dtype, np.int32)
            self.assertEqual(file["/buffers/int"][()].tolist(), [-1, 2**31 - 1])
            short = file["/buffers/short"]
            self.assertEqual((short.dtype, short.attrs["dtype"]), (np.uint16, b"bfloat16"))
            self.assertEqual((short[()].astype(np.uint32) << 16).view(np.float32).tolist(), [1.5, -2, np.inf])
            for group in ("parameters", "buffers"):
                for dataset in file[group].values():
                    self.assertEqual(dataset.attrs["checksum_kind"], b"crc32")
                    self.assertEqual(dataset.attrs["checksum"], zlib.crc32(dataset[()].tobytes()))

    def test_no_time_is_written_so_that_equal_dumps_are_equal_files(self):
        # "Object Modification Time" of the format: type 0x12, 8 bytes, flags, and version 1 before the seconds.
        time = re.compile(rb"\x12\x00\x08\x00.\x00\x00\x00\x01\x00\x00\x00", re.DOTALL)
        self.write_ours()
        self.assertIsNone(time.search(self.path.read_bytes()))
        with h5py.File(self.path, "w") as file:
            file.create_dataset("x", data=[1], track_times=True)
        self.assertIsNotNone(time.search(self.path.read_bytes()))

    def test_the_digest_is_what_its_text_says(self):
        self.write_ours()
        data = self.path.read_bytes()
        head = (f"BACKFLOW-DUMP 3\nfile  {len(data):020d}\nblock {4096:020d}\nchunk {4 << 20:020d}\ncrc32 00000000\n").encode()
        block = head.ljust(128, b"\0") + struct.pack("<I", zlib.crc32(data[4096:]))
        block = block.ljust(4096, b"\0")
        self.assertEqual(data[:4096], block.replace(b"crc32 00000000", b"crc32 %08x" % zlib.crc32(block)))

    def test_no_text_lies_in_the_heap_of_variable_length(self):
        self.write_ours()
        self.assertNotIn(b"GCOL", self.path.read_bytes())

    def test_hdf5_tools_read_ours(self):
        self.write_ours()
        for tool in ("h5dump", "h5ls", "h5stat"):
            if shutil.which(tool) is None:
                self.skipTest(f"no {tool}")
        code, text = run("h5dump", "-d", "/parameters/10.weight", self.path)
        self.assertEqual(code, 0, text)
        self.assertIn("(0,0): 1, -2, 3.5", text)
        self.assertIn("H5T_IEEE_F32LE", text)
        code, text = run("h5ls", "-r", self.path)
        self.assertEqual(code, 0, text)
        self.assertIn("/parameters/2.weight", text)
        code, text = run("h5stat", self.path)
        self.assertEqual(code, 0, text)

    def test_we_read_h5py(self):
        values = {
            "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
            "1.bias": np.array([1.5, -0.0]),
            "2.count": np.array(7, np.int64),
            "3.mask": np.zeros((0, 2), np.uint8),
            "4.big_endian": np.array([1, 2], ">f4"),
            "5.packed": np.arange(10000, dtype=np.int64),
            "6.truth": np.array([[True], [False]]),
            "7.int": np.array([-1, 2], np.int32),
        }
        for options in ({}, {"libver": "latest"}, {"userblock_size": 1024}, {"track_order": True}):
            with self.subTest(options=options):
                with h5py.File(self.path, "w", **options) as file:
                    for name, value in values.items():
                        chunks = {"compression": "gzip", "shuffle": True} if name == "5.packed" else {}
                        file.create_dataset("parameters/" + name, data=value, **chunks)
                    file["buffers/x"] = np.float32(1)
                    file.attrs["step"] = 12
                    file.attrs["config"] = "a = 1"
                rows = self.read()
                self.assertEqual([row[1] for row in rows], [*values, "x"])
                for row, value in zip(rows, values.values()):
                    little = value.astype(value.dtype.newbyteorder("<"))
                    self.assertEqual(row[2:], (value.dtype.name, str(list(value.shape)), little.tobytes().hex()))
                self.assertIn("step 12 epoch 0 config a = 1", run(TOOL, "read", self.path)[1])

    def test_we_read_bfloat16_of_h5py(self):
        bits = np.array([0x3FC0, 0xC000], np.uint16)  # 1.5 and -2
        for value in (bits, bits.astype(">u2")):
            with h5py.File(self.path, "w") as file:
                file["parameters/x"] = value
                file["parameters/x"].attrs["dtype"] = "bfloat16"
            self.assertEqual(self.read(), [("parameters", "x", "bfloat16", "[2]", "c03f00c0")])

    def test_a_truth_value_is_0_or_1(self):
        def write(file):
            truth = h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, basetype="i1")
            dataset = file.create_group("parameters").create_dataset("x", (2,), truth)
            dataset[:] = np.array([1, 7], np.int8)

        self.assertIn("'/parameters/x' has a truth value of", self.refusal(write))

    def test_text_of_any_kind(self):
        for text in ("héllo", np.bytes_(b"hello"), ""):
            with h5py.File(self.path, "w") as file:
                file.create_group("parameters")
                file.attrs["config"] = text
            shown = text.decode() if isinstance(text, bytes) else text
            self.assertIn(f"epoch 0 config {shown}\n", run(TOOL, "read", self.path)[1])

    def test_a_copy_by_h5py_is_equal(self):
        self.write_ours()
        other = self.path.with_name("b.h5")
        with h5py.File(self.path, "r") as file, h5py.File(other, "w", track_order=True) as copy:
            for group in ("parameters", "buffers"):
                file.copy(group, copy)
        self.assertEqual(run(TOOL, "diff", self.path, other), (0, ""))
        self.assertIn("digest none", run(TOOL, "inspect", other)[1])
        with h5py.File(other, "r+") as file:
            file["parameters/10.weight"][0, 1] = 5
        self.assertIn("WRONG", run(TOOL, "inspect", other)[1])
        self.assertIn("'/parameters/10.weight' does not match its checksum", run(TOOL, "read", other)[1])

    def test_a_file_changed_by_others_is_refused(self):
        self.write_ours()
        with h5py.File(self.path, "r+") as file:
            file["parameters/10.weight"][0, 0] = 2
        self.assertIn("damaged, or changed by another program", self.refusal())

    def test_what_a_dump_cannot_hold(self):
        def parameters(**datasets):
            def write(file):
                group = file.create_group("parameters")
                for name, options in datasets.items():
                    group.create_dataset(name, **options)

            return write

        def put(path, value):
            return lambda file: file.__setitem__(path, value)

        self.assertEqual(self.refusal(lambda file: None), "no group /parameters: need a dump of parameters")
        self.assertIn("'/parameters' is no group", self.refusal(put("parameters", 1)))
        self.assertIn("'/parameters/a' is no dataset", self.refusal(put("parameters/a/weight", np.float32(1))))
        for value in (np.int16(1), np.uint16(1), np.complex64(1), "text", np.array([(1, 2.0)], "i8,f4")):
            self.assertIn("has another dtype", self.refusal(put("parameters/x", value)))
        self.assertIn("has no data", self.refusal(parameters(x={"data": h5py.Empty("f4")})))
        self.assertIn("has 17 dimensions", self.refusal(put("parameters/x", np.zeros((1,) * 17, np.float32))))
        self.assertIn("and 0 bytes of data", self.refusal(parameters(x={"shape": (10**12,), "dtype": "f4"})))
        huge = {"shape": (10**12,), "dtype": "f4", "chunks": (100,)}
        self.assertIn("need a file that can hold them", self.refusal(parameters(x=huge)))
        overflow = {"shape": (2**62, 2**62), "dtype": "f4", "chunks": (100, 100)}
        self.assertIn("need fewer than 2^63 bytes", self.refusal(parameters(x=overflow)))

    def test_links_and_data_elsewhere(self):
        def links(file):
            file["y"] = np.float32(1)
            file["parameters/x"] = h5py.SoftLink("/y")

        self.assertIn("'/parameters/x' is a link", self.refusal(links))

        def external(file):
            file["parameters/x"] = h5py.ExternalLink("/etc/passwd", "/y")

        self.assertIn("'/parameters/x' is a link", self.refusal(external))

        def group(file):
            file["parameters"] = h5py.ExternalLink("other.h5", "/parameters")

        self.assertIn("is a link", self.refusal(group))

        def raw(file):
            outside = [("/etc/passwd", 0, 4)]
            file.create_group("parameters").create_dataset("x", (4,), "u1", external=outside)

        self.assertIn("has its data in another file", self.refusal(raw))

        def virtual(file):
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
            file.create_group("parameters").create_virtual_dataset("x", layout)

        self.assertIn("has its data in another file", self.refusal(virtual))

    def test_attributes_of_other_kinds(self):
        def attribute(name, value):
            def write(file):
                file.create_group("parameters")
                file.attrs[name] = value

            return write

        self.assertIn("format version 4: need at most 3", self.refusal(attribute("format_version", 4)))
        self.assertIn("'step' is no integer", self.refusal(attribute("step", "x")))
        self.assertIn("'step' is not a single value", self.refusal(attribute("step", [1, 2])))
        self.assertIn("'config' is no text", self.refusal(attribute("config", 1)))
        self.assertIn("'config' is not a single value", self.refusal(attribute("config", ["a", "b"])))

        def checksum(file):
            file["parameters/x"] = np.float32(1)
            file["parameters/x"].attrs["checksum"] = 5
            file["parameters/x"].attrs["checksum_kind"] = "sha256"

        self.assertIn("a checksum of kind 'sha256'", self.refusal(checksum))


if __name__ == "__main__":
    unittest.main()

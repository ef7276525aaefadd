"""HDF5: dumps of ours, with their digest and with one made anew; dumps and data sets of h5py."""
import functools
import io
import pathlib
import struct
import subprocess
import zlib

import h5py
import numpy as np

from mutate import general

OLD_DUMPS = pathlib.Path(__file__).resolve().parent.parent.parent / "tests/io/data"


def ours(folder, tool):
    path = folder / "ours.h5"
    for name, command in (("version 3", "write"), ("compressed", "write_packed"), ("float16", "write_half")):
        subprocess.run([tool.replace("io_read_tool", "io_dump_tool"), command, path], check=True)
        yield name, path.read_bytes()
    for version in (1, 2):
        yield f"version {version}", (OLD_DUMPS / f"version_{version}.h5").read_bytes()


def fill(group, **options):
    source = np.random.default_rng(1)
    for name, value in (("0.weight", source.standard_normal((12, 9)).astype("f4")), ("0.bias", np.arange(12.0)),
                        ("n", np.array(7)), ("flags", np.array([True, False])), ("bytes", np.arange(300, dtype="u1"))):
        group.create_dataset(name, data=value, **(options if value.ndim else {}))


def write_dump(file, **options):
    fill(file.create_group("parameters", track_order=True), **options)
    file.create_group("buffers")["1.running_mean"] = np.arange(6, dtype="f4")
    file.attrs["step"] = 5
    file.attrs["config"] = "name = 'é'\n" * 30
    file.attrs["train_data"] = np.bytes_(b"idx, 60000 samples")
    for i in range(12):
        file.require_group("metadata").attrs[f"key {i}"] = f"value {i}" * i


def h5py_dumps(folder):
    for name, driver, options in (("plain", {}, {}), ("gzip", {}, {"chunks": True, "compression": "gzip", "shuffle": True}),
                                  ("sums", {}, {"chunks": True, "fletcher32": True}), ("new", {"libver": "latest"}, {}),
                                  ("new chunks", {"libver": "latest"}, {"chunks": True, "compression": "gzip"}),
                                  ("block", {"userblock_size": 1024}, {})):
        path = folder / "h5py.h5"
        with h5py.File(path, "w", **driver) as file:
            write_dump(file, **options)
        yield name, path.read_bytes()


def h5py_samples(folder):
    x = (np.arange(40 * 30) % 251).reshape(40, 30)
    for name, driver, dtype, options in (
            ("contiguous", {}, "f4", {}), ("compact bytes", {}, "u1", {}), ("rows", {}, ">i2", {"chunks": (4, 30)}),
            ("gzip", {}, "f4", {"chunks": (4, 30), "compression": "gzip", "shuffle": True}),
            ("tiles", {}, "f8", {"chunks": (8, 7), "compression": "gzip", "fletcher32": True}),
            ("growing", {"libver": "latest"}, "f4", {"chunks": (4, 30), "maxshape": (None, None), "compression": "gzip"})):
        path = folder / "samples.h5"
        with h5py.File(path, "w", **driver) as file:
            file.create_dataset("x", data=x.astype(dtype), **options)
        yield name, path.read_bytes()


def bases(kind, folder, tool):
    if kind in ("ours", "digest"):
        return list(ours(folder, tool))
    return list(h5py_dumps(folder) if kind == "h5py" else h5py_samples(folder))


def is_old(content):
    return content.startswith(b"BACKFLOW-DUMP 1\n")  # of versions 1 and 2


def block_bytes(content):
    """The length of the user block of a dump of ours; see docs/file_format.md."""
    return 512 if is_old(content) else int(content[49:69])


@functools.lru_cache(maxsize=None)
def data_ranges(content):
    """(first byte, length, whether compressed) of the elements of each tensor of a dump of ours."""
    ranges = []

    def add(_, dataset):
        if not isinstance(dataset, h5py.Dataset) or "checksum" not in dataset.attrs or not dataset.nbytes:
            return
        if dataset.chunks:
            chunks = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
            ranges.extend((block_bytes(content) + chunk.byte_offset, chunk.size, True) for chunk in chunks)
        elif dataset.id.get_offset() is not None:
            ranges.append((dataset.id.get_offset(), dataset.nbytes, False))

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(add)
    return ranges


def damage_data(content, rng):
    """Damage of elements alone, which a tensor's own checksum finds. In compressed bytes some bits have no meaning."""
    first, length, compressed = rng.choice(data_ranges(content))
    what, part = general.mutate(content[first:first + length], rng, general.SAME_SIZE)
    return "elements: " + what, content[:first] + part + content[first + length:], "same" if compressed else "error"


def with_digest(content, block):
    """The dump with a digest made anew; `block` is a user block of its kind."""
    length = block_bytes(block)
    behind = content[length:]
    if is_old(block):
        head = b"BACKFLOW-DUMP 1\nbytes %020d\ncrc32 %08x\n" % (len(content), zlib.crc32(behind))
        return head.ljust(length, b"\0") + behind
    chunk = int(block[76:96])
    sums = [zlib.crc32(behind[at:at + chunk]) for at in range(0, len(behind), chunk)]
    text = bytearray(block[:128] + struct.pack(f"<{len(sums)}I", *sums)).ljust(length, b"\0")
    text[22:42] = b"%020d" % (length + len(behind))
    text[103:111] = b"00000000"
    text[103:111] = b"%08x" % zlib.crc32(text)
    return bytes(text) + behind


def structure(content):
    """Where the structure lies: HDF5 files of h5py begin and often end with it, and data are in the middle."""
    return min(len(content), 6000)


def craft(kind, content, rng, marker):
    """Damage of the structure alone, where general damage mostly hits data; for `digest` sometimes of elements alone."""
    del marker
    if kind == "digest" and rng.random() < 0.2:
        return damage_data(content, rng)
    start = block_bytes(content) if kind in ("ours", "digest") else 0
    end = min(len(content), start + structure(content))
    what, part = general.mutate(content[start:end], rng, general.SAME_SIZE)
    return "structure: " + what, content[:start] + part + content[end:], "same" if kind == "ours" else "any"


def with_new_digest(made, content):
    what, damaged, expected = made
    length = block_bytes(content)
    return what, with_digest(damaged.ljust(length + 1, b"\0"), content[:length]), expected

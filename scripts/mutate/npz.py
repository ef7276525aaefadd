"""Archives of NumPy: bombs, entries that lie or overlap, headers that lie, arrays of objects."""
import functools
import io
import struct
import zipfile
import zlib

import numpy as np


class Runs:
    """Pickled, it is a call of os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os
        return os.system, (self.command,)


def bases(kind, folder, tool):
    del kind, folder, tool
    arrays = {"a.weight": np.arange(200, dtype="f4").reshape(10, 20), "n": np.array(3), "flags": np.array([True, False])}
    files = []
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        target = io.BytesIO()
        save(target, **arrays)
        files.append((name, target.getvalue()))
    return files


def npy(header, data=b"", version=1):
    text = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def described(descr="'<f4'", order="False", shape="(3,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"


def archive(entries, method=zipfile.ZIP_STORED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in entries:
            made.writestr(name, content)
    return target.getvalue()


def header(content, rng, marker):
    """Sizes and types that the data do not have, behind checksums that are right."""
    del content, marker
    data = bytes(12)
    return archive([("x.npy", rng.choice([
        npy(described(shape="(4,)"), data), npy(described(shape="(2,)"), data), npy(described(shape=f"({2**62},)"), data),
        npy(described(shape=f"({2**33}, {2**33})"), data), npy(described(shape="(-3,)"), data), npy(described(shape="3"), data),
        npy(described(descr="'<f16'"), data), npy(described(descr="'|O'"), data), npy(described(descr="[('a', '<f4')]"), data),
        npy(described(descr="'<U4'"), data), npy(described(shape="(3,) * 10**9"), data), npy(described(order="5"), data),
        npy("{" * 60000, data), npy(b"\xff" * 100, data), npy(described(), data, version=9), npy(described(), data[:5]),
        npy(described() + " " * 70000, data, version=2)[:40], b"", b"\x93NUMPY", npy(described(shape="(" + "1," * 5000 + ")"), data),
    ]))])


def objects(content, rng, marker):
    del content, rng
    array = np.empty(1, object)
    array[0] = Runs(f"touch {marker}")
    target = io.BytesIO()
    np.savez(target, x=array)
    return target.getvalue()


def bomb(content, rng, marker):
    """Zeros: 300 MB in 1.3 MB of one entry, or in ten entries that share their bytes."""
    del content, marker
    return made_bomb(rng.random() < 0.5)


@functools.lru_cache
def made_bomb(shared):
    step = 3 << 20
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed, crc = [], zlib.crc32(b"")
    head = npy(described(descr="'|u1'", shape=f"({100 * step},)"))
    for part in [head] + [bytes(step)] * 100:
        packed.append(packer.compress(part))
        crc = zlib.crc32(part, crc)
    packed = b"".join(packed) + packer.flush()
    size = len(head) + 100 * step
    return raw_archive([("x%d.npy" % i, packed, crc, size) for i in range(10 if shared else 1)], shared)


def raw_archive(entries, shared):
    """Entries (name, deflated bytes, CRC, size); `shared` lets all point to the first one's bytes."""
    out, directory = bytearray(), bytearray()
    for number, (name, packed, crc, size) in enumerate(entries):
        at = 0 if shared else len(out)
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0)
        if not shared or number == 0:
            out += b"PK\3\4" + fields + name.encode() + packed
        directory += b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, at) + name.encode()
    end = struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, len(entries), len(entries), len(directory), len(out), 0)
    return bytes(out + directory) + end


def sizes(content, rng, marker):
    """A local header or the directory tells other sizes, offsets or counts."""
    del marker
    data = bytearray(content)
    magic = rng.choice([b"PK\3\4", b"PK\1\2", b"PK\5\6"])
    at = data.find(magic)
    offset, width = rng.choice({b"PK\3\4": [(18, 4), (22, 4), (26, 2), (8, 2), (14, 4)], b"PK\1\2": [(20, 4), (24, 4), (28, 2), (42, 4)],
                                b"PK\5\6": [(8, 2), (10, 2), (12, 4), (16, 4)]}[magic])
    data[at + offset:at + offset + width] = rng.choice([b"\xff" * width, b"\0" * width, rng.randbytes(width)])
    return bytes(data)


def twice(content, rng, marker):
    del content, rng, marker
    return raw_archive([("x.npy", packed, crc, size) for packed, crc, size in [deflated(npy(described(), bytes(12)))] * 2], False)


def deflated(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush(), zlib.crc32(content), len(content)


def lying(content, rng, marker):
    """More or less comes out of the compressed bytes than they declare; or another sum."""
    del content, marker
    packed, crc, size = deflated(npy(described(), bytes(12)))
    return raw_archive([("x.npy", packed, *rng.choice([(crc, size + 1), (crc, size - 1), (crc, 2**31), (crc ^ 1, size), (0, 0)]))], False)


CRAFTS = {header: "error", objects: "error", bomb: "error", sizes: "same", twice: "error", lying: "error"}


def craft(kind, content, rng, marker):
    del kind
    change = rng.choice(list(CRAFTS))
    return change.__name__, change(content, rng, marker), CRAFTS[change]

"""Data for wrong_cases.py: right ones of every format, and wrong ones."""
import gzip
import struct
import zlib

import h5py
import numpy

from program import write_data, write_idx


def png(width, height, pixels):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + bytes(pixels[y * width:(y + 1) * width]) for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_tables(folder):
    head = "a,b,y,word\n"
    row = "1,2,3,u\n"
    files = {
        "t.csv": head + "".join(f"{i / 7},{i % 3},{i / 9},w{i % 2}\n" for i in range(1, 31)),
        "empty.csv": "", "header.csv": head, "short.csv": head + row + "1,2,3\n", "word.csv": head + row + "1,x,3,u\n",
        "missing.csv": head + row + "1,,3,u\n" + row, "no_target.csv": head + row + "1,2,,u\n",
        "infinite.csv": head + row + "1,inf,3,u\n", "open_quote.csv": head + '1,"2,3,u\n', "two_names.csv": "a,a,y,word\n" + row,
        "no_name.csv": "a,,y,word\n" + row, "nul.csv": head + "1,\0,3,u\n", "other.csv": "a,c,y,word\n" + row,
        "text.txt": "some text of a few bytes. " * 4, "text.npz": "no archive"}
    for name, text in files.items():
        (folder / name).write_text(text)


def write_arrays(folder):
    x = numpy.arange(120, dtype="f4").reshape(40, 3) / 100
    y = x.sum(1)
    arrays = {"x": x, "y": y, "y7": y[:7], "x5": numpy.zeros((40, 5), "f4"), "complex": x.astype("c8"), "scalar": numpy.float32(3),
              "nan": numpy.where(numpy.arange(40) == 3, numpy.nan, y), "negative": numpy.where(numpy.arange(60) == 5, -1.0, 1.0)}
    for name, array in arrays.items():
        numpy.save(folder / f"{name}.npy", array)
    numpy.save(folder / "objects.npy", numpy.array([{}] * 40, dtype=object), allow_pickle=True)
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:-9])
    numpy.savez(folder / "d.npz", x=x, y=y)
    numpy.savez(folder / "no_x.npz", y=y)
    groups = {"d": {"x": x, "y": y}, "none_x": {"y": y}, "no_y": {"x": x}, "scalar": {"x": 3.0, "y": y},
              "text": {"x": numpy.array([b"a"] * 40), "y": y}, "lengths": {"x": x, "y": y[:7]}}
    for name, datasets in groups.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for key, value in datasets.items():
                file[key] = value


def write_pictures(folder):
    picture = png(9, 7, [i % 256 for i in range(63)])
    for name, contents in {"pictures": picture, "no_png": b"GIF89a of another kind", "cut_png": picture[:60], "flat": None,
                           "empty_class": picture}.items():
        for part in ("a", "b"):
            (folder / name / part if contents else folder / name).mkdir(parents=True, exist_ok=True)
            if contents and (name, part) != ("empty_class", "b"):
                (folder / name / part / "1.png").write_bytes(contents if part == "a" else picture)
    for name, label, size in (("cifar", 3, 3073), ("cut_cifar", 3, 3073 + 100), ("label_cifar", 77, 3073)):
        (folder / name).mkdir()
        record = (bytes([label]) + bytes(3072)) * 2
        for file in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
            right = (bytes([3]) + bytes(3072)) * 2
            (folder / name / f"{file}.bin").write_bytes(right if file == "test_batch" else record[:size])


def write_all(folder):
    """IDX files lie there under the names that [data] has by default: samples [60, 8, 8] of 3 classes."""
    write_data(folder)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    write_idx(folder / "nine", (20,), [9 if i == 7 else i % 3 for i in range(20)])
    write_idx(folder / "wide", (20, 9, 9), bytes(20 * 81))
    write_idx(folder / "cut", (60, 8, 8), bytes(100))
    (folder / "none.idx").write_bytes(b"\1\2\3\4 no IDX file")
    write_tables(folder)
    write_arrays(folder)
    write_pictures(folder)

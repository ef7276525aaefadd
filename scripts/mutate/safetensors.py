"""safetensors: headers that lie."""
import json
import struct

HUGE = [2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 10**30, -1, 1.5, "4", None, [], 1e300]


def whole(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def parts(content):
    length, = struct.unpack("<Q", content[:8])
    return json.loads(content[8:8 + length]), content[8 + length:]


def bases(kind, folder, tool):
    del kind, folder, tool
    files = []
    for names, dtype, shape, size in ((3, "F32", [5, 4], 4), (40, "BF16", [7], 2), (2, "I64", [2, 0, 3], 8), (1, "U8", [100000], 1)):
        elements = 1
        for n in shape:
            elements *= n
        header, data = {"__metadata__": {"format": "pt", "author": "é"}}, b""
        for i in range(names):
            start = len(data)
            data += bytes((7 * i + j) % 251 for j in range(elements * size))
            header[f"layer.{i}.weight"] = {"dtype": dtype, "shape": shape, "data_offsets": [start, len(data)]}
        files.append((f"{names} {dtype}", whole(header, data)))
    return files


def entry(header, rng):
    return header[rng.choice([name for name in header if name != "__metadata__"])]


def shape(header, data, rng):
    one = entry(header, rng)
    one["shape"] = rng.choice([[], [3], one["shape"] + [2], one["shape"] * 40, [rng.choice(HUGE)], [2**32, 2**32], [-1, -20],
                               {"0": 5}, [[5], 4]])
    return whole(header, data)


def offsets(header, data, rng):
    one = entry(header, rng)
    start, end = one["data_offsets"]
    one["data_offsets"] = rng.choice([[end, start], [start, end + 1], [start + 1, end + 1], [0, rng.choice(HUGE)], [start],
                                      [rng.choice(HUGE), end], [2**64 - 8, 2**64], [start, end, end], [-4, end], "0"])
    return whole(header, data)


def overlap(header, data, rng):
    names = [name for name in header if name != "__metadata__"]
    a, b = rng.choice(names), rng.choice(names)
    if a == b:
        header["other"] = dict(header[a])
    header[b]["data_offsets"] = header[a]["data_offsets"]
    return whole(header, data)


def many_overlaps(header, data, rng):
    one = entry(header, rng)
    return whole({f"n{i}": one for i in range(20000)}, data)


def dtype(header, data, rng):
    entry(header, rng)["dtype"] = rng.choice(["F128", "", "f32", 5, None, "F8_E5M2", "C64", "F64" * 1000])
    return whole(header, data)


def length(header, data, rng):
    text = json.dumps(header).encode()
    return whole(header, data, rng.choice([0, 1, len(text) - 1, len(text) + 1, 2**31, 2**63, 2**64 - 1, 100_000_000, 99_999_999]))


def repeated(header, data, rng):
    del rng
    text = json.dumps(header).encode()
    name = next(name for name in header if name != "__metadata__")
    again = b', ' + json.dumps(name).encode() + b': ' + json.dumps(header[name]).encode() + b'}'
    return whole(text[:-1] + again, data)


def json_text(header, data, rng):
    text = json.dumps(header).encode()
    return whole(rng.choice([b"[" * 100000, b"{" + b'"a":{' * 50000, text + b"}", text[:-1], text.replace(b":", b"=", 1), b"null",
                             b'{"__metadata__": {"a": 5}}', b"\xff\xfe{}", text.replace(b"layer", b"la\xffyer", 1), b"{}"]), data)


CRAFTS = [shape, shape, offsets, offsets, overlap, many_overlaps, dtype, length, repeated, json_text]


def craft(kind, content, rng, marker):
    del kind, marker
    header, data = parts(content)
    change = rng.choice(CRAFTS)
    made = change(header, data, rng)
    # An empty tensor's shape may hold anything beside its 0, and its range is that of any other.
    return change.__name__, made, "any" if change in (shape, offsets, overlap) or not data else "error"

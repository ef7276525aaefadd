"""Damage that knows nothing of the format."""

EXTREMES = [b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0" * 7 + b"\x80", b"\0" * 4 + b"\x01\0\0\0", b"\xff" * 4, b"\xff" * 3 + b"\x7f",
            b"\0\0\0\x80", b"\xff\xff", b"\0\0", b"\0" * 8]


def flip(data, rng):
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def flip_several(data, rng):
    for _ in range(rng.randrange(2, 20)):
        flip(data, rng)


def change_bytes(data, rng):
    for _ in range(rng.randrange(1, 20)):
        data[rng.randrange(len(data))] = rng.randrange(256)


def cut(data, rng):
    del data[rng.randrange(len(data)):]


def extend(data, rng):
    data += rng.choice([rng.randbytes(rng.randrange(1, 600)), bytes(rng.randrange(1, 600)), bytes(data[-600:])])


def extend_much(data, rng):
    data += bytes(1 << 20)


def piece(data, rng):
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice([1, 4, 8, 16, 64, 512, 4096]))


def swap(data, rng):
    a, b = sorted((piece(data, rng), piece(data, rng)))
    if a[1] <= b[0]:
        data[a[0]:b[1]] = data[b[0]:b[1]] + data[a[1]:b[0]] + data[a[0]:a[1]]


def copy_over(data, rng):
    start, end = piece(data, rng)
    to = rng.randrange(len(data) - (end - start) + 1)
    data[to:to + end - start] = data[start:end]


def remove(data, rng):
    start, end = piece(data, rng)
    del data[start:end]


def insert(data, rng):
    start, end = piece(data, rng)
    data[start:start] = rng.choice([data[start:end], rng.randbytes(end - start)])


def zeros(data, rng):
    start = rng.randrange(len(data))
    end = min(len(data), start + 512)
    data[start:end] = bytes(end - start)


def extreme(data, rng):
    """A number becomes huge, negative or 0, at a place where numbers lie."""
    value = rng.choice(EXTREMES)
    at = rng.randrange(max(1, len(data) - len(value))) // rng.choice([1, 2, 4, 8]) * rng.choice([1, 2, 4, 8])
    at = min(at, max(0, len(data) - len(value)))
    data[at:at + len(value)] = value


ALL = [flip, flip, flip_several, change_bytes, cut, extend, extend_much, swap, copy_over, remove, insert, zeros, extreme, extreme]
SAME_SIZE = [flip, flip, flip_several, change_bytes, swap, copy_over, zeros, extreme, extreme, extreme]


def mutate(content, rng, among=ALL):
    """(what was done, the damaged bytes)."""
    data = bytearray(content)
    names = []
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        if data:
            change = rng.choice(among)
            names.append(change.__name__)
            change(data, rng)
    return "+".join(names), bytes(data)

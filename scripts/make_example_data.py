#!/usr/bin/python3
"""scripts/make_example_data.py [--out DIR] [--rows N] [--pictures N]

Makes the data of configs/regression_csv.toml and configs/images_folder.toml, the same each time, in DIR (data):

  houses.csv                                          prices by a known law, with noise and missing cells
  shapes/{train,test}/{circle,square,triangle}/*.png  pictures of 24x24 to 48x48 pixels
"""
import argparse
import csv
import math
import pathlib
import random
import struct
import zlib

TOWNS = {"Abbott": 0.9, "Birch": 1.0, "Colby": 1.15, "Dale": 1.4}  # what a square metre costs there, relative to Birch


def house(source):
    """A row. Prices are in 100,000, so that they are near 1: targets are not normalized."""
    town = source.choice(list(TOWNS))
    area = round(source.uniform(30, 220), 1)
    rooms = max(1, round(area / 28 + source.gauss(0, 0.8)))
    age = source.randrange(0, 101)
    distance = round(source.expovariate(1 / 6), 2)  # from the middle of the town, in km
    price = TOWNS[town] * area * 0.03 * math.exp(-distance / 25) * (1 - 0.3 * math.sin(math.pi * age / 100))
    price += 0.12 * rooms + source.gauss(0, 0.08)
    return [area, rooms, "" if source.random() < 0.01 else age, distance, town, round(max(price, 0.1), 4)]


def write_houses(path, rows):
    source = random.Random(1)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["area", "rooms", "age", "distance", "town", "price"])
        writer.writerows(house(source) for _ in range(rows))


def circle(x, y):
    return x * x + y * y <= 1


def square(x, y):
    return max(abs(x), abs(y)) <= 0.85


def triangle(x, y):
    return -0.9 <= y <= 0.9 and abs(x) <= (y + 0.9) / 1.8


def picture(source, inside):
    """Rows of red, green and blue: a turned shape of one color on another, and noise."""
    size = source.randrange(24, 49)
    radius = size * source.uniform(0.22, 0.36)
    middle_x, middle_y = (size / 2 + source.uniform(-0.12, 0.12) * size for _ in range(2))
    turn = source.uniform(-0.5, 0.5)
    cosine, sine = math.cos(turn) / radius, math.sin(turn) / radius
    ground = [source.randrange(256) for _ in range(3)]
    color = [(c + source.randrange(80, 177)) % 256 for c in ground]
    noise = source.randbytes(size * size * 3)
    rows = []
    for y in range(size):
        row = bytearray()
        for x in range(size):
            dx, dy = x + 0.5 - middle_x, y + 0.5 - middle_y
            paint = color if inside(cosine * dx + sine * dy, cosine * dy - sine * dx) else ground
            at = 3 * (y * size + x)
            row += bytes(min(255, c + (n >> 4)) for c, n in zip(paint, noise[at:at + 3]))
        rows.append(bytes(row))
    return rows


def write_png(path, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def write_shapes(folder, pictures):
    source = random.Random(2)
    for part, each in (("train", pictures), ("test", max(1, pictures // 5))):
        for shape in (circle, square, triangle):
            place = folder / part / shape.__name__
            place.mkdir(parents=True, exist_ok=True)
            for number in range(each):
                write_png(place / f"{number:04}.png", picture(source, shape))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("data"), help="folder that it is written to")
    parser.add_argument("--rows", type=int, default=20_000, help="of houses.csv (20000)")
    parser.add_argument("--pictures", type=int, default=500, help="for each class, and a fifth of that for testing (500)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write_houses(options.out / "houses.csv", options.rows)
    write_shapes(options.out / "shapes", options.pictures)
    print(f"{options.out / 'houses.csv'}: {options.rows} rows")
    print(f"{options.out / 'shapes'}: {3 * options.pictures} pictures for training")


if __name__ == "__main__":
    main()

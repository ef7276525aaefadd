#!/usr/bin/env python3
"""Damages files of tensors in many ways and reads them: no crash, hang, run code, huge memory or changed value is accepted.

mutate_files.py [--count 3000] [--seed 1] [--tool FILE] [--kinds KIND,KIND] [--keep DIR] [--memory yes|no]

  --count N     files in all, shared out over the kinds
  --tool FILE   the reader, else build/release/bin/io_read_tool
  --kinds       of: ours digest h5py samples safetensors npz torch legacy; all unless given
  --keep DIR    files that were not read as they should be are copied there
  --memory no   does not judge memory: for builds with AddressSanitizer, which take more

Kinds: `ours` dumps of all versions with their digest; `digest` the same with a digest made anew behind the damage, as an attacker
does; `h5py` dumps and `samples` data sets that h5py wrote; `torch` and `legacy` the two formats of torch.save(). A mutation is
general (bits, cuts, pieces that are swapped) or made for its format (wrong shapes, huge sizes, overlaps, bombs, pickles that run
code). What is expected:

  error   the file must be refused
  same    refused, or read as the file that it was made from: the format has a checksum
  any     refused, or read in some way: the format has no checksum

Exit code 1 when any file fails; its kind, number and mutation are printed, and make it again with the same seed.
"""
import argparse
import collections
import pathlib
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time

from mutate import general, hdf5, npz, safetensors, torch_files

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARES = {"ours": 12, "digest": 15, "h5py": 16, "samples": 11, "safetensors": 12, "npz": 12, "torch": 14, "legacy": 8}
SUFFIXES = {"safetensors": ".safetensors", "npz": ".npz", "torch": ".pt", "legacy": ".pt"}
MODULES = {"ours": hdf5, "digest": hdf5, "h5py": hdf5, "samples": hdf5,
           "safetensors": safetensors, "npz": npz, "torch": torch_files, "legacy": torch_files}
# Of what is made for the format; the rest is general damage.
CRAFTED = {"ours": 0.3, "digest": 0.8, "h5py": 0.6, "samples": 0.6}
HAS_CHECKSUM = ("ours", "npz", "torch")
SECONDS = 120
# Beside the file's own size: what a process needs anyway, and what a compressed file may become (see docs/exchange.md).
MEMORY_KIB = 24 << 10
EXPANDED_KIB = 256 << 10


class Reader:
    """A reading process; started anew when a file brings it down."""

    def __init__(self, tool):
        self.tool = tool
        self.process = None

    def read(self, kind, path):
        """("read", hash, KiB), ("error", message, KiB), ("crash", code, 0) or ("hang", "", 0)."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen([self.tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(f"{'samples' if kind == 'samples' else 'tensors'} {path}\n".encode())
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        if not ready:
            self.close()
            return "hang", "", 0
        line = self.process.stdout.readline().decode(errors="replace").rstrip("\n")
        if not line:
            return "crash", f"exit code {self.process.wait()}", 0
        word, rest = line.split(" ", 1)
        if word == "read":
            value, kib, _ = rest.split(" ", 2)
            return word, value, int(kib)
        kib, message = rest.split(" ", 1)
        return word, message, int(kib)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def judge(kind, expected, original, outcome, size, path, with_memory):
    """What is wrong with the outcome; "" when nothing is."""
    word, value, kib = outcome
    if word in ("crash", "hang"):
        return f"{word} {value}".strip()
    if word == "error":
        if not value.startswith(str(path)):
            return f"an error that does not name the file: {value}"
    elif expected == "error" or (expected == "same" and value != original):
        return "accepted"
    room = MEMORY_KIB if kind in ("safetensors", "legacy", "ours") else EXPANDED_KIB
    if with_memory and kib > size * 1.5 / 1024 + room:
        return f"took {kib} KiB for {size} bytes"
    return ""


def run(kind, count, seed, reader, folder, options):
    """Reads `count` files of a kind; returns how many ended in which way, and what went wrong."""
    rng = random.Random(f"{seed} {kind}")
    module = MODULES[kind]
    bases = module.bases(kind, folder, options.tool)
    marker = folder / "executed"
    path = folder / ("mutated" + SUFFIXES.get(kind, ".h5"))
    originals = []
    for name, content in bases:
        path.write_bytes(content)
        word, value, _ = reader.read(kind, path)
        assert word == "read", f"{kind}, {name}: the file itself is not read: {value}"
        originals.append(value)
    ends, faults = collections.Counter(), []
    for number in range(count):
        base = number % len(bases)
        name, content = bases[base]
        made = None
        while made is None or made[1] == content:
            if rng.random() < CRAFTED.get(kind, 0.5):
                made = module.craft(kind, content, rng, marker)
            else:
                made = (*general.mutate(content, rng), "same" if kind in HAS_CHECKSUM else "any")
            if kind == "digest":
                made = hdf5.with_new_digest(made, content)
        what, damaged, expected = made
        path.write_bytes(damaged)
        outcome = reader.read(kind, path)
        wrong = judge(kind, expected, originals[base], outcome, len(damaged), path, options.memory == "yes")
        if marker.exists():
            wrong = "executed code"
            marker.unlink()
        guarded = [word for word in ("crash", "hang") if outcome[0] == "error" and f"makes HDF5 {word}" in outcome[1]]
        ends["refused in the child: " + guarded[0] if guarded else outcome[0]] += 1
        if wrong:
            faults.append(f"{kind} {number}, {name}, {what}: {wrong}")
            print("FAULT", faults[-1], flush=True)
            if options.keep:
                pathlib.Path(options.keep).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, pathlib.Path(options.keep) / f"{kind}-{number}{path.suffix}")
    return ends, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tool", default=str(ROOT / "build/release/bin/io_read_tool"))
    parser.add_argument("--kinds", default=",".join(SHARES))
    parser.add_argument("--keep", default="")
    parser.add_argument("--memory", choices=("yes", "no"), default="yes")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    whole = sum(SHARES[kind] for kind in kinds)
    reader = Reader(options.tool)
    faults, total = [], 0
    with tempfile.TemporaryDirectory(prefix="backflow-mutate-") as folder:
        for kind in kinds:
            started = time.monotonic()
            count = -(-options.count * SHARES[kind] // whole)
            ends, wrong = run(kind, count, options.seed, reader, pathlib.Path(folder), options)
            told = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()))
            print(f"{kind}: {count} files, {len(wrong)} faults; {told}; {time.monotonic() - started:.0f} s", flush=True)
            faults += wrong
            total += count
    reader.close()
    print(f"{total} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""What the tests of the `backflow` program share: running it, small data, the files of a run."""
import gzip
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
BACKFLOW = str(pathlib.Path(os.environ["BACKFLOW_BIN"]) / "backflow")
MPIRUN = ["mpirun", "--bind-to", "none", "--map-by", "slot:OVERSUBSCRIBE"]


def run_command(command, expect=0, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == expect, f"exit code {done.returncode}, want {expect}: {command}\n{done.stdout}{done.stderr}"
    return done


def run(*args, ranks=0, expect=0, **options):
    return run_command((MPIRUN + ["-n", str(ranks)] if ranks else []) + [BACKFLOW, *map(str, args)], expect, **options)


def run_each(*arguments, expect=0, **options):
    """One job whose rank i has the arguments that are i-th here."""
    command = list(MPIRUN)
    for rank, one in enumerate(arguments):
        command += ([":"] if rank else []) + ["-n", "1", BACKFLOW, *map(str, one)]
    return run_command(command, expect, **options)


def errors(done):
    """What the program said went wrong; mpirun has words of its own."""
    return [line for line in done.stderr.splitlines() if line.startswith("backflow: error: ")]


def without_warnings(text):
    """The lines of a job's output but those of a fault of mpirun 4.1: libevent warns at times, when it answers a rank that
    has ended the job and is gone.
    """
    return [line for line in text.splitlines() if not line.startswith("[warn] Epoll")]


def ranks_at(said, host):
    """The ranks that the line of a host names at the start. Those placed alike stand together, as "ranks 0-1: ", and those
    with cores of their own apart, as "rank 0: ...; rank 1: ".
    """
    line = next(line for line in said.splitlines() if line.startswith(f"{host}: "))
    ranks = []
    for part in ",".join(re.findall(r"ranks? ([\d,-]+): ", line)).split(","):
        first, _, last = part.partition("-")
        ranks += range(int(first), int(last or first) + 1)
    return ranks


def metrics(out, event):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def newest(out):
    return max((out / "checkpoints").glob("step-*.h5"))


def write_idx(path, sizes, data):
    path.write_bytes(bytes([0, 0, 8, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + bytes(data))


def write_data(folder, train=60, test=20, size=8, classes=3, seed=1):
    """Four small IDX files; samples are brighter where their class says so. Returns what --set needs to find them."""
    folder.mkdir(exist_ok=True)
    source = random.Random(seed)
    for name, n in (("train", train), ("t10k", test)):
        labels = [i % classes for i in range(n)]
        pixels = [min(255, source.randrange(150) + (100 if p % classes == label else 0))
                  for label in labels for p in range(size * size)]
        write_idx(folder / f"{name}-images-idx3-ubyte", (n, size, size), pixels)
        write_idx(folder / f"{name}-labels-idx1-ubyte", (n,), labels)
    return folder


def first_samples(folder, train=6000, test=1000):
    """A directory with the first samples of Fashion-MNIST, under the names of the whole: it is read in a tenth of the time."""
    whole, made = pathlib.Path("/usr/share/datasets/fashion-mnist"), pathlib.Path(folder) / "fashion-mnist"
    made.mkdir()
    for name, n in (("train", train), ("t10k", test)):
        for what, head, size in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            with gzip.open(whole / f"{name}-{what}-ubyte.gz") as file:
                content = file.read(head + n * size)
            assert len(content) == head + n * size
            with gzip.open(made / f"{name}-{what}-ubyte.gz", "wb", compresslevel=1) as file:
                file.write(content[:4] + n.to_bytes(4, "big") + content[8:])
    return made


def config_text(data, model="name = \"mlp\"\nhidden = [4]", optimizer="name = \"sgd\"\nlr = 0.05", rest=""):
    files = "\n".join(f'{key} = "{name}"' for key, name in {
        "train_images": "train-images-idx3-ubyte", "train_labels": "train-labels-idx1-ubyte",
        "test_images": "t10k-images-idx3-ubyte", "test_labels": "t10k-labels-idx1-ubyte"}.items())
    return (f'name = "small"\nseed = 1\n[data]\ndirectory = "{data}"\n{files}\n[model]\n{model}\n[optimizer]\n{optimizer}\n'
            f"[train]\nepochs = 2\nbatch_size = 10\n{rest}")


def png(pixels):
    """A PNG of uint8 [h, w] or [h, w, 3]."""
    height, width = pixels.shape[:2]
    raw = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def obey_signals():
    """Programs that are started in the background, as a CI job may be, ignore SIGINT and SIGQUIT, and so do their children.
    A test sends these, so its programs must not.
    """
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(one, signal.SIG_DFL)


def main(names):
    """Runs the tests of a script, test_NAME(folder): those of the command line, or all."""
    obey_signals()
    tests = {name[5:]: f for name, f in names.items() if name.startswith("test_")}
    for name in sys.argv[1:] or list(tests):
        with tempfile.TemporaryDirectory(prefix="backflow-program-") as folder:
            try:
                tests[name](pathlib.Path(folder))
            except Exception:
                print(f"FAILED {name}; reproduce: BACKFLOW_SOURCE={SOURCE} BACKFLOW_BIN={os.environ['BACKFLOW_BIN']} "
                      f"/usr/bin/python3 {sys.argv[0]} {name}", flush=True)
                raise
        print(f"ok {name}", flush=True)

#!/usr/bin/env python3
"""How much of the communication of a training step is hidden, on two hosts that a slow network joins.

scripts/bench_relay.py [--bin DIR] [--batch N] [--width X] [--steps N] [--delay US] [--rate MBIT]

Trains the network of configs/fashion_mnist_mlp.toml, X (8) times as wide, with a rank of one thread on each of two
network namespaces, N samples a step, over a relay with a delay and a rate; without compression and with bf16. Prints a
line of JSON for each, rows relay_mlp8: seconds a step, seconds that gradients were under way, the part of these in which
the rank computed, and the bytes that passed the network in a step. Needs root.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
from hosts import TwoHosts, enter_new_namespaces, set_up_network  # noqa: E402
from trace_file import read_steps  # noqa: E402

WARM_UP = 3  # steps before the trace begins


def run(hosts, arguments, out, compression, steps, options=()):
    """Trains so many steps; returns the bytes that passed the network, the mean of both directions."""
    width = 512 * arguments.width
    settings = [f"model.hidden=[{width}, {width}]", f"train.batch_size={arguments.batch}", f"train.max_steps={steps}",
                "train.epochs=1000", *([f"distributed.compression={compression}"] if compression != "none" else [])]
    command = [*hosts.mpirun(1), arguments.bin / "backflow", "train", ROOT / "configs/fashion_mnist_mlp.toml",
               "--out", out, "--threads", 1, "--quiet", *options]
    for setting in settings:
        command += ["--set", setting]
    before = hosts.bytes_from_a()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    sent, received = (after - b for after, b in zip(hosts.bytes_from_a(), before))
    return (sent + received) / 2


def train(hosts, arguments, out, compression):
    """Trains, and returns the steps of rank 0's trace and the bytes of a step. A run of one step tells what the start
    sends, as the parameters of rank 0."""
    steps = WARM_UP + arguments.steps
    start = run(hosts, arguments, out / "start", compression, 1)
    whole = run(hosts, arguments, out / "run", compression, steps, ("--trace", "--trace-steps", arguments.steps))
    return read_steps(out / "run/trace.json"), (whole - start) / (steps - 1)


def row(arguments, compression, steps, traffic):
    communication = [step.communication() for step in steps]
    hidden = [step.hidden() / max(step.communication(), 1e-9) for step in steps]
    return {"name": "relay_mlp8", "width": arguments.width, "batch_a_rank": arguments.batch // 2, "compression": compression,
            "delay_us": arguments.delay, "mbit": arguments.rate, "step_s": statistics.median(s.seconds for s in steps),
            "communication_s": statistics.median(communication), "hidden": statistics.median(hidden),
            "bytes_a_step": round(traffic)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--batch", type=int, default=16384)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4, help="that are traced, after three")
    parser.add_argument("--delay", type=float, default=1000)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--compression", nargs="*", default=["none", "bf16"])
    arguments = parser.parse_args()
    enter_new_namespaces("bench-relay")
    network = set_up_network("10.77.1.1")
    with tempfile.TemporaryDirectory(prefix="backflow-relay-") as folder:
        folder = pathlib.Path(folder)
        for compression in arguments.compression:
            with TwoHosts(folder, arguments.bin / "network_relay", arguments.delay, arguments.rate) as hosts:
                steps, traffic = train(hosts, arguments, folder / compression, compression)
            print(json.dumps(row(arguments, compression, steps, traffic)), flush=True)
    del network


if __name__ == "__main__":
    main()

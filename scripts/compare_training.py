#!/usr/bin/python3
"""scripts/compare_training.py [--build DIR] [--only NAME,NAME] [--threads N]

Trains the same networks with Backflow and with PyTorch, from the same weights on the same data, and compares the losses
of every step: in float64 to 1e-9 relative, in float32, where rounding errors grow from step to step, to 1e-4 over the
first ones.
Needs build/release/bin/bench_workloads, which it builds, and PyTorch. Exit code 1 when losses differ.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from bench import Failure, Side, find_pytorch, peer_environment

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = {"f64": 1e-9, "f32": 1e-4}
# Networks of bench/classifiers.h with the steps that are compared in each dtype.
NETWORKS = {
    "mlp": {"f64": 50, "f32": 10},
    "towers8": {"f64": 50, "f32": 10},
    "lenet": {"f64": 50, "f32": 10},
    "inception": {"f64": 2, "f32": 3},
    "resnet18_small": {"f64": 10, "f32": 5},
}


def worst(ours, theirs):
    """The largest relative difference, with its step; infinite for a NaN or when one side has fewer losses."""
    if len(ours) != len(theirs) or not ours:
        return float("inf"), 0
    differences = [abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0 for a, b in zip(ours, theirs)]
    return max((float("inf") if d != d else d, step) for step, d in enumerate(differences))


def compare(name, options, pytorch, environment):
    """Prints a line for each dtype; the number of those that differ."""
    failures = 0
    with tempfile.TemporaryDirectory(prefix="backflow-training-") as data:
        ours = Side([str(pathlib.Path(options.build) / "bin/bench_workloads")], name, options.threads, data)
        theirs = None
        try:
            ours.ask("losses 1 f32")  # once it answers, the initial values are in data
            script = str(ROOT / "bench/peers/torch_workloads.py")
            theirs = Side([*pytorch, script], name, options.threads, data, environment)
            for dtype, steps in NETWORKS[name].items():
                losses = [side.ask(f"losses {steps} {dtype}")["values"] for side in (ours, theirs)]
                difference, step = worst(*losses)
                equal = difference <= TOLERANCE[dtype]
                failures += not equal
                print(f"{'' if equal else 'FAILED: '}{name} {dtype}: {steps} steps, loss {losses[0][0]:.4f} to "
                      f"{losses[0][-1]:.4f}; largest relative difference {difference:.1e} at step {step}, need "
                      f"{TOLERANCE[dtype]:g}", flush=True)
        finally:
            ours.close()
            if theirs:
                theirs.close()
    return failures


def names(text):
    chosen = text.split(",")
    for name in chosen:
        if name not in NETWORKS:
            raise argparse.ArgumentTypeError(f"no network '{name}': there are {', '.join(NETWORKS)}")
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build/release")
    parser.add_argument("--only", type=names, default=list(NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    pytorch = find_pytorch()
    if pytorch is None:
        sys.exit("compare_training.py: error: no PyTorch: need Debian's python3-torch; see scripts/setup.sh --torch")
    made = subprocess.run(["cmake", "--build", options.build, "--target", "bench_workloads"], capture_output=True,
                          text=True, check=False)
    if made.returncode:
        sys.exit(f"compare_training.py: error: cannot build bench_workloads; scripts/test.sh builds all\n"
                 f"{made.stdout}{made.stderr}")
    environment, _ = peer_environment(pytorch)
    try:
        failures = sum(compare(name, options, pytorch, environment) for name in options.only)
    except Failure as failure:
        sys.exit(f"compare_training.py: error: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

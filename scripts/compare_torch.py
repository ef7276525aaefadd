#!/usr/bin/python3
"""scripts/compare_torch.py [--build DIR] [--only SUBSTRING]

Compares every operator sample (tests/samples/*.cpp) with PyTorch: tests/ops/tools/dump_samples.cpp writes what
Backflow computes, and the sample's `torch` expression is evaluated here on the same operands, with the same strides,
and the very same tensor where a sample passes one twice. Installs PyTorch with scripts/setup.sh --torch if it is
missing. Exit code 1 when anything differs, with one line for each difference that names the sample.
  --build   another build directory than build/release; builds the program samples_dump there
  --only    the samples whose title contains this

The rules. Ours is a, PyTorch's in the same dtype is b, PyTorch's in float64 from the same operands is c.
  shape, dtype, requires_grad   equal, of results and gradients
  float64            |a - b| <= 1e-12 max(1, |b|)
  float32            |a - b| <= 1e-5 max(1, |b|), or |a - c| <= |b - c|
  bfloat16           |a - b| <= one unit in the last of b's 8 bits, or |a - c| <= |b - c|
  integers, bool     a = b; a floating result of such operands is compared as its dtype is above
NaN is equal to NaN and to nothing else, an infinity to itself. A gradient that PyTorch leaves undefined is zero.
In float32 and float64 PyTorch must take every expression. In other dtypes an Error of ours is a failure where PyTorch
computes a result, unless REFUSED says why (EXPLAINED does for other differences); it is a note when an operand has no elements, because PyTorch then often
takes dtypes that it has no kernel for. A result of ours where PyTorch raises is a note, and so is another name of the
result's grad_fn.
"""
import argparse
import collections
import json
import math
import os
import pathlib
import shlex
import subprocess
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"  # the one with Debian's PyTorch
RETRIED = "BACKFLOW_COMPARE_TORCH_RETRIED"

# What we refuse and PyTorch takes: (operator, dtype of the operands) -> why.
NOTHING_CONTRACTED = "PyTorch takes bool only where nothing is contracted"
ROUNDED = "PyTorch cuts the averages of integers off; other dtypes of integers it refuses"
NOT_RANDOM = "the sample's expression draws nothing; PyTorch's operator refuses this dtype too"
ONLY_FLOATING = "what is trained, and its gradients, are floating-point numbers"
OF_FLOATING_POINT = "a loss or distance is of floating-point numbers; PyTorch's composition takes these for some reductions"
REFUSED = {
    **{(op, dtype): OF_FLOATING_POINT
       for op in ("cosine_embedding_loss", "hinge_embedding_loss", "l1_loss", "margin_ranking_loss", "pairwise_distance",
                  "poisson_nll_loss", "triplet_margin_loss") for dtype in ("uint8", "int32", "int64")},
    ("cosine_embedding_loss", "bool"): OF_FLOATING_POINT,
    ("einsum", "bool"): NOTHING_CONTRACTED,
    ("inner", "bool"): NOTHING_CONTRACTED,
    ("clamp", "bool"): "PyTorch takes bool only where the bounds are tensors",
    ("linspace", "bool"): "PyTorch takes bool only for at most one number",
    **{(op, dtype): NOT_RANDOM for op in ("rand", "randn", "rand_like", "randn_like")
       for dtype in ("bool", "uint8", "int32", "int64")},
    ("randperm", "bool"): NOT_RANDOM,
    **{(op, "int64"): ROUNDED for op in ("avg_pool1d", "avg_pool2d", "avg_pool3d")},
    **{(op, dtype): ONLY_FLOATING
       for op in ("philox_dropout", "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
                  "embedding_dense_backward", "rrelu_with_noise")
       for dtype in ("bool", "uint8", "int32", "int64")},
    **{(f"upsample_nearest{n}d", "uint8"): ONLY_FLOATING for n in (1, 2, 3)},
    **{(op, "int64"): ONLY_FLOATING
       for op in ("convolution", "convolution_weight_gradient", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
                  "conv_transpose2d", "conv_transpose3d")},
    **{(op, dtype): ONLY_FLOATING for op in ("convolution", "conv1d", "conv2d", "conv3d") for dtype in ("uint8", "int32")},
}

# Where we differ from PyTorch 1.13 on purpose: operator or sample -> why.
EXPLAINED = {
    "conv_transpose2d/2d depthwise": "PyTorch's bfloat16 has the result of a convolution that is not transposed",
    "bernoulli": "with a number p the result has a gradient of zeros, as PyTorch's bernoulli of a tensor",
    "clamp/tensor_broadcast": "PyTorch's gradient of clamp does not broadcast its bounds",
    "embedding_dense_backward/no_indices": "PyTorch's gradient cannot be reshaped without indices",
    "embedding_dense_backward/no_indices_padding": "PyTorch's gradient cannot be reshaped without indices",
    "hardsigmoid": "PyTorch's gradient has 1/6 in float32 even for float64",
    "masked_select/transposed": "PyTorch's gradient for a transposed operand is in the order of memory; ours agrees "
                                "with central differences",
    **{f"native_batch_norm_relu/{n}_channels_residual": "in bfloat16 the residual cancels leading bits of the "
                                                        "normalization, whose last bit is rounded differently"
       for n in (17, 40)},
    "pixel_shuffle/empty": "PyTorch's gradient without images has the shape of the result",
    "pixel_unshuffle/empty": "PyTorch's result without images has the shape of the input",
    "relu_backward": "a gradient is of floating-point numbers; PyTorch's threshold_backward takes integers",
    "scatter/smaller": "PyTorch has no gradient for a source larger than the index",
    "scatter_add/smaller": "PyTorch has no gradient for a source larger than the index",
    "take_along_dim/flat_transposed": "PyTorch's gradient cannot view a transposed operand",
}


def close(dtype, ours, theirs, exact):
    """Whether a number of this dtype agrees with PyTorch's; `exact` is PyTorch's in float64, or None."""
    if ours == theirs or (math.isnan(ours) and math.isnan(theirs)):
        return True
    if not (math.isfinite(ours) and math.isfinite(theirs)):
        return False
    if dtype == "float64":
        allowed = 1e-12 * max(1, abs(theirs))
    elif dtype == "float32":
        allowed = 1e-5 * max(1, abs(theirs))
    elif dtype == "bfloat16":
        allowed = math.ldexp(1, math.frexp(theirs)[1] - 8) if theirs else math.ldexp(1, -133)
    else:
        return False
    nearer = dtype != "float64" and exact is not None and abs(ours - exact) <= abs(theirs - exact)
    return nearer or abs(ours - theirs) <= allowed


def difference(ours, theirs, exact):
    """What is wrong with a result of ours, or None; results are objects with dtype, sizes and values."""
    for key in ("dtype", "sizes"):
        if ours[key] != theirs[key]:
            return f"{key} {ours[key]}, PyTorch {theirs[key]}"
    if exact is None or exact["sizes"] != theirs["sizes"]:
        exact = {"values": [None] * len(theirs["values"])}
    for i, (a, b, c) in enumerate(zip(ours["values"], theirs["values"], exact["values"])):
        if not close(ours["dtype"], a, b, c):
            return f"element {i} is {a!r}, PyTorch {b!r}" + ("" if c is None else f", in float64 {c!r}")
    return None


class Torch:
    """Evaluates samples with PyTorch."""

    def __init__(self, torch):
        self.torch = torch
        torch.set_num_threads(1)

    def tensor(self, x, dtype=None):
        """A tensor with the values, strides and offset of a dumped one."""
        torch = self.torch
        values = torch.tensor(x["values"], dtype=getattr(torch, x["dtype"])).to(dtype)
        count = 1 + sum((n - 1) * stride for n, stride in zip(x["sizes"], x["strides"])) if values.numel() else 0
        memory = torch.zeros(x["offset"] + count, dtype=values.dtype)
        places = torch.arange(len(memory)).as_strided(x["sizes"], x["strides"], x["offset"])
        memory[places.reshape(-1)] = values
        return memory.as_strided(x["sizes"], x["strides"], x["offset"])

    def operands(self, run, dtype):
        """The operands of a run; those of its dtype, which are numbers, in another one if given."""
        result = []
        for x, same_as in zip(run["operands"], run["same_as"]):
            if same_as >= 0:
                result.append(result[same_as])
                continue
            is_number = x["dtype"] == run["dtype"]
            result.append(self.tensor(x, dtype if is_number else None))
            if result[-1].is_floating_point():
                result[-1].requires_grad_()
        return result

    def evaluate(self, sample, run, dtype=None):
        """The result and the gradients of a run."""
        x = self.operands(run, dtype)
        y = eval(sample["torch"], {"torch": self.torch, "x": x, "math": math})
        gradients = []
        if "gradients" in run and y.requires_grad:
            inputs = [x[i] for i in run["inputs"]]
            dy = self.tensor(run["dy"], y.dtype)
            found = self.torch.autograd.grad(y, inputs, dy, allow_unused=True)
            gradients = [self.torch.zeros_like(i) if g is None else g for i, g in zip(inputs, found)]
        return {**self.values(y), "gradients": [self.values(g) for g in gradients]}

    def values(self, x):
        name = type(x.grad_fn).__name__ if x.grad_fn else None
        return {"dtype": str(x.dtype).removeprefix("torch."), "sizes": list(x.shape), "grad_fn": name,
                "requires_grad": x.requires_grad, "values": x.detach().reshape(-1).tolist()}


class Comparison:
    """Counts and collects what is found."""

    def __init__(self, torch):
        self.torch = torch
        self.comparisons = 0
        self.failures = []
        self.notes = collections.defaultdict(set)  # text -> titles
        self.refused = set()  # entries of REFUSED that are true
        self.explained = set()  # and of EXPLAINED

    def fail(self, sample, run, problem):
        problem = " ".join(str(problem).split())
        for key in (sample["title"], sample["op"]):
            if key in EXPLAINED:
                self.explained.add(key)
                self.note(sample, f"differs: {EXPLAINED[key]}")
                return
        again = f"scripts/compare_torch.py --only {shlex.quote(sample['title'])}"
        self.failures.append(f"{sample['title']} {run['dtype']}: {problem}; {again}")

    def note(self, sample, text):
        self.notes[f"{sample['op']}: {text}"].add(sample["title"])

    def check(self, sample, run, what, ours, theirs, exact):
        self.comparisons += 1
        wrong = difference(ours, theirs, exact)
        if wrong:
            self.fail(sample, run, f"{what}: {wrong}")

    def compare(self, sample):
        if not sample["torch"]:
            self.failures.append(f"{sample['title']}: no `torch` expression")
            return
        for run in sample["runs"]:
            self.compare_run(sample, run)

    def compare_run(self, sample, run):
        try:
            theirs = self.torch.evaluate(sample, run)
        except Exception as error:  # whatever an expression raises
            if run["dtype"] in ("float32", "float64"):
                self.fail(sample, run, f"PyTorch raises {type(error).__name__}: {error}")
            elif "error" not in run:
                self.note(sample, f"we accept what PyTorch refuses: {run['dtype']}")
            return
        if "error" in run:
            self.refusal(sample, run)
            return
        exact = None if run["dtype"] == "float64" else self.exact(sample, run)
        self.check(sample, run, "y", run["y"], theirs, exact)
        if run["y"]["requires_grad"] != theirs["requires_grad"]:
            self.fail(sample, run, f"requires_grad {run['y']['requires_grad']}, PyTorch {theirs['requires_grad']}")
            return
        if run["y"]["grad_fn"] != theirs["grad_fn"]:
            self.note(sample, f"grad_fn {run['y']['grad_fn']}, PyTorch {theirs['grad_fn']}")
        for n, (i, g) in enumerate(zip(run.get("inputs", []), theirs["gradients"])):
            ours = run["gradients"][n] or {**g, "values": [0] * len(g["values"])}
            self.check(sample, run, f"gradient of operand {i}", ours, g, exact and exact["gradients"][n])

    def refusal(self, sample, run):
        self.comparisons += 1
        entry = sample["op"], run["dtype"]
        if entry in REFUSED:
            self.refused.add(entry)
        elif any(0 in x["sizes"] for x in run["operands"]):
            self.note(sample, f"PyTorch accepts what we refuse, without elements: {run['dtype']}")
        else:
            self.fail(sample, run, f"PyTorch accepts what we refuse: {run['error']}")

    def check_tables(self):
        """To be called when all samples have been compared."""
        for op, dtype in sorted(REFUSED.keys() - self.refused):
            self.failures.append(f"REFUSED in scripts/compare_torch.py has {op} of {dtype}, which nothing refuses")
        for key in sorted(EXPLAINED.keys() - self.explained):
            self.failures.append(f"EXPLAINED in scripts/compare_torch.py has {key}, which does not differ")

    def exact(self, sample, run):
        try:
            return self.torch.evaluate(sample, run, self.torch.torch.float64)
        except Exception:  # what takes integers alone has no such result
            return None


def import_torch():
    """PyTorch; restarts this script with Debian's Python when the running one has none."""
    try:
        import torch
        return torch
    except ImportError:
        if os.environ.get(RETRIED):
            sys.exit("compare_torch.py: error: no PyTorch: need Debian's python3-torch; see scripts/setup.sh --torch")
    if subprocess.run([SYSTEM_PYTHON, "-c", "import torch"], capture_output=True).returncode:
        subprocess.run([ROOT / "scripts/setup.sh", "--torch"], check=False)
    os.environ[RETRIED] = "1"
    os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])


def dumped_samples(build, only):
    program = pathlib.Path(build) / "bin/samples_dump"
    made = subprocess.run(["cmake", "--build", build, "--target", "samples_dump"], capture_output=True, text=True)
    if made.returncode:
        sys.exit(f"compare_torch.py: error: cannot build {program}; scripts/test.sh builds all\n"
                 f"{made.stdout}{made.stderr}")
    done = subprocess.run([program], capture_output=True, text=True,
                          env={**os.environ, **({"BACKFLOW_SAMPLE": only} if only else {})})
    lines = done.stdout.split("\n")[:-1]  # without one that the program has not ended
    samples = [json.loads(line) for line in lines]
    if done.returncode:
        last = f"after {samples[-1]['title']}" if samples else "before its first sample"
        sys.exit(f"compare_torch.py: error: {program} ended with code {done.returncode} {last}\n{done.stderr}")
    return samples


def main():
    if {"--help", "-h"} & set(sys.argv):
        print(__doc__.strip())
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=ROOT / "build/release")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    comparison = Comparison(Torch(import_torch()))
    warnings.filterwarnings("ignore")
    samples = dumped_samples(options.build, options.only)
    for sample in samples:
        comparison.compare(sample)
    if not options.only:
        comparison.check_tables()
    for text, titles in sorted(comparison.notes.items()):
        print(f"note: {text} ({len(titles)} samples, as {min(titles)})")
    for line in comparison.failures:
        print(f"FAILED: {line}")
    operators = len({sample["op"] for sample in samples})
    print(f"{len(samples)} samples, {operators} operators, {comparison.comparisons} comparisons with PyTorch "
          f"{comparison.torch.torch.__version__}: {len(comparison.failures)} failed, {len(comparison.notes)} notes")
    if not samples:
        print("compare_torch.py: error: no samples: need some; --only may name none", file=sys.stderr)
    return 1 if comparison.failures or not samples else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""What scripts/compare_torch.py takes for equal and what not. Needs no PyTorch."""
import importlib.util
import os
import pathlib

path = pathlib.Path(os.environ["BACKFLOW_SOURCE"]) / "scripts/compare_torch.py"
spec = importlib.util.spec_from_file_location("compare_torch", path)
compare_torch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compare_torch)
inf, nan = float("inf"), float("nan")

# dtype, ours, PyTorch's, PyTorch's in float64, whether they agree
for dtype, ours, theirs, exact, agree in [
        ("float64", 1.0, 1 + 9e-13, None, True),
        ("float64", 1.0, 1 + 2e-12, None, False),
        ("float64", 1e6, 1e6 + 9e-7, None, True),
        ("float64", 1.0, 1.1, 1.0, False),
        ("float32", 1.0, 1 + 9e-6, 2.0, True),
        ("float32", 1.0, 1 + 2e-5, 1 + 3e-5, False),
        ("float32", 1.0, 1 + 2e-5, 1 + 1e-6, True),
        ("float32", 0.0, nan, nan, False),
        ("float32", nan, nan, nan, True),
        ("float32", inf, inf, inf, True),
        ("float32", inf, -inf, inf, False),
        ("float32", 3e38, inf, inf, False),
        ("bfloat16", 1.0, 1 + 2**-7, 2.0, True),
        ("bfloat16", 1.0, 1 + 2**-6, 1 + 2**-6, False),
        ("bfloat16", 1.0, 1 + 2**-6, 1 + 2**-9, True),
        ("bfloat16", 0.0, 2**-9, 2**-9, False),
        ("int64", 2, 2, 2.0, True),
        ("int64", 2, 3, 2.0, False),
        ("bool", True, 1, None, True)]:
    assert compare_torch.close(dtype, ours, theirs, exact) == agree, (dtype, ours, theirs, exact)


def result(dtype="float32", sizes=(2,), values=(1.0, 2.0), requires_grad=True, grad_fn="AddBackward0", gradients=()):
    return {"dtype": dtype, "sizes": list(sizes), "values": list(values), "requires_grad": requires_grad,
            "grad_fn": grad_fn, "gradients": list(gradients)}


class Fake:
    """PyTorch that gives this, or raises it."""

    def __init__(self, answer):
        self.answer = answer

    def evaluate(self, sample, run, dtype=None):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    class torch:
        float64 = "float64"


def outcome(answer, dtype="float32", torch="x[0]", sizes=(2,), refused=None, explained=None, **run):
    """(failures, notes) of one run of ours against PyTorch's `answer`."""
    compare_torch.REFUSED = refused or {}
    compare_torch.EXPLAINED = explained or {}
    comparison = compare_torch.Comparison(Fake(answer))
    run = {"dtype": dtype, "operands": [result(sizes=sizes)], **run}
    comparison.compare({"title": "add/it's", "op": "add", "torch": torch, "runs": [run]})
    comparison.check_tables()
    return len(comparison.failures), len(comparison.notes)


plain = result()
assert outcome(plain, y=plain) == (0, 0)
for wrong in [result(dtype="float64"), result(sizes=(2, 1)), result(values=(1, 2.1)), result(requires_grad=False)]:
    assert outcome(plain, y=wrong) == (1, 0), wrong
assert outcome(plain, y=plain, torch="") == (1, 0)
assert outcome(plain, y=result(grad_fn="OtherBackward0")) == (0, 1)
assert outcome(RuntimeError("no"), y=plain) == (1, 0)
assert outcome(RuntimeError("no"), y=plain, dtype="bool") == (0, 1)
assert outcome(RuntimeError("no"), error="no", dtype="bool") == (0, 0)
assert outcome(plain, error="no", dtype="bool") == (1, 0)
assert outcome(plain, error="no", dtype="bool", sizes=(0,)) == (0, 1)
assert outcome(plain, error="no", dtype="bool", refused={("add", "bool"): "why"}) == (0, 0)
assert outcome(plain, y=plain, refused={("add", "bool"): "why"}) == (1, 0)
assert outcome(plain, y=result(dtype="float64"), explained={"add": "why"}) == (0, 1)
assert outcome(plain, y=result(dtype="float64"), explained={"add/it's": "why"}) == (0, 1)
assert outcome(plain, y=plain, explained={"add": "why"}) == (1, 0)
with_gradient = result(gradients=[result(values=(3.0, 0.0))])
for gradient, failures in [(result(values=(3.0, 0.0)), 0), (result(values=(3.0, 1.0)), 1), (None, 1)]:
    assert outcome(with_gradient, y=plain, inputs=[0], gradients=[gradient]) == (failures, 0), gradient
print("compare_torch: OK")

"""Peer: single operators of PyTorch on large tensors. ROW THREADS, then commands on standard input as bench/harness.h
says.

By hand: echo 'time 2' | python3 bench/peers/torch_operators.py elementwise.add 2
The rows and their operands are those of bench/elementwise.h, chains.h, reductions.h, indexing.h and inference.h, bit by bit.
"""
import sys
from time import perf_counter

import torch
from torch_workloads import serve

MANY = (1 << 24,)
SQUARE = (4096, 4096)
HALF = (2048, 4096)
CUBE = (256, 256, 256)


def scrambled_numbers(i, stream):
    return (i * 40503 + stream * 12345).remainder(65536)


def scrambled(sizes, stream):
    return scrambled_numbers(torch.arange(torch.Size(sizes).numel()), stream).reshape(sizes)


def numbers(sizes, stream):
    return scrambled(sizes, stream).float() / 32768 - 1


def positive(sizes, stream):
    return scrambled(sizes, stream).float() / 65536


def indices(sizes, bound, stream):
    i = torch.arange(torch.Size(sizes).numel())
    return scrambled_numbers(i + i.div(1024, rounding_mode="floor") * 37, stream).remainder(bound).reshape(sizes)


def mask(sizes, stream):
    return scrambled(sizes, stream) >= 32768


def one():
    return [numbers(MANY, 1)]


def two():
    return [numbers(MANY, 1), numbers(MANY, 2)]


def masked():
    return [mask(MANY, 3), *two()]


def cube():
    return [positive(CUBE, 1)]


def square():
    return [positive(SQUARE, 1)]


def layer():
    return [numbers((16384, 1024), 1)]


def scattered():
    return [positive((4096, 1024), 1), indices((4096, 1024), 4096, 2), positive((4096, 1024), 3)]


def halves():
    return [numbers(HALF, 1), numbers(HALF, 2)]


def dense_layer(batch):
    return [numbers((batch, 1024), 1), numbers((1024, 1024), 2), numbers((1024,), 3)]


def chain(leaves, f):
    """The recorded result, its gradient and the leaves; what is timed is the backward."""
    with torch.enable_grad():
        y = f([x.requires_grad_() for x in leaves])
    return [y, numbers(y.shape, 9), *leaves]


def gradients(x):
    return torch.autograd.grad(x[0], x[2:], x[1], retain_graph=True)


def gelu_by_hand(x):
    return x[0] * 0.5 * (torch.tanh((x[0] + x[0] * x[0] * x[0] * 0.044715) * 0.7978845608) + 1.0)


def mish_by_hand(x):
    return x[0] * torch.tanh(torch.log(torch.exp(x[0]) + 1.0))


def lstm_cell(x):
    i, f, g, o, c = x
    return torch.sigmoid(o) * torch.tanh(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))


def chain_rows():
    for suffix, size in (("", (1 << 22,)), ("_64k", (1 << 16,))):
        for name, f, streams in (("gelu", gelu_by_hand, 1), ("mish", mish_by_hand, 1), ("lstm", lstm_cell, 5)):
            yield (f"chains.{name}{suffix}",
                   (lambda f=f, size=size, streams=streams: chain([numbers(size, i + 1) for i in range(streams)], f),
                    gradients))


# The operands, and ways to call the operator: the fastest is taken.
ROWS = {
    "elementwise.add": (two, lambda x: x[0] + x[1]),
    "elementwise.mul": (two, lambda x: x[0] * x[1]),
    "elementwise.relu": (one, lambda x: torch.relu(x[0])),
    "elementwise.relu_backward": (two, lambda x: torch.ops.aten.threshold_backward(x[0], x[1], 0)),
    "elementwise.exp": (one, lambda x: torch.exp(x[0])),
    "elementwise.tanh": (one, lambda x: torch.tanh(x[0])),
    "elementwise.sigmoid": (one, lambda x: torch.sigmoid(x[0])),
    "elementwise.gelu": (one, lambda x: torch.nn.functional.gelu(x[0])),
    "elementwise.where": (masked, lambda x: torch.where(x[0], x[1], x[2])),
    **dict(chain_rows()),
    "reductions.sum": (lambda: [positive(MANY, 1)], lambda x: x[0].sum()),
    "reductions.sum_dim0": (cube, lambda x: x[0].sum(0)),
    "reductions.sum_dim1": (cube, lambda x: x[0].sum(1)),
    "reductions.sum_dim2": (cube, lambda x: x[0].sum(2)),
    "reductions.softmax": (lambda: [numbers((1024, 1024), 1)], lambda x: torch.softmax(x[0], -1)),
    "reductions.var_mean": (layer, lambda x: torch.var_mean(x[0], -1, unbiased=False),
                            lambda x: (x[0].var(-1, unbiased=False), x[0].mean(-1))),
    "reductions.cumsum_dim0": (square, lambda x: x[0].cumsum(0)),
    "reductions.cumsum_dim1": (square, lambda x: x[0].cumsum(-1)),
    "reductions.max": (lambda: [positive(MANY, 1)], lambda x: x[0].max()),
    "reductions.argmax": (layer, lambda x: x[0].argmax(-1)),
    "indexing.transpose_copy": (lambda: [numbers(SQUARE, 1)], lambda x: x[0].t().contiguous()),
    "indexing.cat_dim0": (halves, lambda x: torch.cat(x, 0)),
    "indexing.cat_dim1": (halves, lambda x: torch.cat(x, 1)),
    "indexing.gather": (lambda: [numbers(SQUARE, 1), indices(SQUARE, 4096, 2)], lambda x: x[0].gather(1, x[1])),
    "indexing.index_select": (lambda: [numbers((65536, 256), 1), indices((65536,), 65536, 2)],
                              lambda x: x[0].index_select(0, x[1])),
    "indexing.scatter_add": (scattered, lambda x: x[0].scatter_add(0, x[1], x[2])),
    "indexing.masked_fill": (lambda: [numbers(SQUARE, 1), mask(SQUARE, 2)], lambda x: x[0].masked_fill(x[1], 0.5)),
    "inference.linear_8": (lambda: dense_layer(8), lambda x: torch.nn.functional.linear(*x)),
    "inference.linear_32": (lambda: dense_layer(32), lambda x: torch.nn.functional.linear(*x)),
}


def digest(results):
    """As in bench/operators.h."""
    values = []
    for result in results if isinstance(results, (list, tuple)) else [results]:
        y = result.double().flatten()
        size = y.abs()
        weights = torch.arange(len(y)).remainder_(7).add_(1)
        at = torch.tensor([k * (len(y) - 1) // 7 for k in range(8)])
        values += [size.mean().item(), (size * weights).mean().item(), *y[at].tolist()]
    return values


class Operator:
    """A row as a workload of torch_workloads.py."""

    def __init__(self, name):
        operands, *calls = ROWS[name]
        self.x = operands()
        self.call = min(calls, key=self.seconds) if len(calls) > 1 else calls[0]

    def seconds(self, call):
        times = []
        for _ in range(5):
            begin = perf_counter()
            call(self.x)
            times.append(perf_counter() - begin)
        return min(times[1:])

    def step(self):
        self.call(self.x)
        return 0, 0

    def check(self):
        return digest(self.call(self.x))


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ROWS:
        sys.exit(f"usage: torch_operators.py {'|'.join(ROWS)} THREADS")
    torch.set_num_threads(int(sys.argv[2]))
    torch.set_grad_enabled(False)
    serve(Operator(sys.argv[1]))


if __name__ == "__main__":
    main()

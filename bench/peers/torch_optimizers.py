"""Peer of bench_optimizers.cpp: PyTorch on the CPU. OPTIMIZER THREADS [foreach], then commands as bench/harness.h says.

By hand: printf 'check\\ntime 2\\n' | python3 bench/peers/torch_optimizers.py adam 2 foreach
"""
import json
import statistics
import sys
from time import perf_counter

import torch


def sizes():
    every = [64 * 3 * 49, 64, 64]
    before = 64
    for c in (64, 128, 256, 512):
        for conv in range(4):
            every += [c * (before if conv == 0 else c) * 9, c, c]
        if c != before:
            every += [c * before, c, c]
        before = c
    return every + [512 * 10, 10]


def problem(name, foreach):
    parameters = []
    for n in sizes():
        p = torch.arange(n).to(torch.float32) / float(n) - 0.5
        p.grad = p * 0.1 + 0.01
        parameters.append(p)
    make = {"sgd": lambda **o: torch.optim.SGD(parameters, lr=0.01, momentum=0.9, **o),
            "adam": lambda **o: torch.optim.Adam(parameters, **o), "adamw": lambda **o: torch.optim.AdamW(parameters, **o),
            "rmsprop": lambda **o: torch.optim.RMSprop(parameters, **o),
            "adagrad": lambda **o: torch.optim.Adagrad(parameters, **o)}[name]
    return parameters, make(foreach=foreach)


def main():
    name, foreach = sys.argv[1], "foreach" in sys.argv[3:]
    torch.set_num_threads(int(sys.argv[2]))
    _, optimizer = problem(name, foreach)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "check":
            parameters, other = problem(name, foreach)
            for _ in range(3):
                other.step()
            print(json.dumps({"values": [p.double().sum().item() for p in parameters]}), flush=True)
            continue
        times = []
        start = perf_counter()
        while not times or perf_counter() - start < float(words[0]):
            begin = perf_counter()
            optimizer.step()
            times.append(perf_counter() - begin)
        print(json.dumps({"steps": len(times), "step_us": statistics.median(times) * 1e6}), flush=True)


main()

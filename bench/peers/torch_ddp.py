"""Peer: PyTorch's DistributedDataParallel over gloo. RANKS WORKLOAD THREADS DATA, then commands on standard input as
bench/harness.h says.

By hand: echo 'time 2' | python3 bench/peers/torch_ddp.py 2 weak_mlp 1 DATA, with the DATA that bench_workloads mlp 1 DATA wrote.
Every rank trains on the same batch; the losses are those of one rank.
"""
import json
import os
import socket
import statistics
import sys
from time import perf_counter

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

import torch_workloads


def distributed(classifier):
    """The workload with its model in DDP."""

    class Distributed(classifier):
        def __init__(self, data):
            super().__init__(data)
            self.model = DistributedDataParallel(self.model)

    return Distributed


def from_first(value):
    """What rank 0 says."""
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]


def timed(workload):
    begin = perf_counter()
    torch_workloads.step(workload)
    return perf_counter() - begin


def time_steps(workload, seconds):
    """About so long; every rank takes as many steps as rank 0 says."""
    first = min(timed(workload), timed(workload))
    times = [timed(workload) for _ in range(from_first(max(1, round(seconds / first))))]
    return {"steps": len(times), "step_us": statistics.median(times) * 1e6}


def serve(rank, ranks, port, standard_input, name, threads, data):
    torch.set_num_threads(threads)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=ranks)
    make = distributed(torch_workloads.WORKLOADS[name.removeprefix("weak_")])
    commands = os.fdopen(os.dup(standard_input)) if rank == 0 else None
    workload = None
    while True:
        command, *arguments = (from_first(commands.readline() if commands else None) or "end").split() or ["end"]
        if command == "check":
            fresh = make(data)
            answer = {"values": [torch_workloads.step(fresh)[0].item() for _ in range(3)]}
        elif command == "time":
            workload = workload or make(data)
            answer = time_steps(workload, float(arguments[0]))
        elif command == "peak":
            answer = {"peak_mb": torch_workloads.peak_megabytes()}
        else:
            return
        if rank == 0:
            print(json.dumps(answer), flush=True)


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: torch_ddp.py RANKS WORKLOAD THREADS DATA")
    ranks, name, threads, data = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = mp.get_context("fork")
    others = [context.Process(target=serve, args=(rank, ranks, port, 0, name, threads, data)) for rank in range(1, ranks)]
    for other in others:
        other.start()
    serve(0, ranks, port, sys.stdin.fileno(), name, threads, data)
    for other in others:
        other.join()


if __name__ == "__main__":
    main()

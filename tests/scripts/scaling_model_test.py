#!/usr/bin/env python3
"""What bench/scaling_model.py predicts of steps that are simple enough to be worked out by hand."""
import dataclasses
import json
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(os.environ["BACKFLOW_SOURCE"]) / "bench"))
import scaling_model  # noqa: E402
from scaling_model import Network, Profile, hierarchical, mpi, plan_buckets, predict, ring, run_backward, tree  # noqa: E402

MB = 1 << 20
FREE = Network(latency=1e-6, bandwidth=1e9, call=0, memory_latency=0)


def near(got, want):
    assert abs(got - want) <= 1e-9 + 1e-9 * abs(want), (got, want)


def check_the_algorithms():
    near(ring(8000, 4, FREE), 2 * 3 * (1e-6 + 2000 / 1e9))
    near(tree(8000, 4, FREE), 2 * 2 * (1e-6 + 8000 / 1e9))
    near(ring(1e6, 2, FREE), 2 * (3e-6 + 5e5 / 1e9))  # above 64 KiB the receiver is asked first
    for f in (ring, tree, hierarchical, mpi):
        assert f(1e6, 1, FREE) == 0, f
    nodes = dataclasses.replace(FREE, ranks_a_node=4, memory=1e10)
    near(hierarchical(1e6, 4, nodes), 1e6 / 1e10)
    near(hierarchical(8000, 8, nodes), 8000 / 1e10 + FREE.message(64) + ring(8000, 2, FREE))
    near(mpi(6 * MB, 2, FREE), tree(64, 2, FREE) + tree(4 * MB, 2, FREE) + tree(2 * MB, 2, FREE))


def check_buckets_are_planned_as_the_program_does():
    gradients = [(1, MB // 2), (2, MB // 4), (3, MB // 2), (4, 3 * MB), (5, 8)]
    assert plan_buckets(gradients, 2 * MB) == [(2, 3 * MB // 4), (3, MB // 2), (4, 3 * MB), (5, 8)], plan_buckets(gradients, 2 * MB)
    assert plan_buckets(gradients[:2], 25 * MB) == [(2, 3 * MB // 4)]


def check_sums_go_on_beside_the_backward():
    buckets = [(1.0, 8), (2.0, 8)]
    assert run_backward(buckets, [0.5, 1.0], [1, 1], 4.0, True) == (4.0, [1.5, 3.0])
    assert run_backward(buckets, [3.0, 1.0], [1, 1], 4.0, True) == (4.0, [4.0, 5.0])
    # Without a core to spare two that want all of it have half each.
    computed, ended = run_backward([(2.0, 8)], [1.0], [1.0], 4.0, False)
    near(computed, 5.0)
    near(ended[0], 4.0)
    computed, ended = run_backward([(2.0, 8)], [1.0], [0.25], 4.0, False)
    near(computed, 4.25)
    near(ended[0], 3.0)


def check_a_step():
    profile = Profile(before=1.0, gradients=[(1.0, 2 * MB), (3.0, 2 * MB)], backward=3.0, update=0.4, rest=0.1)
    one = predict(profile, 1, FREE, tree)
    assert (one.step, one.efficiency, one.bucket) == (4.5, 1, -1)
    slow = dataclasses.replace(FREE, latency=0, bandwidth=4 * MB)  # a bucket takes a second on two ranks
    two = predict(profile, 2, slow, tree)
    near(two.step, 1 + 3 + 1 + 0.2 + 0.1 + 2 * 16 / (4 * MB))  # the first update hides behind the last sum
    assert two.bucket == 1 and two.efficiency < 1, two
    near(predict(profile, 2, slow, tree, wire=0.5).step, two.step - 0.5 + (0.0))
    near(profile.faster(2).step, 2.25)


def check_a_trace_is_read(folder):
    def slice_of(name, kind, begin, end, **arguments):
        return {"ph": "X", "name": name, "cat": kind, "ts": begin, "dur": end - begin, "pid": 0, "tid": 1, "args": arguments}
    events = []
    for start in (0, 1000):
        events += [slice_of("step", "span", start, start + 900), slice_of("backward", "span", start + 100, start + 700),
                   slice_of("MulBackward0", "backward", start + 110, start + 310),
                   slice_of("AccumulateGrad", "backward", start + 310, start + 320, **{"in": "f32[512, 2]"}),
                   slice_of("update 0.weight", "task", start + 320, start + 420),
                   slice_of("AccumulateGrad", "backward", start + 420, start + 430, **{"in": "f64[]"}),
                   slice_of("all-reduce", "span", start + 320, start + 520, bytes=4096.0)]
    trace = folder / "trace.json"
    trace.write_text(json.dumps({"traceEvents": events}))
    profile = scaling_model.typical_profile(trace)
    near(profile.before, 100e-6)
    near(profile.backward, 220e-6)
    near(profile.update, 100e-6)
    near(profile.step, 900e-6)
    assert [n for _, n in profile.gradients] == [4096, 8], profile
    near(profile.gradients[0][0], 210e-6)
    step = scaling_model.read_steps(trace)[0]
    near(step.communication(), 200e-6)
    near(step.hidden(), 110e-6)


check_the_algorithms()
check_buckets_are_planned_as_the_program_does()
check_sums_go_on_beside_the_backward()
check_a_step()
with tempfile.TemporaryDirectory() as temporary:
    check_a_trace_is_read(pathlib.Path(temporary))

#!/usr/bin/env python3
"""What scripts/compare_training.py takes for equal losses and what not. Needs no PyTorch."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(os.environ["BACKFLOW_SOURCE"]) / "scripts"))
import compare_training  # noqa: E402

INFINITY, NAN = float("inf"), float("nan")
for ours, theirs, expected in [
    ([1.0, 2.0], [1.0, 2.0], (0.0, 1)),
    ([1.0, 2.0, 4.0], [1.0, 2.5, 4.0], (0.2, 1)),
    ([0.0, 0.0], [0.0, 0.0], (0.0, 1)),
    ([1.0, -1.0], [1.0, 1.0], (2.0, 1)),
    ([1.0, NAN], [1.0, 1.0], (INFINITY, 1)),
    ([NAN], [NAN], (INFINITY, 0)),
    ([1.0], [1.0, 1.0], (INFINITY, 0)),
    ([], [], (INFINITY, 0)),
]:
    assert compare_training.worst(ours, theirs) == expected, (ours, theirs, compare_training.worst(ours, theirs))
for name, dtypes in compare_training.NETWORKS.items():
    assert set(dtypes) <= set(compare_training.TOLERANCE), name

"""A job whose ranks write a dump together, and one of which never comes back from MPI, ends with an error.

usage: stuck_test.py
"""
import os
import pathlib
import subprocess
import sys

PROGRAM = str(pathlib.Path(os.environ["BACKFLOW_BIN"]) / "test_ranks")
MPIRUN = ["mpirun", "--bind-to", "none", "--map-by", "slot:OVERSUBSCRIBE"]

done = subprocess.run([*MPIRUN, "-n", "2", PROGRAM, "stuck"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
said = [line for line in done.stderr.splitlines() if line.startswith("backflow: error: ")]
if done.returncode != 1 or len(said) != 1 or "have written nothing together for 1 s" not in said[0]:
    sys.exit(f"exit code {done.returncode}, want 1 and one error:\n{done.stdout}{done.stderr}")
print("ok")

"""docs/operators.md is what the program prints.

    operators.py PROGRAM DOCUMENT
"""
import difflib
import pathlib
import subprocess
import sys

program, document = sys.argv[1:]
printed = subprocess.run([program, "ops", "--markdown"], check=True, capture_output=True, text=True).stdout
written = pathlib.Path(document).read_text()
assert printed.count("\n") > 60, f"{program} ops --markdown prints no operators:\n{printed}"
if printed != written:
    difference = difflib.unified_diff(written.splitlines(), printed.splitlines(), document, "backflow ops", n=0, lineterm="")
    print("\n".join(list(difference)[:40]))
    sys.exit(f"docs/operators.md is out of date; to make it anew: {program} ops --markdown > {document}")
print("docs/operators.md: OK")

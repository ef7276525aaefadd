"""Prints gcovr's JSON, on standard input, by file and by folder; scripts/coverage.sh calls it.

coverage.py INCLUDE MINIMUM FOLDER...   INCLUDE is where the build sees the tree's headers
"""
import itertools
import json
import sys


def ranges(numbers):
    """1, 2, 3, 7 as "1-3, 7"."""
    result = []
    for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in run]
        result.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ", ".join(result)


include, minimum, folders = sys.argv[1].rstrip("/") + "/", float(sys.argv[2]), sys.argv[3:]
counts = {}  # file -> line -> how often it ran
for file in json.load(sys.stdin)["files"]:
    lines = counts.setdefault(file["file"].removeprefix(include), {})
    for line in file["lines"]:
        if not line["gcovr/noncode"]:
            lines[line["line_number"]] = lines.get(line["line_number"], 0) + line["count"]

for file, lines in sorted(counts.items()):
    missed = sorted(number for number, count in lines.items() if count == 0)
    print(f"{file:40} {len(lines) - len(missed):5} of {len(lines):5}  {ranges(missed)}".rstrip())
print()
failed = False
for folder in folders:
    of_folder = [count for file, lines in counts.items() if file.startswith(folder + "/") for count in lines.values()]
    ran = sum(count > 0 for count in of_folder)
    percent = 100 * ran / len(of_folder) if of_folder else 0
    failed = failed or percent < minimum
    print(f"{folder:40} {ran:5} of {len(of_folder):5}  {percent:.1f}%" +
          (f", less than {minimum:g}%" if percent < minimum else ""))
sys.exit(failed)

"""Runs the commands of a tutorial in their order in one shell, and compares what they print with what the page shows.

    tutorial.py ROOT BIN DOCUMENT [--show]

Blocks ```sh are commands. A block without a language is what the commands before it print. There "..." stands for any text, and
alone on a line for any lines. Numbers with a decimal point may be 10% off, times any, and columns wider. `$PWD` of the first block
is ROOT, whose build is BIN; the home directory is empty. --show prints what the commands print.
"""
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MARK = "@@ block"
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


@dataclasses.dataclass
class Block:
    line: int
    code: list
    output: list = None


def blocks(text):
    found, inside, language = [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if inside is None and line.startswith("```"):
            inside, language = [], line[3:].strip()
            if language == "sh":
                found.append(Block(number + 1, inside))
            elif not language:
                assert found and found[-1].output is None, f"line {number}: the output of which commands?"
                found[-1].output = inside
        elif line.startswith("```"):
            inside = None
        elif inside is not None:
            inside.append(line)
    return found


def run(found, root, programs):
    """What each block prints, and the commands of it that failed."""
    script = [f"trap 'echo \"{MARK} failed: $BASH_COMMAND\"' ERR"]
    for block in found:
        script += [*block.code, f'echo "{MARK} end"']
    text = "\n".join(script).replace("$PWD/build/release/bin", str(programs))
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(["bash", "-c", text], cwd=root, env={**os.environ, "HOME": home}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
    outputs = done.stdout.split(f"{MARK} end\n")[:-1]
    assert len(outputs) == len(found), done.stdout
    result = []
    for output in outputs:
        lines = [line.rstrip() for line in output.splitlines()]
        failed = [line for line in lines if line.startswith(f"{MARK} failed")]
        # A line of progress comes every two seconds.
        result.append(([line for line in lines if line not in failed and not re.match(r"epoch \d+/\d+  step", line)], failed))
    return result


def without_seconds(lines):
    """A table without its column of seconds."""
    result, place = [], None
    for line in lines:
        cells = line.split()
        if "seconds" in cells:
            place, width = cells.index("seconds"), len(cells)
        if place is not None and len(cells) == width:
            line = " ".join(cells[:place] + cells[place + 1:])
        result.append(line)
    return result


def same_line(shown, printed):
    def words(line):
        return " ".join(re.sub(r"\b\d+(\.\d+)? (s|ms)\b", "TIME", line).split())

    shown, printed = words(shown), words(printed)
    pattern = r"(-?\d+\.\d+(?:e[-+]?\d+)?)".join(re.escape(part).replace(r"\.\.\.", ".*") for part in NUMBER.split(shown))
    match = re.fullmatch(pattern, printed)
    return match is not None and all(abs(float(a) - float(b)) <= 0.1 * abs(float(a)) + 1e-9
                                     for a, b in zip(NUMBER.findall(shown), match.groups()))


def same_text(shown, printed):
    """Whether the lines agree, "..." being any number of them."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(same_text(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and same_line(shown[0], printed[0]) and same_text(shown[1:], printed[1:])


def check(root, programs, document, show):
    found = blocks(document.read_text())
    assert found, f"{document}: no commands"
    problems = 0
    for block, (printed, failed) in zip(found, run(found, root, programs)):
        if show:
            print(f"{document.name}:{block.line}:", *printed, *failed, sep="\n")
        shown = block.output or []
        fails = any("backflow: error: " in line for line in shown)
        if bool(failed) != fails:
            problems += 1
            print(f"{document}:{block.line}: {'nothing' if fails else failed} fails, and prints:", *printed, sep="\n")
        elif not same_text(without_seconds(shown), without_seconds(printed)):
            problems += 1
            print(f"{document}:{block.line}: the page shows:", *shown, "and the commands print:", *printed, sep="\n")
    return problems


def check_that_differences_are_found():
    shown = ["epoch 1: r2 0.990, 0.1 s", "...", "a   seconds  b", "1  2.5  3", "file: ... bytes"]
    good = ["epoch 1: r2 0.991, 7.0 s", "x", "y", "a  seconds  b", "1   9.9  3", "file: 12 bytes"]
    same = lambda printed: same_text(without_seconds(shown), without_seconds(printed))  # noqa: E731
    assert same(good)
    for place, other in ((0, "epoch 2: r2 0.991, 7.0 s"), (0, "epoch 1: r2 0.791, 7.0 s"), (3, "1   9.9  4"), (5, "file: 12 bits")):
        assert not same(good[:place] + [other] + good[place + 1:]), other
    assert not same(good[:-1]) and not same(good + ["more"])
    found = blocks("```sh\ntrue\nfalse\necho a\n```\ntext\n```\na\n```\n```toml\nx = 1\n```\n")
    assert [(block.code, block.output) for block in found] == [(["true", "false", "echo a"], ["a"])]
    assert run(found, ".", "bin") == [(["a"], [f"{MARK} failed: false"])]


if __name__ == "__main__":
    check_that_differences_are_found()
    sys.exit(1 if check(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), "--show" in sys.argv) else 0)

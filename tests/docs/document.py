"""Tests the C++ in a document: a ```cpp block that a ```text block follows must compile, and print what that shows.

A block with `int main` is a program, whose last function main is. Any other is the body of one, with
<backflow/backflow.h> and <iostream> included and `torch` as an alias of backflow. Other blocks are not looked at.

    document.py generate DOCUMENT OUT.cpp   writes one program with a function for each block
    document.py run DOCUMENT PROGRAM        runs it block by block and compares what it prints with the document
"""

import dataclasses
import difflib
import pathlib
import re
import subprocess
import sys

HEAD = """\
#include <cstdlib>
#include <iostream>

#include <backflow/backflow.h>
"""


@dataclasses.dataclass
class Block:
    line: int  # of its first line of code
    code: list
    output: list


def blocks(document):
    """The blocks of a document that are tested."""
    fences = []  # (language, line of the first line inside, lines)
    inside = None
    texts = []  # whether there is text before each fence, since the one before
    text = False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if inside is not None:
            if line.startswith("```"):
                fences.append(inside)
                inside = None
            else:
                inside[2].append(line)
        elif line.startswith("```"):
            inside = (line[3:].strip(), number + 1, [])
            texts.append(text)
            text = False
        else:
            text = text or bool(line.strip())
    if inside is not None:
        sys.exit(f"{document}:{inside[1] - 1}: the block is not closed")
    return [Block(first[1], first[2], second[2])
            for first, second, text in zip(fences, fences[1:], texts[1:])
            if first[0] == "cpp" and second[0] == "text" and not text]


def function(block, name):
    """A namespace with the block, whose function `run` does what the block does. Includes are taken out."""
    code = ["" if line.startswith("#include") else line for line in block.code]
    position = f'#line {block.line} "{name}"'
    if any(re.search(r"\bint main\b", line) for line in code):
        # main alone may end without a return.
        last = max(i for i, line in enumerate(code) if line.startswith("}"))
        code = [re.sub(r"\bint main\(\)", "int run()", line) for line in code]
        code[last] = "return 0;" + code[last]
    else:
        code = ["namespace torch = backflow;", "void run() {", position, *code, "}"]
        position = ""
    return "\n".join([f"namespace block_{block.line} {{", position, *code, "}", ""])


def generate(document, out):
    found = blocks(document)
    includes = sorted({line for block in found for line in block.code if line.startswith("#include")})
    cases = "".join(f"    case {b.line}:\n      block_{b.line}::run();\n      break;\n" for b in found)
    out.write_text(HEAD + "\n".join(includes) + "\n" + "".join(function(b, document) for b in found) + f"""\
#line 1 "{out}"
int main(int, char** argv) {{
  switch (std::atoi(argv[1])) {{
{cases}  }}
}}
""")


def run(document, program):
    failed = False
    for block in blocks(document):
        result = subprocess.run([program, str(block.line)], stdout=subprocess.PIPE, text=True)
        printed = [line.rstrip() for line in result.stdout.splitlines()]
        differences = list(difflib.unified_diff(block.output, printed, "the document", "the program", lineterm=""))
        if result.returncode != 0 or differences:
            failed = True
            print(f"{document}:{block.line}: the block prints something else, exit code {result.returncode}")
            print("\n".join(differences))
    return failed


if __name__ == "__main__":
    command, document, file = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    sys.exit(generate(document, file) if command == "generate" else run(document, file))

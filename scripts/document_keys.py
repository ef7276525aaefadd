#!/usr/bin/python3
"""Writes what is generated from the keys of configurations: the tables of docs/configuration.md, and the JSON schema.

document_keys.py [--check] [PROGRAM]     PROGRAM is build/release/bin/backflow unless given

With --check changes nothing, and fails when a file is out of date. What stands between the lines "<!-- keys begin -->" and
"<!-- keys end -->" of docs/configuration.md is replaced; configs/backflow.schema.json is a whole file.
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- keys begin -->\n", "<!-- keys end -->\n"


def printed(program, option):
    return subprocess.run([program, "config", option], check=True, capture_output=True, text=True, timeout=60).stdout


def with_tables(text, tables):
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + tables + "\n" + END + after


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("program", nargs="?", default=str(ROOT / "build/release/bin/backflow"))
    arguments = parser.parse_args()
    document = ROOT / "docs/configuration.md"
    schema = ROOT / "configs/backflow.schema.json"
    wanted = {
        document: with_tables(document.read_text(), printed(arguments.program, "--markdown")),
        schema: printed(arguments.program, "--schema"),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: " + ("out of date: run scripts/document_keys.py" if arguments.check else "written"))
        if not arguments.check:
            path.write_text(wanted[path])
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

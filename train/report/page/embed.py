#!/usr/bin/env python3
"""Joins the page of `backflow report` into one C++ source.

usage: embed.py OUT.cpp

The pieces between what the program fills in become constants of train/report/page.cpp. The policy of the page allows this script
and this style alone, by their digests, so nothing that a run's files smuggle in can run.
"""
import base64
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
UPLOT = HERE / "third_party/uplot"
SCRIPTS = ["base.js", "charts.js", "curves.js", "tables.js", "details.js", "timeline.js", "main.js"]
CHUNK = 8000  # bytes of a literal: compilers have limits


def read(path):
    return path.read_text(encoding="utf-8")


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def literal(data):
    """Bytes as adjacent string literals."""
    escaped = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n"}
    lines = []
    for start in range(0, len(data), CHUNK):
        text = "".join(escaped.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in data[start:start + CHUNK])
        lines.append(f'"{text}"'.replace("??", "?\\?"))
    return "\n    ".join(lines) or '""'


def main(out):
    licence = read(UPLOT / "LICENSE").replace("--", "- -")
    style = read(UPLOT / "uPlot.min.css") + read(HERE / "style.css")
    own = '(() => {\n"use strict";\n' + "\n".join(read(HERE / name) for name in SCRIPTS) + "\n})();\n"
    script = read(UPLOT / "uPlot.iife.min.js") + "\n" + own
    if "</script" in script or "</style" in style:
        sys.exit("embed.py: a script or style ends itself")
    policy = (f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; img-src data:; "
              "base-uri 'none'; form-action 'none'")
    page = read(HERE / "page.html")
    page = page.replace("@STYLE@", f"<style>{style}</style>").replace("@POLICY@", policy + "@CONNECT@")
    page = page.replace("@SCRIPT@", f"<!-- uPlot:\n{licence}-->\n<script>{script}</script>")
    parts, rest = [], page
    for mark in ("@FOLLOW@", "@CONNECT@", "@DATA@"):
        before, rest = rest.split(mark)
        parts.append(before)
    parts.append(rest)
    names = ["kBeforeFollow", "kBeforeConnect", "kBeforeData", "kAfterData"]
    lines = ["// Made by train/report/page/embed.py.", "#include <backflow/train/report/page_parts_internal.h>", "",
             "namespace backflow::train::report {", ""]
    for name, part in zip(names, parts):
        data = part.encode()
        lines.append(f"const std::string_view {name}(\n    {literal(data)},\n    {len(data)});")
    lines += ["", "}  // namespace backflow::train::report", ""]
    pathlib.Path(out).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

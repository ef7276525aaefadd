"""What documents refer to is there: links, anchors, files that they name, and the files whose text they show.

    references.py ROOT

Looks at every Markdown file of the tree, and at comments that name a document.
  [text](path#heading)       the file is there, and has the heading
  `ops/operator.h`           a path that starts with a folder of the tree leads to something; * stands for any characters;
                             not one of ", a new file:", which a reader makes
  <!-- file: path -->        the block that follows is the text of that file
  docs/name.md               in sources and scripts: the document is there
"""
import pathlib
import re
import sys
import tempfile

FOLDERS = ("bench", "cmake", "configs", "distributed", "docs", "examples", "exchange", "io", "nn", "ops", "runtime", "scripts", "serialize", "tests",
           "train")
SOURCES = {".h", ".cpp", ".py", ".sh", ".txt", ".toml", ".cmake"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(rf"({'|'.join(FOLDERS)})/[\w./*-]*")
SHOWN = re.compile(r"<!-- file: (\S+) -->\s*```\w*\n(.*?)```\n", re.DOTALL)
DOCUMENT = re.compile(r"\bdocs/[\w/]+\.md\b")


def files(root):
    for name in ("", *FOLDERS):
        found = root.glob("*") if not name else (root / name).rglob("*")
        yield from sorted(path for path in found if path.is_file())


def without_blocks(text):
    """The text with the same lines, those of code blocks empty."""
    return re.sub(r"^```.*?^```", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)


def anchors(text):
    """What GitHub calls the headings: lower case, no punctuation, - for a space."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lines_of(pattern, text):
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, match) for match in pattern.finditer(line))


def is_there(root, path):
    return any(root.glob(path.rstrip("/"))) or any(root.glob(path + ".*"))


def check_document(root, path):
    text = path.read_text()
    prose = without_blocks(text)
    where = path.relative_to(root)
    for number, match in lines_of(LINK, prose):
        target, _, anchor = match[1].partition("#")
        if "://" in target:
            continue
        linked = (path.parent / target).resolve() if target else path
        if not linked.exists():
            yield f"{where}:{number}: no such file: {match[1]}"
        elif anchor and anchor not in anchors(linked.read_text()):
            yield f"{where}:{number}: no such heading: {match[1]}"
    for number, match in lines_of(CODE, prose):
        is_new = match.string.startswith(", a new file:", match.end())
        if PATH.fullmatch(match[1]) and not is_new and not is_there(root, match[1]):
            yield f"{where}:{number}: no such file: {match[1]}"
    for name, shown in SHOWN.findall(text):
        if not (root / name).exists() or (root / name).read_text() != shown:
            yield f"{where}: the block is not the text of {name}"


def check(root):
    """What is wrong, line by line."""
    for path in files(root):
        if path.suffix == ".md":
            yield from check_document(root, path)
        elif path.suffix in SOURCES:
            for number, match in lines_of(DOCUMENT, path.read_text()):
                if not (root / match[0]).exists() and path.name != "references.py":
                    yield f"{path.relative_to(root)}:{number}: no such document: {match[0]}"


def check_that_faults_are_found(root):
    for folder in FOLDERS:
        (root / folder).mkdir()
    (root / "ops/here.cpp").write_text("int x;\n")
    (root / "docs/other.md").write_text("# A heading: `code`\n")
    good = ("# Title\n[a](docs/other.md#a-heading-code) [b](#title) [c](https://x.org/none.md) `ops/here.cpp` `ops/h*` `ops/here` `x/none`\n"
            "<!-- file: ops/here.cpp -->\n\n```cpp\nint x;\n```\n\n```\n[d](none.md) `ops/none.h`\n```\n")
    document = root / "README.md"
    document.write_text(good)
    assert list(check(root)) == [], list(check(root))
    for old, new, message in (
            ("docs/other.md#", "docs/none.md#", "README.md:2: no such file: docs/none.md#a-heading-code"),
            ("#a-heading", "#b-heading", "README.md:2: no such heading: docs/other.md#b-heading-code"),
            ("`ops/here.cpp`", "`ops/gone.cpp`", "README.md:2: no such file: ops/gone.cpp"),
            ("int x;", "int y;", "README.md: the block is not the text of ops/here.cpp")):
        document.write_text(good.replace(old, new))
        assert list(check(root)) == [message], (list(check(root)), message)
    document.write_text(good)
    (root / "ops/here.h").write_text("// docs/" + "none.md says\n")
    assert list(check(root)) == ["ops/here.h:1: no such document: docs/none.md"], list(check(root))


with tempfile.TemporaryDirectory() as folder:
    check_that_faults_are_found(pathlib.Path(folder))
problems = list(check(pathlib.Path(sys.argv[1]).resolve()))
print("\n".join(problems[:60]))
sys.exit(f"{len(problems)} references lead nowhere" if problems else 0)

#!/usr/bin/env python3
"""Checks who includes whom: layers, the rooms inside them, and third-party headers in their places only.

check_includes.py [--self-test] [ROOT]      exit code 1 and a line for each violation
check_includes.py --public-headers [ROOT]   lists the headers that are installed
check_includes.py --lone-headers [ROOT]     lists those of them that no source of their name includes before all else
"""

import argparse
import pathlib
import re
import sys
import tempfile

# A folder may include itself and these.
LAYERS = {
    "runtime": [],
    "ops": ["runtime"],
    "nn": ["ops", "runtime"],
    "exchange": ["runtime"],
    "io": ["exchange", "runtime"],
    "serialize": ["exchange", "io", "nn", "ops", "runtime"],
    "distributed": ["nn", "ops", "runtime"],
    "train": ["distributed", "exchange", "io", "nn", "ops", "runtime"],
}
EVERY_LAYER = list(LAYERS)

# Rooms: the folders inside a layer. A file may include its own room, what lies directly in the layer, and these rooms.
# Of ops/kernels every operator may include the room of its own family's name, and those that KERNELS_FOR_ALL lists.
ROOMS = {
    "runtime": {
        "base": [],
        "memory": ["base"],
        "threads": ["base", "memory"],
        "tensor": ["base", "memory", "threads"],
        "trace": ["base", "memory", "tensor", "threads"],
        "tape": ["base", "memory", "tensor", "threads", "trace"],
        "engine": ["base", "memory", "tape", "tensor", "threads", "trace"],
    },
    "ops": {
        "activations": ["creation", "elementwise", "reductions"],
        "autograd": ["creation"],
        "convolution": ["products"],
        "creation": ["elementwise"],
        "elementwise": ["creation"],
        "indexing": ["creation", "elementwise"],
        "layout": ["creation", "elementwise", "indexing"],
        "losses": ["elementwise", "reductions"],
        "normalization": ["elementwise", "reductions"],
        "pooling": ["creation", "elementwise", "indexing"],
        "products": ["elementwise"],
        "reductions": ["creation", "elementwise"],
        "resampling": ["elementwise", "indexing"],
        "views": ["creation", "elementwise"],
    },
    "ops/kernels": {
        "activations": ["elementwise", "layout"],
        "convolution": ["elementwise", "layout", "products", "reductions"],
        "creation": ["layout"],
        "elementwise": ["layout"],
        "indexing": ["layout"],
        "layout": ["elementwise", "products"],
        "losses": ["activations", "elementwise", "layout", "reductions"],
        "normalization": ["elementwise", "layout", "reductions"],
        "optimizers": ["layout"],
        "pooling": ["elementwise", "layout"],
        "products": ["elementwise", "layout"],
        "reductions": ["elementwise", "layout"],
        "resampling": ["elementwise", "layout"],
    },
    "exchange": {
        "zip": [],
        "torch": ["zip"],
    },
    "io": {
        "config": [],
        "datasets": ["dumps", "hdf5"],
        "dumps": ["datasets", "hdf5"],
        "hdf5": [],
        "runs": ["config", "hdf5"],
    },
    "distributed": {
        "calls": [],
        "node": ["calls"],
        "buckets": ["calls"],
        "shards": ["buckets", "calls"],
        "mpi": ["calls", "node", "shards"],
    },
}
KERNELS_FOR_ALL = ["elementwise", "layout"]
# Layers whose sources form no cycle: a unit is a header with the source and the private header of its name.
WITHOUT_CYCLES = ["runtime"]
# What is not a library: may use all of them. The empty name is the top of the tree, the umbrella headers.
OUTSIDE = ["", "tests", "bench", "examples"]

# Third-party headers, and the folders whose sources and private headers may include them.
THIRD_PARTY = [
    (r"(oneapi/)?dnnl[/.]|dnnl_\w+\.h", ["ops/kernels"]),
    (r"hwy/", ["ops/kernels"]),
    (r"omp\.h", ["ops/kernels"]),
    (r"(oneapi/)?tbb[/.]", ["runtime", "ops/kernels"]),
    (r"backward\.hpp", ["runtime"]),
    (r"hwloc\.h", ["runtime/threads"]),
    (r"mpi(-ext)?\.h", ["distributed", "io"]),
    (r"hdf5\.h|H5\w*\.h", ["io"]),
    (r"toml\+\+/", ["io"]),
    (r"zlib\.h", ["exchange", "io"]),
    (r"libdeflate\.h", ["exchange", "io"]),
    (r"png\.h|jpeglib\.h", ["io/datasets", "tests"]),
    (r"nlohmann/", ["exchange", "io", "train"]),
    (r"spdlog/", ["train"]),
    (r"CLI/", ["train"]),
    (r"httplib\.h", ["train/report"]),
    (r"torch/", ["compat"]),
]
IN_PUBLIC_HEADERS_TOO = r"(oneapi/)?tbb[/.]"
CATCH2 = r"catch2/"
BENCHMARK = r"benchmark/"

# C++'s own headers have neither a dot nor a slash; these are the operating system's and the compiler's.
SYSTEM = (
    r"[a-z_0-9]+|(sys|linux|netinet|arpa)/\w+\.h|"
    r"(cpuid|cxxabi|dlfcn|errno|execinfo|fcntl|getopt|immintrin|limits|math|netdb|numaif|poll|pthread|sched|semaphore|"
    r"signal|spawn|stdint|stdio|stdlib|string|strings|time|ucontext|unistd|x86intrin)\.h"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_private(path):
    """Headers that are not installed: those of the kernels, and those whose name ends in _internal."""
    return path.startswith("ops/kernels/") or path.endswith("_internal.h")


def is_public(path):
    return path.endswith(".h") and path.split("/")[0] not in OUTSIDE and not is_private(path)


def folder_of(path):
    return path.split("/")[0] if "/" in path else ""


def room_of(path):
    """(layer, room) of a path; the room of what lies directly in the layer is empty."""
    for layer in sorted(ROOMS, key=len, reverse=True):
        if path.startswith(layer + "/"):
            rest = path.removeprefix(layer + "/")
            return layer, rest.split("/")[0] if "/" in rest else ""
    return folder_of(path), ""


def sources(root):
    for folder in EVERY_LAYER + OUTSIDE:
        files = (root / folder).glob("*") if folder == "" else (root / folder).rglob("*")
        for file in sorted(files):
            path = file.relative_to(root).as_posix()
            if file.suffix in (".h", ".cpp", ".inc") and not path.startswith("bench/peers/"):
                yield path, file


def check_ours(path, included):
    """What is wrong with this file including backflow/INCLUDED, or nothing."""
    here, there = folder_of(path), folder_of(included)
    if is_public(path) and is_private(included):
        return f"a public header includes <backflow/{included}>, which is private: move the include into a .cpp"
    if included.endswith("_internal.h") and there != here and here not in OUTSIDE:
        return f"<backflow/{included}> is private to {there}/"
    if here in OUTSIDE:
        if there in EVERY_LAYER or there == "" or (there == here and here in OUTSIDE):
            return None
        return f"<backflow/{included}> is no library's header"
    if there != here and there not in LAYERS[here]:
        allowed = ", ".join(LAYERS[here]) or "nothing"
        return f"{here} may include {allowed}: not <backflow/{included}>"
    return None


def check_rooms(path, included):
    """What is wrong with the rooms of a file and of what it includes, or nothing."""
    (here, room), (there, other) = room_of(path), room_of(included)
    if here in ROOMS and room and room not in ROOMS[here]:
        return f"{here}/{room}/ is a new room: it needs a line in scripts/check_includes.py that says what it may include"
    if there not in ROOMS or not other or folder_of(path) in OUTSIDE:
        return None
    if other not in ROOMS[there]:
        return None  # said of the file there
    if here == there:
        if room in ("", other) or other in ROOMS[here][room]:
            return None
        return f"{here}/{room} may include {', '.join(ROOMS[here][room]) or 'no other room'}: not <backflow/{included}>"
    if (here, there) == ("ops", "ops/kernels") and room and other != room and other not in KERNELS_FOR_ALL:
        return f"ops/{room} may include kernels of {', '.join([room, *KERNELS_FOR_ALL])}: not <backflow/{included}>"
    if (here, there) == ("ops/kernels", "ops"):
        return f"ops/kernels may include no operators: not <backflow/{included}>"
    return None


def unit_of(path):
    return re.sub(r"(_internal)?\.\w+$", "", path)


def cycles(root):
    """The includes that close a cycle among the units of a layer that must have none."""
    graph = {}
    for path, file in sources(root):
        if folder_of(path) in WITHOUT_CYCLES:
            unit = graph.setdefault(unit_of(path), {})
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if match and match[2].startswith("backflow/"):
                    included = unit_of(match[2].removeprefix("backflow/"))
                    if included != unit_of(path):
                        unit[included] = f"{path}:{number}"
    found, done = [], set()

    def visit(unit, way):
        for included, place in graph.get(unit, {}).items():
            if included in way:
                around = " -> ".join([*way[way.index(included) :], included])
                found.append(f"{place}: closes a cycle of sources: {around}")
            elif included not in done:
                visit(included, [*way, included])
        done.add(unit)

    for unit in sorted(graph):
        if unit not in done:
            visit(unit, [unit])
    return found


def may_use(path, places):
    """Whether the file lies in one of the places, or is a test or a bench of one."""
    here = folder_of(path)
    if here == "bench":
        return True
    inside = path.removeprefix("tests/")
    for place in places:
        if inside.startswith(place + "/") or (here == "tests" and inside.startswith(place.split("/")[0] + "/")):
            return True
    return False


def check_third_party(path, included):
    if re.fullmatch(SYSTEM, included):
        return None
    if re.match(CATCH2, included):
        return None if path.startswith("tests/catch2.") else "tests include <backflow/tests/catch2.h>, for both versions"
    if re.match(BENCHMARK, included):
        return None if folder_of(path) == "bench" else f"<{included}> belongs in bench"
    for pattern, places in THIRD_PARTY:
        if not re.match(pattern, included):
            continue
        if not may_use(path, places):
            return f"<{included}> belongs in {' and '.join(places)}"
        if is_public(path) and not re.match(IN_PUBLIC_HEADERS_TOO, included):
            return f"<{included}> in a public header: only in .cpp, ops/kernels and *_internal.h"
        return None
    return f"<{included}> is unknown: ours are <backflow/...>; a new library needs a line in scripts/check_includes.py"


def check(root):
    violations = []
    for path, file in sources(root):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, included = match.groups()
            if quote == '"':
                problem = f'"{included}": headers are included as <backflow/folder/name.h>'
            elif included.startswith("backflow/"):
                included = included.removeprefix("backflow/")
                problem = check_ours(path, included) or check_rooms(path, included)
            else:
                problem = check_third_party(path, included)
            if problem:
                violations.append(f"{path}:{number}: {problem}")
    return violations + cycles(root)


GOOD = [
    ("runtime/a.h", "<oneapi/tbb/flow_graph.h>"),
    ("runtime/a.cpp", "<vector>"),
    ("runtime/b.h", "<backflow/runtime/tensor/tensor_methods.inc>"),
    ("ops/a.h", "<backflow/runtime/a.h>"),
    ("ops/kernels/a.h", "<dnnl.hpp>"),
    ("ops/a.cpp", "<backflow/ops/kernels/a.h>"),
    ("distributed/a.cpp", "<mpi.h>"),
    ("io/hdf5/hdf5_internal.h", "<hdf5.h>"),
    ("io/a.cpp", "<backflow/io/hdf5/hdf5_internal.h>"),
    ("train/a.cpp", "<backflow/distributed/a.h>"),
    ("backflow.h", "<backflow/nn/a.h>"),
    ("tests/catch2.h", "<catch2/catch.hpp>"),
    ("tests/ops/a.cpp", "<backflow/tests/catch2.h>"),
    ("tests/ops/b.cpp", "<dnnl.hpp>"),
    ("bench/a.cpp", "<mpi.h>"),
    ("examples/a.cpp", "<backflow/backflow.h>"),
    ("runtime/tape/a.cpp", "<backflow/runtime/tensor/a.h>"),
    ("ops/losses/a.cpp", "<backflow/ops/operator.h>"),
    ("ops/losses/b.cpp", "<backflow/ops/kernels/losses/a.h>"),
    ("ops/losses/c.cpp", "<backflow/ops/kernels/layout/a.h>"),
    ("nn/b.cpp", "<backflow/ops/losses/a.h>"),
]
BAD = [
    ("runtime/a.cpp", "<backflow/ops/a.h>"),
    ("ops/a.cpp", "<backflow/nn/a.h>"),
    ("io/a.cpp", "<backflow/distributed/a.h>"),
    ("io/b.cpp", "<backflow/ops/a.h>"),
    ("distributed/a.cpp", "<backflow/io/a.h>"),
    ("distributed/b.cpp", "<backflow/train/a.h>"),
    ("nn/a.cpp", "<backflow/backflow.h>"),
    ("nn/b.cpp", '"b.h"'),
    ("nn/c.cpp", "<nn/c.h>"),
    ("ops/b.cpp", "<dnnl.hpp>"),
    ("ops/b.h", "<backflow/ops/kernels/a.h>"),
    ("nn/a.h", "<oneapi/tbb/parallel_for.h>"),
    ("runtime/a.cpp", "<mpi.h>"),
    ("distributed/a.h", "<mpi.h>"),
    ("io/a.h", "<hdf5.h>"),
    ("train/a.cpp", "<toml++/toml.h>"),
    ("train/b.cpp", "<backflow/io/hdf5/hdf5_internal.h>"),
    ("train/c.cpp", "<backflow/tests/catch2.h>"),
    ("train/d.cpp", "<boost/any.hpp>"),
    ("tests/nn/a.cpp", "<catch2/catch.hpp>"),
    ("tests/nn/b.cpp", "<mpi.h>"),
    ("examples/a.cpp", "<dnnl.hpp>"),
    ("runtime/tensor/a.cpp", "<backflow/runtime/tape/node.h>"),
    ("runtime/cellar/a.cpp", "<backflow/runtime/base/error.h>"),
    ("ops/products/a.cpp", "<backflow/ops/convolution/a.h>"),
    ("ops/losses/a.cpp", "<backflow/ops/kernels/pooling/a.h>"),
    ("ops/kernels/layout/a.cpp", "<backflow/ops/kernels/pooling/a.h>"),
    ("ops/kernels/layout/b.cpp", "<backflow/ops/layout/a.h>"),
]
# Files, each with one include, that form a cycle, and that form none.
CYCLES = [
    ([("runtime/a.cpp", "runtime/b.h"), ("runtime/b_internal.h", "runtime/a.h")], 1),
    ([("runtime/a.h", "runtime/b.h"), ("runtime/b.cpp", "runtime/c.h"), ("runtime/c.cpp", "runtime/a.h")], 1),
    ([("runtime/a.h", "runtime/c.h"), ("runtime/a.cpp", "runtime/a.h"), ("runtime/b.cpp", "runtime/a.h")], 0),
]


def self_test():
    """Every good include passes and every bad one is found, each in a tree that holds nothing else; so are cycles."""
    failures = []
    for cases, expected in ((GOOD, 0), (BAD, 1)):
        for path, include in cases:
            with tempfile.TemporaryDirectory() as folder:
                file = pathlib.Path(folder) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"#pragma once\n#include {include}\n", encoding="utf-8")
                if len(check(pathlib.Path(folder))) != expected:
                    failures.append(f"self-test: {path} with #include {include}: expected {expected} violation(s)")
    for files, expected in CYCLES:
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "runtime").mkdir()
            for path, included in files:
                (pathlib.Path(folder) / path).write_text(f"#include <backflow/{included}>\n", encoding="utf-8")
            if len(check(pathlib.Path(folder))) != expected:
                failures.append(f"self-test: {files}: expected {expected} cycle(s)")
    return failures


def public_headers(root):
    return [path for path, _ in sources(root) if is_public(path) or re.fullmatch(r"\w+\.h", path)]


def is_first_in_its_source(root, header):
    """Whether every build compiles the header with nothing before it."""
    source = (root / header).with_suffix(".cpp")
    first = re.search(r"^#.*$", source.read_text(encoding="utf-8"), re.M) if source.exists() else None
    return first is not None and first[0] == f"#include <backflow/{header}>"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true", help="prove that the check finds what it should")
    parser.add_argument("--public-headers", action="store_true")
    parser.add_argument("--lone-headers", action="store_true")
    arguments = parser.parse_args()
    if arguments.public_headers or arguments.lone_headers:
        found = public_headers(arguments.root)
        print(*(path for path in found if arguments.public_headers or not is_first_in_its_source(arguments.root, path)), sep="\n")
        return 0
    failures = self_test() if arguments.self_test else check(arguments.root)
    print(*failures, sep="\n", end="\n" if failures else "")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

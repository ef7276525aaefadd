#!/usr/bin/env python3
"""Writes what follows from the operators' declarations: the functions, the methods of Tensor and the registry.

An operator is a struct in a family's file, ops/<folder>/<family>.cpp, with a `static constexpr OperatorInfo info` that
holds its signature in PyTorch's notation; the file ends with the list of its operators (ops/registry.h). The forms of
one with one, two and three spatial dimensions may be one template (ops/dimensions_internal.h). A node that only other
operators record has a `static constexpr NodeInfo info` instead. This script reads these declarations and writes, below
the directory --out,

  backflow/ops/functions.h                    free functions, with the operator's formula and documentation
  backflow/ops/<family>_functions.inc         their definitions, included at the end of the family's file
  backflow/ops/generated_methods.cpp          the definitions of the methods
  backflow/ops/generated_registry.cpp         the list of families, in the order of their names
  backflow/runtime/tensor/tensor_methods.inc  methods, for signatures with an argument `Tensor self`
  outputs.txt                                 the names of all of these, as --list prints them

Only files whose content changed are written. A declaration that can't be read is an error, with file and line; then
nothing is written.
"""
import argparse
import bisect
import pathlib
import re
import sys
import textwrap


class Mistake(Exception):
    """A declaration that can't be read: FILE:LINE: what is wrong: what is needed."""


# ---- C++ as text ----

TOKEN = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<string>(?:u8|[uUL])?R"(?P<delimiter>[^()\\\s"]{0,16})\(.*?\)(?P=delimiter)"
                 | (?:u8|[uUL])?"(?:[^"\\\n]|\\.)*")
      | (?P<char>(?:u8|[uUL])?'(?:[^'\\\n]|\\.)+')
      | (?P<word>[A-Za-z_]\w*|\d(?:[\w.]|'(?=\w))*)
      | (?P<unterminated>/\*|"|')
      | (?P<bracket>[][(){}])""",
    re.X | re.S)
CLOSING = {"(": ")", "[": "]", "{": "}"}
STRUCT = re.compile(r"(?<!\benum\s)\b(?:struct|class)\s+(?:\[\[[^;{}]*?\]\]\s*|alignas\s*\([^;{}]*?\)\s*)*"
                    r"(?P<name>\w+)\s*(?P<specialized><[^;{}()]*>)?\s*(?:final\s*)?(?::[^;{}]*)?\{")
LITERALS = re.compile(r'(?:\s*"(?:[^"\\]|\\.)*")+\s*', re.S)
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S)


def blank(text):
    """Spaces in the place of `text`, with its ends of lines."""
    return re.sub(r"[^\n]", " ", text)


class Source:
    """A C++ file whose positions and lines stay those of the file.

    `code` has spaces for comments; `bare` has them for the insides of string and character literals too, so that a
    bracket or a name in it is one of the language.
    """

    def __init__(self, path):
        self.path = path
        text = path.read_text(encoding="utf-8")
        self.line_starts = [0] + [m.end() for m in re.finditer(r"\n", text)]
        code, bare, done = [], [], 0
        self.closing = {}
        open_brackets = []
        for token in TOKEN.finditer(text):
            between, found = text[done:token.start()], token[0]
            done = token.end()
            kind = token.lastgroup
            code += [between, blank(found) if kind == "comment" else found]
            if kind == "comment":
                bare += [between, blank(found)]
            elif kind in ("string", "char"):
                bare += [between, found[-1] + blank(found[1:-1]) + found[-1]]
            else:
                bare += [between, found]
            if kind == "unterminated":
                self.fail(token.start(), f"{found} without its end")
            if kind == "bracket":
                self.match(open_brackets, token.start(), found)
        if open_brackets:
            self.fail(open_brackets[-1][0], f"'{open_brackets[-1][1]}' is never closed")
        self.code = "".join(code) + text[done:]
        self.bare = "".join(bare) + text[done:]

    def match(self, open_brackets, at, bracket):
        if bracket in CLOSING:
            open_brackets.append((at, bracket))
        elif not open_brackets or CLOSING[open_brackets[-1][1]] != bracket:
            self.fail(at, f"'{bracket}' closes nothing")
        else:
            self.closing[open_brackets.pop()[0]] = at

    def line(self, at):
        return bisect.bisect_right(self.line_starts, at)

    def fail(self, at, message):
        raise Mistake(f"{self.path}:{self.line(at)}: {message}")

    def enclosing_brace(self, at):
        """The position of the innermost brace that `at` lies in, or None."""
        return max((begin for begin, end in self.closing.items() if begin < at < end and self.bare[begin] == "{"),
                   default=None)

    def split(self, begin, end):
        """The ranges between the commas of [begin, end) that no brackets hold; none for what is only space."""
        ranges, at, start = [], begin, begin
        while at < end:
            if self.bare[at] == ",":
                ranges.append((start, at))
                start = at + 1
            at = self.closing.get(at, at) + 1
        ranges.append((start, end))
        return [(b, e) for b, e in ranges if self.bare[b:e].strip()]

    def literals(self, begin, end):
        """The text of the string literals that [begin, end) consists of, or None if it is something else."""
        if not LITERALS.fullmatch(self.code, begin, end):
            return None
        text = "".join(LITERAL.findall(self.code, begin, end))
        return None if re.search(r"\\[^\"\\]", text) else re.sub(r"\\(.)", r"\1", text)


# ---- Signatures ----

NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
# Of each type without its question mark: what a default looks like.
DEFAULTS = {
    "Tensor": None,
    "Tensor[]": None,
    "Scalar": NUMBER,
    "int": r"-?\d+",
    "int[]": r"-?\d+|\[\]",
    "float": NUMBER,
    "bool": "True|False",
    "str": r"'\w*'",
    "ScalarType": r"k\w+",
    "TensorOptions": r"\{\}|k\w+",
    "Generator": None,
}
TYPES = {
    "Tensor": "const Tensor&",
    "Tensor?": "const Tensor&",
    "Tensor[]": "TensorList",
    "Scalar": "const Scalar&",
    "Scalar?": "const std::optional<Scalar>&",
    "int": "std::int64_t",
    "int?": "std::optional<std::int64_t>",
    "int[]": "IntArrayRef",
    "int[]?": "OptionalIntArrayRef",
    "float": "double",
    "float?": "std::optional<double>",
    "bool": "bool",
    "bool?": "std::optional<bool>",
    "str": "std::string_view",
    "str?": "std::optional<std::string_view>",
    "ScalarType": "ScalarType",
    "ScalarType?": "std::optional<ScalarType>",
    "TensorOptions": "TensorOptions",
    "Generator?": "std::optional<Generator>",
}
RESULTS = {
    "Tensor": "Tensor",
    "(Tensor, Tensor)": "std::tuple<Tensor, Tensor>",
    "(Tensor, Tensor, Tensor)": "std::tuple<Tensor, Tensor, Tensor>",
    "(Tensor, Tensor, Tensor, Tensor)": "std::tuple<Tensor, Tensor, Tensor, Tensor>",
    "Tensor[]": "std::vector<Tensor>",
}
VALUES = {"None": "{}", "False": "false", "True": "true", "[]": "{}"}


class Argument:
    """An argument of a signature: `type` and `default` are C++, the default None if there is none."""

    def __init__(self, text, fail):
        match = re.fullmatch(r"(\S+) ([A-Za-z_]\w*)(?:=(.+))?", text)
        if not match:
            fail(f"cannot read argument '{text}': need a type, a name and maybe =default")
        declared, self.name, default = match.groups()
        if declared not in TYPES:
            fail(f"unknown type '{declared}' of argument '{self.name}': need one of {', '.join(TYPES)}")
        self.type, self.default = TYPES[declared], VALUES.get(default, default)
        if declared == "str" and default is None:  # beside an overload that has numbers there
            self.type = "Text"
        if default is None:
            return
        allowed = DEFAULTS[declared.rstrip("?")]
        if default == "None" and declared.endswith("?"):
            self.default = "std::nullopt" if "std::optional" in self.type else "{}"
        elif allowed is None or not re.fullmatch(allowed, default):
            fail(f"default '{default}' of argument '{self.name}': {declared} has no such value")
        if default.startswith("'"):
            self.default = '"' + default.strip("'") + '"'

    def is_self(self):
        return self.name == "self" and self.type == TYPES["Tensor"]

    def declared(self):
        return f"{self.type} {self.name}" + ("" if self.default is None else f" = {self.default}")

    def defined(self):
        return f"{self.type} {self.name}"


class Signature:
    """A signature in PyTorch's notation, which `fail` is told about when it can't be read."""

    def __init__(self, text, fail):
        match = re.fullmatch(r"([A-Za-z_]\w*)\((.*)\) -> (.+)", text)
        if not match or match[3] not in RESULTS:
            fail(f"cannot read '{text}': need name(arguments) -> one of {', '.join(RESULTS)}")
        self.name, self.result = match[1], RESULTS[match[3]]
        parts = match[2].split(", ") if match[2] else []
        if parts.count("*") > 1 or parts[-1:] == ["*"]:
            fail(f"cannot read '{text}': need at most one *, and arguments behind it")
        self.arguments = [Argument(p, fail) for p in parts if p != "*"]
        names = [a.name for a in self.arguments]
        for i, argument in enumerate(self.arguments):
            if argument.name in names[:i]:
                fail(f"two arguments are called '{argument.name}'")
            if i > 0 and argument.default is None and self.arguments[i - 1].default is not None:
                fail(f"argument '{argument.name}' follows one with a default: need a default, as in C++")
        self.is_method = any(a.is_self() for a in self.arguments)

    def types(self):
        return tuple(a.type for a in self.arguments)

    def join(self, render):
        return ", ".join(render(a) for a in self.arguments)

    def join_method(self, render):
        """All arguments but the tensor that the method is called on."""
        return ", ".join(render(a) for a in self.arguments if not a.is_self())

    def call(self):
        return self.join(lambda a: a.name)

    def call_method(self):
        return self.join(lambda a: "*this" if a.is_self() else a.name)


# ---- Declarations ----

STRINGS = ("signature", "formula", "doc", "node", "inplace")
NEEDED = ("signature", "formula", "doc", "dtypes")
DTYPES = re.compile(r"\s*(?:k\w+|\{\s*k\w+(?:\s*,\s*k\w+)*\s*,?\s*\})\s*")


class Info:
    """The fields of a `static constexpr OperatorInfo info`, or of a template's `pattern`, and where each stands."""

    def __init__(self, source, struct, variable, at, begin, end):
        self.source, self.struct, self.at, self.is_pattern = source, struct, at, variable == "pattern"
        self.fields, self.places = {}, {}
        for b, e in source.split(begin, end):
            place = re.compile(r"\s*").match(source.code, b, e).end()
            match = re.compile(r"\.(\w+)\s*=\s*").match(source.bare, place, e)
            if not match:
                source.fail(place, f"struct {struct}: cannot read a field of its info: need .field = value")
            name = match[1]
            if name not in STRINGS + ("dtypes",):
                source.fail(place, f"struct {struct}: OperatorInfo has no field '{name}'")
            if name in self.fields:
                source.fail(place, f"struct {struct}: a second .{name}")
            self.places[name] = place
            self.fields[name] = self.value(name, match.end(), e)
        for need in NEEDED:
            if not self.fields.get(need):
                source.fail(at, f"struct {struct}: its info has no {need}")

    def value(self, name, begin, end):
        if name == "dtypes":
            if not DTYPES.fullmatch(self.source.code, begin, end):
                self.fail(name, "cannot read it: need a constant or a list of dtypes")
            return self.source.code[begin:end].strip()
        text = self.source.literals(begin, end)
        if text is None:
            self.fail(name, f"{' '.join(self.source.code[begin:end].split())}: need ordinary string literals")
        return text

    def fail(self, field, message):
        self.source.fail(self.places[field], f"struct {self.struct}: {field}: {message}")

    def in_dimensions(self, dims):
        """The fields with the placeholders of a pattern replaced."""
        return {name: text if name == "dtypes" else fill_in(text, dims, lambda message: self.fail(name, message))
                for name, text in self.fields.items()}


# What stands for the placeholders of a pattern, as in ops/dimensions_internal.h.
SIZES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def split_at(text, end):
    """The text up to the first `end` that no braces hold, and what follows it; all and None if there is none."""
    depth = 0
    for i, c in enumerate(text):
        if c == end and depth == 0:
            return text[:i], text[i + 1:]
        depth += (c == "{") - (c == "}")
    return text, None


def fill_in(text, dims, fail):
    """The text of a pattern for so many spatial dimensions."""
    out, rest = "", text
    while rest:
        plain, brace, rest = rest.partition("{")
        placeholder, rest = split_at(rest, "}") if brace else ("", "")
        if "}" in plain or rest is None:
            fail(f"'{text}' has a brace without its other one")
        out += plain
        if placeholder in ("N", "sizes"):
            out += str(dims) if placeholder == "N" else SIZES[dims]
        elif brace:
            chosen, others = split_at(placeholder, "|")
            if others is None:
                fail(f"unknown placeholder '{{{placeholder}}}': need {{N}}, {{sizes}} or {{a|b|c}}")
            for _ in range(dims - 1):
                if others is not None:
                    chosen, others = split_at(others, "|")
            out += fill_in(chosen, dims, fail)
    return out


class Operator:
    """What the generated files say about a listed operator, a struct or one form of a template."""

    def __init__(self, listed, info, dims):
        self.struct, self.info = listed, info
        self.fields = info.in_dimensions(dims) if dims else info.fields
        self.signature = self.read_signature("signature")
        self.inplace = self.read_signature("inplace") if "inplace" in self.fields else None
        if self.inplace:
            self.check_inplace()

    def read_signature(self, field):
        return Signature(self.fields[field], lambda message: self.info.fail(field, message))

    def check_inplace(self):
        out, inplace = self.signature, self.inplace
        if inplace.name != out.name + "_" or inplace.result != "Tensor":
            self.info.fail("inplace", f"'{self.fields['inplace']}': need {out.name}_(...) -> Tensor")
        if not (inplace.arguments and inplace.arguments[0].is_self() and inplace.types() == out.types()
                and [a.name for a in inplace.arguments[1:]] == [a.name for a in out.arguments[1:]]):
            self.info.fail("inplace", "need the arguments of the signature, the first called self")

    def comment(self):
        lines = [self.fields["formula"], self.fields["doc"]]
        return "".join(f"/// {line}\n" for text in lines for line in textwrap.wrap(text, 115))

    def declared_functions(self):
        """What it declares, by name and C++ types: no two operators may declare the same."""
        s, i = self.signature, self.inplace
        yield s.name, s.types()
        if s.is_method:
            yield f"Tensor::{s.name}", tuple(a.type for a in s.arguments if not a.is_self())
        if i:
            yield f"Tensor::{i.name}", i.types()[1:]


class Family:
    """The operators that a file lists, in that order."""

    def __init__(self, path, at, operators):
        self.name, self.path, self.at, self.operators = path.stem, path, at, operators


DECLARED = re.compile(r"\b(?P<variable>info|pattern)\s*[=({\[;]")
LIST = re.compile(r"OperatorFamily\s+(?P<function>\w+)\s*\(\s*\)\s*\{\s*return\s+family\s*"
                  r"<(?P<structs>[^;]*)>\s*\(\s*\"(?P<name>[^\"]*)\"\s*\)\s*;\s*\}")
UNREAD = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif|define|undef)\b", re.M)


def find_structs(source):
    """The structs with a body: the position of the opening brace, and the match of STRUCT."""
    return {m.end() - 1: m for m in STRUCT.finditer(source.bare)}


def template_parameters(source, at):
    """The parameters of the struct template at `at`; None if it is no template."""
    start = max(source.bare.rfind(c, 0, at) for c in ";{}") + 1
    before = re.sub(r"^[ \t]*#.*$", "", source.bare[start:at], flags=re.M)
    match = re.match(r"\s*template\s*<(.*)>", before, re.S)
    return " ".join(match[1].split()) if match else None


def check_form(source, struct, variable, at):
    """The form of a declaration: info = {...} in a struct, pattern = {...} and info made of it in a template."""
    parameters = template_parameters(source, struct.start())
    name = struct["name"]
    if struct["specialized"] or (parameters is not None and not re.fullmatch(r"int \w+", parameters)):
        source.fail(at, f"struct {name} is a template: need none, or template <int N> over the spatial dimensions")
    begins_list = re.compile(r"\w+\s*=\s*\{").match(source.bare, at)
    if parameters is None and variable == "pattern":
        source.fail(at, f"struct {name} is no template: need an info instead of the pattern")
    if parameters is not None and variable == "info":
        number = parameters.split()[1]
        made_of_pattern = re.compile(rf"info\s*=\s*(detail::)?in_dimensions<\s*pattern\s*,\s*{number}\s*>\s*;")
        if not made_of_pattern.match(source.bare, at):
            source.fail(at, f"struct {name}: the info of a template: need = in_dimensions<pattern, {number}>")
    elif not begins_list:
        source.fail(at, f"struct {name}: cannot read its {variable}: need = {{.field = value, ...}}")


def read_infos(source):
    """The OperatorInfo of each struct that has one, of templates the pattern. Other infos are NodeInfo, or mistakes."""
    structs = find_structs(source)
    infos, known = {}, set()
    for match in DECLARED.finditer(source.bare):
        brace, at, variable = source.enclosing_brace(match.start()), match.start(), match["variable"]
        before = max(source.bare.rfind(c, 0, at) for c in ";{}:") + 1
        declared = " ".join(source.bare[before:at].split())
        if brace not in structs or (variable == "pattern" and "OperatorInfo" not in declared):
            continue  # a variable of a function, or one that only has that name
        struct = structs[brace]["name"]
        if declared == "static constexpr NodeInfo":
            continue
        if declared != "static constexpr OperatorInfo":
            source.fail(at, f"struct {struct}: '{declared} {variable}': need 'static constexpr OperatorInfo "
                            f"{variable}' for an operator, 'static constexpr NodeInfo info' for a hidden node")
        known.add(source.bare.rfind("OperatorInfo", before, at))
        check_form(source, structs[brace], variable, at)
        opening = source.bare.find("{", at, source.bare.find(";", at))
        if opening < 0:
            continue  # made of the pattern
        if struct in infos:
            source.fail(at, f"struct {struct}: a second struct of that name has an info, at line "
                            f"{source.line(infos[struct].at)}")
        infos[struct] = Info(source, struct, variable, at, opening + 1, source.closing[opening])
    if source.path.suffix != ".h":
        for match in re.finditer(r"\bOperatorInfo\b", source.bare):
            if match.start() not in known:
                source.fail(match.start(), "OperatorInfo: need it only in a struct: static constexpr OperatorInfo info")
    return infos


def read_list(source):
    """The list of operators that ends a family's file, a match of LIST, or None."""
    lists = list(re.finditer(r"\bfamily\s*<", source.bare))
    if not lists:
        return None
    stem = source.path.stem
    if len(lists) > 1:
        source.fail(lists[1].start(), "a second list of operators: the first is at line "
                                      f"{source.line(lists[0].start())}")
    found = LIST.search(source.code)
    if not found:
        source.fail(lists[0].start(), f"cannot read the list of operators: need OperatorFamily {stem}_operators() "
                                      f'{{ return family<...>("{stem}"); }}')
    if found["name"] != stem or found["function"] != f"{stem}_operators":
        source.fail(found.start(), f"{found['function']}() lists the family '{found['name']}': need {stem}_operators() "
                                   f"and '{stem}', the name of the file")
    return found


def read_family(path):
    """The family that a file lists, or None if it lists none and declares no operator."""
    source = Source(path)
    infos, found = read_infos(source), read_list(source)
    if not found:
        for struct, info in infos.items():
            source.fail(info.at, f"struct {struct} is in no list: need it in family<...> at the end of a family's file")
        return None
    unread = UNREAD.search(source.bare)
    if unread:
        source.fail(unread.start(1), f"#{unread[1]}: the declarations are read without a preprocessor: need none in a "
                                     "family's file")
    included = f"#include <backflow/ops/{path.stem}_functions.inc>"
    if source.code.count(included) != 1:
        source.fail(found.start(), f"need one {included} before the list of operators")
    operators, listed = {}, set()
    for begin, end in source.split(found.start("structs"), found.end("structs")):
        entry = "".join(source.bare[begin:end].split())
        at = end - len(source.bare[begin:end].lstrip())
        match = re.fullmatch(r"(\w+)(?:<([123])>)?", entry)
        info = infos.get(match[1]) if match else None
        if not info:
            source.fail(at, f"{entry} is listed: need a struct of that name with an OperatorInfo in this file")
        if info.is_pattern != (match[2] is not None):
            source.fail(at, f"{entry} is listed, but " + (f"{entry} is a template: need its number of dimensions"
                                                          if info.is_pattern else f"{match[1]} is no template"))
        if entry in operators:
            source.fail(at, f"{entry} is listed twice")
        operators[entry] = Operator(entry, info, int(match[2] or 0))
        listed.add(info.struct)
    for struct, info in infos.items():
        if struct not in listed:
            source.fail(info.at, f"struct {struct} is not in the list at line {source.line(found.start())}")
    return Family(path, source.line(found.start()), list(operators.values()))


def read_families(paths):
    """All families in the order of their names."""
    families, declared = {}, {}
    for path in sorted(paths):
        family = read_family(path)
        if not family:
            continue
        if family.name in families:
            raise Mistake(f"{path}:{family.at}: a second family '{family.name}': the first is "
                          f"{families[family.name].path}")
        families[family.name] = family
        for op in family.operators:
            for function in op.declared_functions():
                here = f"{path}:{op.info.source.line(op.info.places['signature'])}"
                if function in declared:
                    raise Mistake(f"{here}: struct {op.struct}: {function[0]}({', '.join(function[1])}) is declared "
                                  f"already, by {declared[function]}")
                declared[function] = here
    if not families:
        raise Mistake("no operator is declared in any of the files")
    return [families[name] for name in sorted(families)]


# ---- What is generated ----

HEAD = "// Generated by ops/generate.py from the operators' declarations; do not edit.\n"
FUNCTIONS_HEAD = HEAD + """#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/base/text.h>

namespace backflow {
"""


def functions_header(families):
    out = [FUNCTIONS_HEAD]
    for family in families:
        out.append(f"\n// ---- {family.name} ----\n")
        for op in family.operators:
            s = op.signature
            out.append(f"\n{op.comment()}{s.result} {s.name}({s.join(Argument.declared)});\n")
    out.append("\n}  // namespace backflow\n")
    return "".join(out)


def method_declarations(families):
    out = [HEAD]
    for op in (op for family in families for op in family.operators):
        s, i = op.signature, op.inplace
        if s.is_method:
            out.append(f"{s.result} {s.name}({s.join_method(Argument.declared)}) const;\n")
        if i:
            out.append(f"Tensor& {i.name}({i.join_method(Argument.declared)}) const;\n")
    return "".join(out)


def method_definitions(families):
    out = [HEAD, "#include <backflow/ops/functions.h>\n\nnamespace backflow {\n\n"]
    for s in (op.signature for family in families for op in family.operators):
        if s.is_method:
            out.append(f"{s.result} Tensor::{s.name}({s.join_method(Argument.defined)}) const {{\n"
                       f"  return backflow::{s.name}({s.call_method()});\n}}\n\n")
    out.append("}  // namespace backflow\n")
    return "".join(out)


def family_definitions(family):
    out = [HEAD]
    for op in family.operators:
        s, i = op.signature, op.inplace
        out.append(f"{s.result} {s.name}({s.join(Argument.defined)}) {{ return record<{op.struct}>({s.call()}); }}\n")
        if i:
            out.append(f"Tensor& Tensor::{i.name}({i.join_method(Argument.defined)}) const "
                       f"{{ return record_inplace<{op.struct}>({i.call_method()}); }}\n")
    return "".join(out)


def registry(families):
    names = [family.name for family in families]
    declared = "".join(f"OperatorFamily {n}_operators();\n" for n in names)
    calls = ", ".join(f"{n}_operators()" for n in names)
    return (f"{HEAD}#include <backflow/ops/registry.h>\n\nnamespace backflow {{\n\n{declared}\n"
            f"const std::vector<OperatorFamily>& operator_registry() {{\n"
            f"  static const std::vector<OperatorFamily> kFamilies = {{{calls}}};\n  return kFamilies;\n}}\n\n"
            f"}}  // namespace backflow\n")


def generated(families):
    """The contents of each file, by its name below --out."""
    files = {
        "backflow/ops/functions.h": functions_header(families),
        "backflow/ops/generated_methods.cpp": method_definitions(families),
        "backflow/ops/generated_registry.cpp": registry(families),
        "backflow/runtime/tensor/tensor_methods.inc": method_declarations(families),
    }
    files.update({f"backflow/ops/{f.name}_functions.inc": family_definitions(f) for f in families})
    return files


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, type=pathlib.Path, help="include root to write to")
    parser.add_argument("--list", action="store_true", help="write nothing, print the names of the files")
    parser.add_argument("sources", nargs="+", type=pathlib.Path, help="the files of ops/ that may declare operators")
    args = parser.parse_args()
    try:
        files = generated(read_families(args.sources))
    except Mistake as mistake:
        sys.exit(f"generate.py: {mistake}")
    names = "".join(f"{args.out / name}\n" for name in files)
    if args.list:
        print(names, end="")
        return
    for name, text in files.items():
        write(args.out / name, text)
    write(args.out / "outputs.txt", names)


if __name__ == "__main__":
    main()

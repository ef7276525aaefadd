#!/usr/bin/env python3
"""What ops/generate.py makes of declarations, which mistakes it finds and where, and what the build does with it."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["BACKFLOW_SOURCE"])
SCRIPT = SOURCE / "ops/generate.py"

INFO = """static constexpr OperatorInfo info = {
      .signature = "half(Tensor self) -> Tensor",
      .formula = "y = x / 2;  dx = dy / 2",
      .doc = "Half of x.",
      .dtypes = kFloatingDtypes,
  };"""
HALF = f"struct Half {{\n  {INFO}\n}};\n"
LIST = """
#include <backflow/ops/halves_functions.inc>
OperatorFamily halves_operators() { return family<Half>("halves"); }
"""


def run(root, files, *options):
    """The script's result for these files, by name below root/ops; its outputs go to root/out."""
    paths = []
    for name, text in files.items():
        paths.append(root / "ops" / name)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_text(text)
    return generate(root / "out", *options, *paths)


def generate(out, *arguments):
    return subprocess.run([sys.executable, SCRIPT, "--out", out, *arguments], capture_output=True, text=True)


def made(text, name="halves.cpp"):
    """What is made of a good family: the functions' header, the methods, the family's definitions."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        result = run(root, {name: text})
        assert result.returncode == 0, (text, result.stderr)
        out = root / "out/backflow"
        return [(out / file).read_text() for file in
                ("ops/functions.h", "runtime/tensor/tensor_methods.inc", "ops/halves_functions.inc")]


def mistake(text, message, name="halves.cpp", **others):
    """The script must end with 1 and say that the line that ends with `// <--` has this mistake, and make nothing."""
    files = {name: text, **{f"{stem}.cpp": other for stem, other in others.items()}}
    places = [f"{file}:{i}" for file, content in files.items()
              for i, line in enumerate(content.split("\n"), 1) if line.endswith("// <--")]
    assert len(places) == 1, (places, text)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        result = run(root, files)
        said = result.stderr.replace(f"{root}/ops/", "")
        assert result.returncode == 1 and said.startswith(f"generate.py: {places[0]}: ") and message in said, \
            f"want '{places[0]}: ... {message}', got exit code {result.returncode} and {said}\n{text}"
        assert not (root / "out").exists(), text


def changed(old, new, text=HALF + LIST):
    assert text.count(old) == 1, (old, text)
    return text.replace(old, new)


def with_signature(signature):
    return changed('"half(Tensor self) -> Tensor",', f'"{signature}",  // <--')


def with_field(line):
    return changed("      .dtypes = kFloatingDtypes,\n", f"      .dtypes = kFloatingDtypes,\n      {line}\n")


def check_good_families():
    header, methods, family = made(HALF + LIST)
    assert "/// y = x / 2;  dx = dy / 2\n/// Half of x.\nTensor half(const Tensor& self);\n" in header, header
    assert methods.endswith("do not edit.\nTensor half() const;\n"), methods
    assert family.endswith("Tensor half(const Tensor& self) { return record<Half>(self); }\n"), family

    _, methods, family = made(with_field('.inplace = "half_(Tensor self) -> Tensor",'))
    assert methods.endswith("Tensor half() const;\nTensor& half_() const;\n"), methods
    assert family.endswith("Tensor& Tensor::half_() const { return record_inplace<Half>(*this); }\n"), family

    signature = ("half(Tensor x, Tensor? w=None, *, int[] dim=[], float? eps=None, str mode='up', bool keep=False, "
                 "TensorOptions options={}) -> (Tensor, Tensor)")
    header, methods, family = made(with_signature(signature))
    assert ("std::tuple<Tensor, Tensor> half(const Tensor& x, const Tensor& w = {}, IntArrayRef dim = {}, "
            "std::optional<double> eps = std::nullopt, std::string_view mode = \"up\", bool keep = false, "
            "TensorOptions options = {});\n") in header, header
    assert "half" not in methods, methods
    assert "{ return record<Half>(x, w, dim, eps, mode, keep, options); }" in family, family
    # A text without a default stands beside overloads that have numbers there.
    assert "Tensor half(const Tensor& x, Text mode);" in made(with_signature("half(Tensor x, str mode) -> Tensor"))[0]
    header, methods, family = made(with_signature("half(int n, Tensor self) -> Tensor[]"))
    assert "std::vector<Tensor> half(std::int64_t n) const;" in methods, methods


def check_comments_and_strings():
    plain = made(HALF + LIST)
    inplace = '.inplace = "half_(Tensor self) -> Tensor",'
    for comment in (f"// {inplace}", f"/* {inplace} */", f"/*\n {inplace}\n*/", f"// one \\\n {inplace}"):
        assert made(with_field(comment)) == plain, comment
    other = HALF.replace("Half", "Other")
    for comment in ("/*" + other + "*/", "".join(f"// {line}\n" for line in other.split("\n"))):
        assert made(comment + HALF + LIST) == plain, comment
    assert made(HALF + '// return family<Other>("halves");\n' + LIST) == plain
    # What looks like a comment, a bracket or an end of a string, in one.
    for text in ('const char* a = "// /* } \\" {";', "const char a = '\"', b = '}', c = '\\'';",
                 "const int n = 1'000'000;", 'const char* a = R"(" } // )";', 'const char* a = R"x()" { /* )x";'):
        assert made(f"{text}\n{HALF}{LIST}") == plain, text
    doc = "https://backflow // /* {[( */ \\\"x\\\" \\\\"
    header = made(changed("Half of x.", doc))[0]
    assert '/// https://backflow // /* {[( */ "x" \\\n' in header, header
    assert made(changed('"Half of x."', '"Half "  // of what?\n          "of x."')) == plain


def check_formats():
    plain = made(HALF + LIST)
    indented = "".join(f"    {line}\n" for line in HALF.split("\n"))
    no_layout = re.sub(r"\n\s*", " ", HALF)
    for text in (indented, no_layout, HALF.replace("{", "\n{\n"), HALF.replace("};", "}\n;"),
                 f"namespace a {{ namespace {{ {HALF} }} }}", HALF.replace("kFloatingDtypes,", "{kInt32, kInt64}"),
                 HALF.replace("struct Half {", "struct Half final : Base<Half, 1>, Other {"),
                 HALF.replace("struct Half {", "class [[nodiscard]] Half {\n  struct Inner { int n; };\n public:"),
                 HALF.replace("\n};", "\n  void f() { const auto info = g(); }\n};")):
        assert made(text + LIST) == plain, text
    for text in ('OperatorFamily halves_operators()\n{\n  return family<\n    Half\n  >(\n    "halves");\n}\n',
                 'OperatorFamily halves_operators(){return family<Half>("halves");}'):
        assert made(HALF + "#include <backflow/ops/halves_functions.inc>\n" + text) == plain, text


def check_hidden_nodes():
    node = 'template <int kKind>\nstruct Node : Base {\n  static constexpr NodeInfo info{kNames[kKind]};\n};\n'
    assert made(HALF + node + LIST) == made(HALF + LIST)
    mistake(HALF + node.replace("NodeInfo info", "auto info = f").replace("};", "};  // <--", 1) + LIST,
            "struct Node: 'static constexpr auto info': need 'static constexpr OperatorInfo info'")
    mistake(f"struct Node {{\n  static inline NodeInfo info = f();  // <--\n}};\n{HALF}{LIST}",
            "struct Node: 'static inline NodeInfo info': need")
    mistake(f"const OperatorInfo& other();  // <--\n{HALF}{LIST}", "OperatorInfo: need it only in a struct")
    mistake(f"using Alias = OperatorInfo;  // <--\n{HALF}{LIST}", "OperatorInfo: need it only in a struct")


BLUR = """template <int N>
struct Blur : Base<Blur<N>> {
  static constexpr OperatorInfo pattern = {
      .signature = "blur{N}d(Tensor self{|, int rows|, int rows, int planes}) -> Tensor",
      .formula = "y = x",
      .doc = "{Of [{sizes}].|As blur1d, of [{sizes}] in {a line|a {square|square|cube of side {N}}}.}",
      .dtypes = kFloatingDtypes,
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
};
#include <backflow/ops/halves_functions.inc>
OperatorFamily halves_operators() { return family<Blur<1>, Blur<2>, Blur<3>>("halves"); }
"""


def check_dimensions():
    """As tests/ops/dimensions_test.cpp has it of the same pattern."""
    header, methods, family = made(BLUR)
    assert "/// Of [length].\nTensor blur1d(const Tensor& self);\n" in header, header
    assert ("/// As blur1d, of [height, width] in a square.\nTensor blur2d(const Tensor& self, std::int64_t rows);\n"
            in header), header
    assert "/// As blur1d, of [depth, height, width] in a cube of side 3.\nTensor blur3d(" in header, header
    assert "Tensor blur3d(std::int64_t rows, std::int64_t planes) const;\n" in methods, methods
    assert "{ return record<Blur<2>>(self, rows); }" in family, family

    def blur(old, new, message):
        mistake(changed(old, new, BLUR), message)

    entry = 'return family<Blur<1>, Blur<2>, Blur<3>>("halves"); }'
    for listed, message in {
        "Blur<1>, Blur<4>": "Blur<4> is listed: need a struct of that name",
        "Blur": "Blur is listed, but Blur is a template: need its number of dimensions",
        "Blur<1>, Blur<1>": "Blur<1> is listed twice",
        "Other<1>": "Other<1> is listed: need a struct of that name",
    }.items():
        blur(entry, f'return family<{listed}>("halves"); }}  // <--', message)
    mistake(changed('family<Half>("halves"); }', 'family<Half<1>>("halves"); }  // <--'), "Half is no template")
    made_of = "info = in_dimensions<pattern, N>;"
    blur(made_of, "info = in_dimensions<pattern, 2>;  // <--",
         "struct Blur: the info of a template: need = in_dimensions<pattern, N>")
    blur(made_of, "info = {};  // <--", "struct Blur: the info of a template: need")
    blur("{|, int rows|, int rows, int planes}) -> Tensor\",", "{rows}) -> Tensor\",  // <--",
         "struct Blur: signature: unknown placeholder '{rows}': need {N}, {sizes} or {a|b|c}")
    for text in ("{a|b", "a}", "{a|{N}"):
        blur('"y = x",', f'"{text}",  // <--', f"struct Blur: formula: '{text}' has a brace without its other one")
    for parameters in ("class N", "int N, int M", ""):
        text = BLUR.replace("<int N>", f"<{parameters}>").replace("pattern = {", "pattern = {  // <--")
        mistake(text, "struct Blur is a template: need none, or template <int N> over the spatial dimensions")
    mistake(BLUR.replace("template <int N>\n", "").replace("pattern = {", "pattern = {  // <--"),
            "struct Blur is no template: need an info instead of the pattern")


def check_mistakes_in_structs():
    listless = HALF.replace("info = {", "info = {  // <--")
    mistake(listless, "struct Half is in no list")
    mistake(listless, "struct Half is in no list", name="halves_internal.h")
    mistake(listless.replace("Half", "Other") + HALF + LIST, "struct Other is not in the list at line 19")
    mistake(HALF + "namespace a {\n" + listless + "}\n" + LIST, "a second struct of that name has an info, at line 2")
    mistake("template <class T>\n" + listless + LIST, "struct Half is a template")
    mistake("template <>\n" + listless.replace("Half", "Half<1>") + LIST, "struct Half is a template")
    mistake(changed(INFO, "static constexpr OperatorInfo info = make(\"half\");  // <--"), "cannot read its info")
    mistake(with_field(".nodes = \"HalfBackward0\",  // <--"), "OperatorInfo has no field 'nodes'")
    mistake(with_field(".doc = \"Half of y.\",  // <--"), "struct Half: a second .doc")
    mistake(with_field("nullptr,  // <--"), "need .field = value")
    for field in ("signature", "formula", "doc", "dtypes"):
        lines = [line for line in listless.split("\n") if f".{field} =" not in line]
        mistake("\n".join(lines) + LIST, f"struct Half: its info has no {field}")
    mistake(changed('"Half of x."', '""').replace("info = {", "info = {  // <--"), "struct Half: its info has no doc")
    for value in ("kDoc", 'kDoc "x"', 'R"(x)"', 'u8"x"', '"x" + 1', '"a\\n"', "nullptr"):
        mistake(changed('"Half of x.",', f"{value},  // <--"), "struct Half: doc: " + value)
    mistake(changed("kFloatingDtypes,", "dtypes_of(x),  // <--"), "struct Half: dtypes: cannot read it")


def check_mistakes_in_signatures():
    for signature, message in {
        "half(Tensor self)": "cannot read 'half(Tensor self)': need name(arguments) -> one of Tensor, (Tensor, Tensor)",
        "half(Tensor self) -> Tensors": "cannot read 'half(Tensor self) -> Tensors'",
        "half(Tenser self) -> Tensor": "unknown type 'Tenser' of argument 'self': need one of Tensor, Tensor?",
        "half(Tensor) -> Tensor": "cannot read argument 'Tensor'",
        "half(Tensor self,int n) -> Tensor": "cannot read argument 'Tensor self,int n'",
        "half(Tensor self, ) -> Tensor": "cannot read argument ''",
        "half(int x, *, *, int n) -> Tensor": "cannot read 'half(int x, *, *, int n) -> Tensor': need at most one",
        "half(Tensor x, *) -> Tensor": "cannot read 'half(Tensor x, *) -> Tensor': need at most one *, and arguments",
        "half(Tensor self, int self) -> Tensor": "two arguments are called 'self'",
        "half(Tensor self, int n=1, int m) -> Tensor": "argument 'm' follows one with a default",
        "half(Tensor self, int n=None) -> Tensor": "default 'None' of argument 'n': int has no such value",
        "half(Tensor self, int n=0.5) -> Tensor": "default '0.5'",
        "half(Tensor self, bool n=true) -> Tensor": "default 'true'",
        "half(Tensor self, str n=up) -> Tensor": "default 'up'",
        "half(Tensor self, Tensor n=1) -> Tensor": "default '1'",
    }.items():
        mistake(with_signature(signature), f"struct Half: signature: {message}")
    for inplace in ("half(Tensor self) -> Tensor", "halve_(Tensor self) -> Tensor", "half_(Tensor self) -> Tensor[]"):
        mistake(with_field(f'.inplace = "{inplace}",  // <--'), f"inplace: '{inplace}': need half_(...) -> Tensor")
    for inplace in ("half_() -> Tensor", "half_(Tensor x) -> Tensor", "half_(Tensor self, int n) -> Tensor"):
        mistake(with_field(f'.inplace = "{inplace}",  // <--'), "inplace: need the arguments of the signature")


def check_mistakes_in_lists():
    entry = "return family<Half>"
    node = 'struct Other { static constexpr NodeInfo info{"x"}; };\n'
    for other in ("", node):
        mistake(other + changed(f'{entry}("halves"); }}', 'return family<Half, Other>("halves"); }  // <--'),
                "Other is listed: need a struct of that name with an OperatorInfo")
    mistake(changed(entry, "return family<Half,  \nHalf>  // <--\n"), "Half is listed twice")
    mistake(HALF + LIST + f'auto other() {{ {entry}("halves"); }}  // <--',
            "a second list of operators: the first is at line 11")
    mistake(changed('<Half>("halves"); }', "<Half>(kName); }  // <--"), "cannot read the list of operators")
    mistake(changed('("halves"); }', '("halfs"); }  // <--'), "halves_operators() lists the family 'halfs': need")
    mistake(changed("halves_operators() {", "halfs_operators() {  // <--\n"),
            "halfs_operators() lists the family 'halves': ")
    mistake(changed("operators() {", "operators() {  // <--\n"), "need fifths_operators() and 'fifths'",
            name="fifths.cpp")
    without = changed("#include <backflow/ops/halves_functions.inc>\n", "")
    for text in (without, "// #include <backflow/ops/halves_functions.inc>\n" + without):
        mistake(changed("operators() {", "operators() {  // <--\n", text),
                "need one #include <backflow/ops/halves_functions.inc>")
    for directive in ("#if 0", "# define INFO 1", "#ifdef __AVX2__"):
        mistake(f"{directive}  // <--\n{HALF}{LIST}", "the declarations are read without a preprocessor")
    with tempfile.TemporaryDirectory() as folder:
        result = run(pathlib.Path(folder), {"a.cpp": "// nothing\n"})
        assert result.returncode == 1 and "no operator is declared" in result.stderr, result


def check_mistakes_between_families():
    first = HALF + LIST
    mistake(changed("operators() {", "operators() {  // <--\n"), "a second family 'halves': the first is ",
            name="b/halves.cpp", **{"a/halves": first})
    other = first.replace("halves", "other")
    declared = '"half(Tensor self) -> Tensor",'
    for signature in ("half(Tensor self)", "half(Tensor input)"):
        mistake(changed(declared, f'"{signature} -> Tensor",  // <--', other),
                "struct Half: half(const Tensor&) is declared already, by ", name="other.cpp", halves=first)
    # Two functions, but one method.
    mistake(changed(declared, '"half(int n, Tensor self) -> Tensor",  // <--', other),
            "Tensor::half(std::int64_t) is declared already, by ", name="other.cpp",
            halves=changed(declared, '"half(Tensor self, int n) -> Tensor",'))


def check_brackets():
    mistake("void f() {  // <--\n" + HALF + LIST, "'{' is never closed")
    mistake(HALF + LIST + "}  // <--", "'}' closes nothing")
    mistake("int n = (1];  // <--\n" + HALF + LIST, "']' closes nothing")
    mistake("const char* s = \"x;  // <--\n" + HALF + LIST, "\" without its end")
    mistake("int n = 1;  /*  // <--\n" + HALF + LIST, "/* without its end")


def check_the_tree():
    """The operators of this tree are read, twice to the same bytes; what has not changed is not written."""
    sources = [p for pattern in ("*.cpp", "*.h") for p in (SOURCE / "ops").rglob(pattern) if "kernels" not in p.parts]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        listed = generate(out, "--list", *sources).stdout
        assert not out.exists()
        assert generate(out, *sources).returncode == 0
        assert (out / "outputs.txt").read_text() == listed
        files = sorted(p for p in out.rglob("*") if p.is_file())
        assert sorted(listed.split("\n")[:-1] + [str(out / "outputs.txt")]) == [str(p) for p in files], listed
        assert len(files) > 40, files
        first = {p: p.read_bytes() for p in files}
        edited = out / "backflow/ops/functions.h"
        edited.write_text("// an edit\n")
        for path in files:
            os.utime(path, (1e9, 1e9))
        sources.reverse()
        assert generate(out, *sources).returncode == 0
        assert {p: p.read_bytes() for p in files} == first
        assert [p for p in files if p.stat().st_mtime != 1e9] == [edited]


def check_the_build():
    """An edit of a family or of the script makes anew what changes; so does a file that was deleted."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "ops/kernels").mkdir(parents=True)
        shutil.copy(SCRIPT, root / "ops")
        shutil.copytree(SOURCE / "cmake", root / "cmake")
        (root / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(test LANGUAGES NONE)\n"
                                             "include(cmake/BackflowGenerate.cmake)\n")
        (root / "ops/halves.cpp").write_text(HALF + LIST)
        (root / "ops/other.cpp").write_text("// no family yet\n")
        subprocess.run(["cmake", "-G", "Ninja", "-S", root, "-B", root / "build"], check=True, capture_output=True)
        generated = root / "build/generated/backflow"

        def build():
            command = ["cmake", "--build", root / "build", "--target", "backflow_generate"]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            return "Generating the operators" in result.stdout

        assert build() and not build()
        for output in [p for p in generated.rglob("*") if p.is_file()]:
            text = output.read_text()
            output.unlink()
            assert build() and output.read_text() == text and not build(), output
        header = generated / "ops/functions.h"
        before = header.stat().st_mtime_ns
        (root / "ops/halves.cpp").write_text(f"int new_code();\n{HALF}{LIST}")
        assert build() and header.stat().st_mtime_ns == before and not build()
        (root / "ops/halves.cpp").write_text(changed("Half of x.", "A half."))
        assert build() and "/// A half." in header.read_text() and not build()
        (root / "ops/kernels/kernel.cpp").write_text("int kernel();\n")
        assert not build()
        script = root / "ops/generate.py"
        script.write_text(script.read_text().replace("/// {line}", "//! {line}"))
        assert build() and "//! A half." in header.read_text() and not build()
        # A file that becomes a family has an output of its own.
        (root / "ops/other.cpp").write_text((HALF + LIST).replace("halves", "other").replace("half", "third"))
        definitions = generated / "ops/other_functions.inc"
        assert build() and definitions.exists()
        build()
        definitions.unlink()
        assert build() and definitions.exists()


check_good_families()
check_comments_and_strings()
check_formats()
check_hidden_nodes()
check_dimensions()
check_mistakes_in_structs()
check_mistakes_in_signatures()
check_mistakes_in_lists()
check_mistakes_between_families()
check_brackets()
check_the_tree()
check_the_build()

#include <backflow/train/views/operators_text.h>

#include <algorithm>
#include <sstream>

#include <backflow/io/config.h>
#include <backflow/io/nearest.h>

namespace backflow::train {
namespace {

constexpr std::size_t kWidth = 110;

std::string inplace_name(const OperatorInfo& op) {
  return op.inplace == nullptr ? "" : std::string(function_name(op.inplace));
}

bool equal(const DtypeSet& a, const DtypeSet& b) {
  return std::all_of(std::begin(kAllDtypes), std::end(kAllDtypes),
                     [&](ScalarType dtype) { return a.contains(dtype) == b.contains(dtype); });
}

/// `text` in lines of up to kWidth characters, each indented.
std::string wrapped(const std::string& text, const std::string& indent) {
  std::string result;
  std::string line = indent;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() > indent.size() && line.size() + word.size() >= kWidth) {
      result += line + '\n';
      line = indent;
    }
    line += (line.size() > indent.size() ? " " : "") + word;
  }
  return result + line + '\n';
}

std::string escaped(const std::string& text, std::string_view characters) {
  std::string result;
  for (const char c : text) {
    result += (characters.find(c) == std::string_view::npos ? "" : "\\") + std::string(1, c);
  }
  return result;
}

/// In a table, where a bar would end the cell, even in code.
std::string code(const std::string& text) { return text.empty() ? "" : "`" + escaped(text, "|") + "`"; }

constexpr const char* kIntroduction = R"(# Operators

What `backflow ops --markdown` prints: a table for each family, which is one file in a folder of `ops/`. `backflow ops NAME` prints one
operator. The texts are declared beside the operators' code. After changing one, make this file anew:
`build/release/bin/backflow ops --markdown > docs/operators.md`.

Signatures are in PyTorch's notation. A first argument called `self` makes the function a method of `Tensor` as well. In formulas, `x`
and `w` are operands, `y` is the result, and `dx`, `dw`, `dy` are their gradients. Dtypes are those of the tensor operands, without
indices and masks; `floating` are bfloat16, float32 and float64. The node is what `grad_fn()` of the result is called. An operator
without a node is made of others, or has no gradient.
)";

}  // namespace

std::string dtypes_text(const DtypeSet& dtypes) {
  struct Known {
    const char* name;
    DtypeSet dtypes;
  };
  for (const Known& known :
       {Known{"any", kAnyDtype}, {"all but bool", kNumericDtypes}, {"floating", kFloatingDtypes}}) {
    if (equal(dtypes, known.dtypes)) {
      return known.name;
    }
  }
  std::string list;
  for (const ScalarType dtype : kAllDtypes) {
    if (dtypes.contains(dtype)) {
      list += (list.empty() ? "" : ", ") + std::string(name(dtype));
    }
  }
  return list;
}

std::vector<OperatorFamily> find_operators(const std::vector<OperatorFamily>& families, std::string_view name) {
  if (name.empty()) {
    return families;
  }
  std::vector<OperatorFamily> found;
  std::vector<std::string> names;
  for (const OperatorFamily& family : families) {
    OperatorFamily part{family.name, {}};
    for (const OperatorInfo& op : family.operators) {
      names.insert(names.end(), {std::string(op.name), inplace_name(op)});
      if (name == std::string_view(op.name) || name == inplace_name(op)) {
        part.operators.push_back(op);
      }
    }
    if (!part.operators.empty()) {
      found.push_back(std::move(part));
    }
  }
  if (found.empty()) {
    const std::string near = io::nearest(name, names);
    throw io::ConfigError(to_text("ops: unknown operator '", name, "'",
                                  near.empty() ? "; 'backflow ops' lists all" : "; did you mean '" + near + "'?"));
  }
  return found;
}

std::string operators_text(const std::vector<OperatorFamily>& families) {
  std::string text;
  for (const OperatorFamily& family : families) {
    text += (text.empty() ? "" : "\n") + std::string(family.name) + '\n';
    for (const OperatorInfo& op : family.operators) {
      text += to_text("\n  ", op.signature, '\n', wrapped(op.formula, "      "), wrapped(op.doc, "      "),
                      "      dtypes: ", dtypes_text(op.dtypes), '\n');
      if (op.inplace != nullptr) {
        text += to_text("      in place: ", op.inplace, '\n');
      }
      if (op.node != nullptr) {
        text += to_text("      node: ", op.node, '\n');
      }
    }
  }
  return text;
}

std::string operators_markdown(const std::vector<OperatorFamily>& families) {
  std::string text = kIntroduction;
  for (const OperatorFamily& family : families) {
    text += to_text("\n## ", family.name, "\n\n| signature | formula | | dtypes | in place | node |\n",
                    "|---|---|---|---|---|---|\n");
    for (const OperatorInfo& op : family.operators) {
      text += to_text("| ", code(op.signature), " | ", code(op.formula), " | ", escaped(op.doc, "|<*"), " | ",
                      dtypes_text(op.dtypes), " | ", code(inplace_name(op)), " | ",
                      code(op.node == nullptr ? "" : op.node), " |\n");
    }
  }
  return text;
}

}  // namespace backflow::train

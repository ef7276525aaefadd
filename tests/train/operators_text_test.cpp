// `backflow ops`: what is printed of the operators' declarations.
#include <string>

#include <backflow/io/config.h>
#include <backflow/train/views/operators_text.h>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::train;

namespace {

const std::vector<OperatorFamily>& families() {
  static const std::vector<OperatorFamily> kFamilies = {{"joining",
                                                         {{.signature = "cat(Tensor[] tensors) -> Tensor",
                                                           .formula = "y = x | w",
                                                           .doc = "Joins.",
                                                           .dtypes = kAnyDtype}}},
                                                        {"unary",
                                                         {{.signature = "exp(Tensor self) -> Tensor",
                                                           .formula = "y = e^x;  dx = dy y",
                                                           .doc = "The exp.",
                                                           .dtypes = kFloatingDtypes,
                                                           .node = "ExpBackward0",
                                                           .inplace = "exp_(Tensor self) -> Tensor"},
                                                          {.signature = "abs(Tensor self) -> Tensor",
                                                           .formula = "y = |x|",
                                                           .doc = "The size.",
                                                           .dtypes = kSingleAndDouble}}}};
  return kFamilies;
}

std::string error_of(const std::string& name) {
  try {
    find_operators(families(), name);
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("operators text: names of dtypes") {
  CHECK(dtypes_text(kAnyDtype) == "any");
  CHECK(dtypes_text(kNumericDtypes) == "all but bool");
  CHECK(dtypes_text(kFloatingDtypes) == "floating");
  CHECK(dtypes_text(kSingleAndDouble) == "float32, float64");
  CHECK(dtypes_text({kInt64, kBool}) == "bool, int64");
}

TEST_CASE("operators text: all that a declaration says, under the name of its family") {
  CHECK(operators_text(find_operators(families(), "exp")) == R"(unary

  exp(Tensor self) -> Tensor
      y = e^x; dx = dy y
      The exp.
      dtypes: floating
      in place: exp_(Tensor self) -> Tensor
      node: ExpBackward0
)");
  const std::string all = operators_text(families());
  CHECK(all.find("joining\n\n  cat(") == 0);
  CHECK(all.find("\n\nunary\n\n  exp(") != std::string::npos);
}

TEST_CASE("operators text: lines of documentation are cut between words") {
  std::string doc;
  for (int i = 0; i < 60; ++i) {
    doc += "word ";
  }
  const std::string text = operators_text(
      {{"f", {{.signature = "f() -> Tensor", .formula = "y", .doc = doc.c_str(), .dtypes = kAnyDtype}}}});
  std::size_t words = 0;
  for (std::size_t at = text.find("word"); at != std::string::npos; at = text.find("word", at + 1)) {
    ++words;
  }
  CHECK(words == 60);
  for (std::size_t start = 0; start < text.size(); start = text.find('\n', start) + 1) {
    CHECK(text.find('\n', start) - start <= 110);
  }
}

TEST_CASE("operators text: a name finds an operator, and the in-place form its function") {
  CHECK(find_operators(families(), "").size() == 2);
  CHECK(find_operators(families(), "exp_").at(0).operators.at(0).name == std::string_view("exp"));
  CHECK(find_operators(families(), "cat").at(0).operators.size() == 1);
  CHECK(error_of("exq") == "ops: unknown operator 'exq'; did you mean 'exp'?");
  CHECK(error_of("convolution") == "ops: unknown operator 'convolution'; 'backflow ops' lists all");
}

TEST_CASE("operators text: tables, in which no bar of a formula is the end of a cell") {
  const std::string text = operators_markdown(families());
  CHECK(text.find("# Operators\n") == 0);
  CHECK(text.find("\n## unary\n\n| signature |") != std::string::npos);
  CHECK(text.find("| `abs(Tensor self) -> Tensor` | `y = \\|x\\|` | The size. | float32, float64 |  |  |\n") !=
        std::string::npos);
  CHECK(text.find("| floating | `exp_` | `ExpBackward0` |\n") != std::string::npos);
}

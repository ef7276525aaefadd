// Whatever an operator is given in the place of one of its operands, it says so or copes: it never crashes.
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

/// Something else in the place of an operand.
struct Replacement {
  const char* name;
  std::function<Tensor(const Tensor&)> make;
};

std::vector<Replacement> replacements() {
  return {{"undefined", [](const Tensor&) { return Tensor(); }},
          {"of other sizes",
           [](const Tensor& x) {
             return zeros({7, 11, 13}, x.scalar_type());
           }},
          {"empty", [](const Tensor& x) { return zeros({0}, x.scalar_type()); }},
          {"a dimension of nothing",
           [](const Tensor& x) {
             return zeros({3, 0, 2}, x.scalar_type());
           }},
          {"without dimensions", [](const Tensor& x) { return zeros({}, x.scalar_type()); }},
          {"of eight dimensions",
           [](const Tensor& x) {
             return zeros({1, 1, 2, 1, 1, 2, 1, 1}, x.scalar_type());
           }},
          {"float64", [](const Tensor& x) { return zeros(x.sizes(), kFloat64); }},
          {"int64", [](const Tensor& x) { return zeros(x.sizes(), kInt64); }},
          {"bool", [](const Tensor& x) { return zeros(x.sizes(), kBool); }},
          {"huge indices", [](const Tensor& x) { return full(x.sizes(), std::int64_t{1} << 40); }},
          {"negative indices", [](const Tensor& x) { return full(x.sizes(), -(std::int64_t{1} << 40)); }}};
}

/// The Error's text; empty when there was none.
std::string outcome(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::out_of_range&) {
    return "sample: a list is too short";  // one that the operator gave, which the sample takes a part of
  }
  return "";
}

/// Forward, and backward where something was recorded.
void run(const Sample& s, const Tensors& operands) {
  const Tensor y = s.call(operands);
  if (y.defined() && y.requires_grad()) {
    y.backward(ones(y.sizes(), y.scalar_type()));
  }
}

}  // namespace

TEST_CASE("bad operands: each operator reports or copes") {
  for (const Sample& s : samples()) {
    const Arrays values = operand_values(s);
    for (std::size_t i = 0; i < s.operands.size(); ++i) {
      for (const Replacement& r : replacements()) {
        INFO(reproduce(s, "bad operands: each operator reports or copes"));
        CAPTURE(i, r.name);
        Tensors operands = operands_of(s, values, kFloat32);
        operands[i] = r.make(operands[i]);
        const std::string error = outcome([&] { run(s, operands); });
        // An Error names the operator, or another that it is made of, and the problem.
        CHECK((error.empty() || error.find(": ") != std::string::npos));
        if (s.inplace) {
          Tensors changed = operands_of(s, values, kFloat32);
          changed[0] = changed[0].detach().clone();
          changed[i] = r.make(changed[i]);
          outcome([&] { s.inplace(changed); });
        }
      }
    }
  }
}

// Choices by a condition, interpolation, sums with products.
#include <backflow/ops/operators.h>
#include <backflow/tests/support/sample_shapes.h>

namespace backflow::test {
namespace {

void add_where(Samples& all) {
  add_samples(
      all,
      TernaryFunction{"where", [](const Tensors& x) { return where(x[0], x[1], x[2]); },
                      [](double c, double a, double b) { return c != 0 ? a : b; }, "torch.where(x[0], x[1], x[2])"},
      Of::Mask);
  const auto row = [&](const char* label, const char* torch, auto call, auto f) {
    BinaryFunction function{"where", call, f, torch};
    function.label = label;
    Samples rows;
    add_samples(rows, function);
    for (Sample& s : rows) {
      if (s.operands[1].same_as < 0) {  // a condition cannot be the operand too
        s.operands[0].of = Of::Mask;
        all.push_back(s);
      }
    }
  };
  row(
      "number_", "torch.where(x[0], x[1], 1.5)", [](const Tensors& x) { return x[1].where(x[0], 1.5); },
      [](double c, double a) { return c != 0 ? a : 1.5; });
  row(
      "of_number_", "torch.where(x[0], 1.5, x[1])", [](const Tensors& x) { return where(x[0], 1.5, x[1]); },
      [](double c, double a) { return c != 0 ? 1.5 : a; });
  all.push_back({.op = "where",
                 .label = "two_numbers",
                 .operands = {{.sizes = {3, 4}, .of = Of::Mask}},
                 .call = [](const Tensors& x) { return where(x[0], 1.5, 2); },
                 .reference = [](const Arrays& x) { return map(x[0], [](double c) { return c != 0 ? 1.5 : 2; }); },
                 .differentiable = false,
                 .torch = "torch.where(x[0], 1.5, 2)"});
}

void add_sums(Samples& all) {
  add_samples(all,
              TernaryFunction{"addcmul", [](const Tensors& x) { return addcmul(x[0], x[1], x[2]); },
                              [](double a, double b, double c) { return a + b * c; }, "torch.addcmul(x[0], x[1], x[2])",
                              [](const Tensors& x) { x[0].addcmul_(x[1], x[2]); }});
  add_samples(all, TernaryFunction{"addcmul",
                                   [](const Tensors& x) { return addcmul(x[0], x[1], x[2], -2); },
                                   [](double a, double b, double c) { return a - 2 * b * c; },
                                   "torch.addcmul(x[0], x[1], x[2], value=-2)",
                                   [](const Tensors& x) { x[0].addcmul_(x[1], x[2], -2); },
                                   {},
                                   "scaled_"});
  const std::vector<Range> ranges = {{-2, 2}, {-2, 2}, {0.5, 2}};
  add_samples(all,
              TernaryFunction{"addcdiv", [](const Tensors& x) { return addcdiv(x[0], x[1], x[2]); },
                              [](double a, double b, double c) { return a + b / c; }, "torch.addcdiv(x[0], x[1], x[2])",
                              [](const Tensors& x) { x[0].addcdiv_(x[1], x[2]); }, ranges});
  add_samples(all, TernaryFunction{"addcdiv", [](const Tensors& x) { return addcdiv(x[0], x[1], x[2], 0.5); },
                                   [](double a, double b, double c) { return a + 0.5 * b / c; },
                                   "torch.addcdiv(x[0], x[1], x[2], value=0.5)",
                                   [](const Tensors& x) { x[0].addcdiv_(x[1], x[2], 0.5); }, ranges, "scaled_"});
}

void add_lerp(Samples& all) {
  const auto f = [](double a, double b, double c) { return a + c * (b - a); };
  add_samples(all, TernaryFunction{"lerp",
                                   [](const Tensors& x) { return lerp(x[0], x[1], x[2]); },
                                   f,
                                   "torch.lerp(x[0], x[1], x[2])",
                                   [](const Tensors& x) { x[0].lerp_(x[1], x[2]); },
                                   {{-2, 2}, {-2, 2}, {-0.5, 1.5}},
                                   "",
                                   2});
  for (const double weight : {0.25, 0.75}) {
    const std::string number = weight < 0.5 ? "0.25" : "0.75";
    add_samples(all, BinaryFunction{"lerp",
                                    [weight](const Tensors& x) { return x[0].lerp(x[1], weight); },
                                    [f, weight](double a, double b) { return f(a, b, weight); },
                                    "torch.lerp(x[0], x[1], " + number + ")",
                                    [weight](const Tensors& x) { x[0].lerp_(x[1], weight); },
                                    {},
                                    "number_" + number + "_",
                                    2});
  }
}

}  // namespace

Samples three_operand_samples() {
  Samples all;
  add_where(all);
  add_sums(all);
  add_lerp(all);
  return all;
}

}  // namespace backflow::test

// Division, relations and choices.
#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/sample_shapes.h>

namespace backflow::test {
namespace {

double floor_rest(double a, double b) { return a - b * std::floor(a / b); }

/// Samples of a function of a tensor and a number, through its overload for numbers.
void add_number(Samples& all, UnaryFunction function) {
  function.label = "number_" + function.label;
  add_samples(all, function);
}

void add_division(Samples& all) {
  // Quotients in (2.2, 3.8): away from where they jump.
  const std::vector<Range> ranges = {{4.5, 5.6}, {1.5, 2}};
  const std::vector<Range> below = {{-5.6, -4.5}, {1.5, 2}};
  for (const auto& [label, r] : {std::pair("", ranges), std::pair("negative_", below)}) {
    add_samples(all, BinaryFunction{"floor_divide", [](const Tensors& x) { return floor_divide(x[0], x[1]); },
                                    [](double a, double b) { return std::floor(a / b); },
                                    "torch.div(x[0], x[1], rounding_mode='floor')",
                                    [](const Tensors& x) { x[0].floor_divide_(x[1]); }, r, label});
    add_samples(all, BinaryFunction{"trunc_divide",
                                    [](const Tensors& x) { return trunc_divide(x[0], x[1]); },
                                    [](double a, double b) { return std::trunc(a / b); },
                                    "torch.div(x[0], x[1], rounding_mode='trunc')",
                                    {},
                                    r,
                                    label});
    add_samples(all,
                BinaryFunction{"div", [](const Tensors& x) { return div(x[0], x[1], "floor"); },
                               [](double a, double b) { return std::floor(a / b); },
                               "torch.div(x[0], x[1], rounding_mode='floor')",
                               [](const Tensors& x) { x[0].div_(x[1], "floor"); }, r, std::string(label) + "floor_"});
    add_samples(all,
                BinaryFunction{"div", [](const Tensors& x) { return x[0].div(x[1], "trunc"); },
                               [](double a, double b) { return std::trunc(a / b); },
                               "torch.div(x[0], x[1], rounding_mode='trunc')",
                               [](const Tensors& x) { x[0].div_(x[1], "trunc"); }, r, std::string(label) + "trunc_"});
    add_samples(all, BinaryFunction{"fmod", [](const Tensors& x) { return fmod(x[0], x[1]); },
                                    [](double a, double b) { return std::fmod(a, b); }, "torch.fmod(x[0], x[1])",
                                    [](const Tensors& x) { x[0].fmod_(x[1]); }, r, label, 4});
    add_samples(all, BinaryFunction{"remainder", [](const Tensors& x) { return x[0] % x[1]; }, floor_rest,
                                    "torch.remainder(x[0], x[1])", [](const Tensors& x) { x[0].remainder_(x[1]); }, r,
                                    label, 4});
  }
  add_samples(all, BinaryFunction{"div",
                                  [](const Tensors& x) { return div(x[0], x[1], std::nullopt); },
                                  [](double a, double b) { return a / b; },
                                  "torch.div(x[0], x[1], rounding_mode=None)",
                                  {},
                                  ranges,
                                  "exact_"});
}

void add_division_by_numbers(Samples& all) {
  const std::vector<Range> range = {{4.5, 5.6}};
  add_number(all, {"floor_divide", [](const Tensors& x) { return floor_divide(x[0], 2); },
                   [](double a) { return std::floor(a / 2); }, "torch.div(x[0], 2, rounding_mode='floor')",
                   [](const Tensors& x) { x[0].floor_divide_(2); }, range});
  add_number(all, {"div", [](const Tensors& x) { return div(x[0], 2, "trunc"); },
                   [](double a) { return std::trunc(a / 2); }, "torch.div(x[0], 2, rounding_mode='trunc')",
                   [](const Tensors& x) { x[0].div_(2, "trunc"); }, range, "trunc_"});
  add_number(all, {"fmod", [](const Tensors& x) { return fmod(x[0], 2); }, [](double a) { return std::fmod(a, 2); },
                   "torch.fmod(x[0], 2)", [](const Tensors& x) { x[0].fmod_(2); }, range, "", 4});
  add_number(all, {"remainder", [](const Tensors& x) { return x[0] % 2; }, [](double a) { return floor_rest(a, 2); },
                   "torch.remainder(x[0], 2)", [](const Tensors& x) { x[0].remainder_(2); }, range, "", 4});
  add_number(all, {"pow",
                   [](const Tensors& x) { return pow(2, x[0]); },
                   [](double a) { return std::pow(2, a); },
                   "torch.pow(2, x[0])",
                   {},
                   {},
                   "base_",
                   4});
}

void add_angles(Samples& all) {
  for (const auto& [label, low, high] : {std::tuple("", 0.5, 2.0), std::tuple("behind_", -2.0, -0.5)}) {
    add_samples(all, BinaryFunction{"atan2",
                                    [](const Tensors& x) { return atan2(x[0], x[1]); },
                                    [](double a, double b) { return std::atan2(a, b); },
                                    "torch.atan2(x[0], x[1])",
                                    [](const Tensors& x) { x[0].atan2_(x[1]); },
                                    {{0.3, 2}, {low, high}},
                                    label,
                                    4});
  }
}

void add_lengths(Samples& all) {
  add_samples(all, BinaryFunction{"hypot",
                                  [](const Tensors& x) { return hypot(x[0], x[1]); },
                                  [](double a, double b) { return std::hypot(a, b); },
                                  "torch.hypot(x[0], x[1])",
                                  [](const Tensors& x) { x[0].hypot_(x[1]); },
                                  {{0.3, 2}, {-2, -0.3}}});
}

void add_relations(Samples& all) {
  struct Relation {
    std::string op;
    Tensor (*of_tensors)(const Tensor&, const Tensor&);
    Tensor (*with_number)(const Tensor&, const Scalar&);
    bool (*f)(double, double);
  };
  for (const Relation& r : std::vector<Relation>{
           {"eq", eq, eq, [](double a, double b) { return a == b; }},
           {"ne", ne, ne, [](double a, double b) { return a != b; }},
           {"lt", lt, lt, [](double a, double b) { return a < b; }},
           {"le", le, le, [](double a, double b) { return a <= b; }},
           {"gt", gt, gt, [](double a, double b) { return a > b; }},
           {"ge", ge, ge, [](double a, double b) { return a >= b; }},
           {"logical_and", logical_and, nullptr, [](double a, double b) { return a != 0 && b != 0; }},
           {"logical_or", logical_or, nullptr, [](double a, double b) { return a != 0 || b != 0; }},
           {"logical_xor", logical_xor, nullptr, [](double a, double b) { return (a != 0) != (b != 0); }}}) {
    BinaryFunction function{r.op, [r](const Tensors& x) { return r.of_tensors(x[0], x[1]); },
                            [r](double a, double b) { return r.f(a, b); }, "torch." + r.op + "(x[0], x[1])"};
    function.differentiable = false;
    add_samples(all, function);
    if (r.with_number != nullptr) {
      UnaryFunction number{r.op, [r](const Tensors& x) { return r.with_number(x[0], 1); },
                           [r](double a) { return r.f(a, 1); }, "torch." + r.op + "(x[0], 1)"};
      number.differentiable = false;
      add_number(all, number);
    }
  }
  // With operands that are truth values, whatever the sample runs in.
  const auto bits = [](double a, double b, int op) {
    return static_cast<double>(op == 0 ? a != 0 && b != 0 : op == 1 ? a != 0 || b != 0 : (a != 0) != (b != 0));
  };
  using Bits = Tensor (*)(const Tensor&, const Tensor&);
  int number = 0;
  for (const auto& [op, f] :
       {std::pair<std::string, Bits>("bitwise_and", [](const Tensor&a, const Tensor&b) { return a & b; }),
        std::pair<std::string, Bits>("bitwise_or", [](const Tensor&a, const Tensor&b) { return a | b; }),
        std::pair<std::string, Bits>("bitwise_xor", [](const Tensor&a, const Tensor&b) { return a ^ b; })}) {
    BinaryFunction function{op, [f = f](const Tensors& x) { return f(x[0], x[1]); },
                            [bits, number](double a, double b) { return bits(a, b, number); },
                            "torch." + op + "(x[0], x[1])", [f = f](const Tensors& x) { x[0].copy_(f(x[0], x[1])); }};
    function.differentiable = false;
    Samples samples;
    add_samples(samples, function);
    for (Sample& s : samples) {
      for (Operand& o : s.operands) {
        o.of = Of::Mask;
      }
      all.push_back(s);
    }
    ++number;
  }
}

void add_extremes(Samples& all) {
  // Never equal: there, the derivative jumps.
  const std::vector<Range> near = {{-2, 2}, {0.3, 0.4}};
  struct Extreme {
    const char* op;
    Tensor (*call)(const Tensor&, const Tensor&);
    double (*f)(double, double);
  };
  const auto larger = [](double a, double b) { return std::max(a, b); };
  const auto smaller = [](double a, double b) { return std::min(a, b); };
  for (const Extreme& e : std::vector<Extreme>{
           {"maximum", maximum, larger}, {"minimum", minimum, smaller}, {"max", max, larger}, {"min", min, smaller}}) {
    add_samples(all, BinaryFunction{.op = e.op,
                                    .call = [e](const Tensors& x) { return e.call(x[0], x[1]); },
                                    .f = e.f,
                                    .torch = std::string("torch.") + e.op + "(x[0], x[1])",
                                    .ranges = near,
                                    .label = "of_two_"});
  }
}

}  // namespace

Samples two_operand_samples() {
  Samples all;
  add_division(all);
  add_division_by_numbers(all);
  add_angles(all);
  add_lengths(all);
  add_relations(all);
  add_extremes(all);
  return all;
}

}  // namespace backflow::test

// Activations with a second operand, and those that are cut off.
#include <algorithm>
#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/tests/support/operands.h>
#include <backflow/tests/support/samples_of_functions.h>

namespace backflow::test {
namespace {

void add_celu(Samples& all) {
  add_function(all, {.op = "celu",
                     .call = [](const Tensor& x) { return celu(x); },
                     .f = [](double a) -> double { return a > 0 ? a : std::expm1(a); },
                     .torch = "torch.nn.functional.celu(x[0])",
                     .inplace = [](const Tensor& x) { x.celu_(); }});
  add_function(all, {.op = "celu",
                     .call = [](const Tensor& x) { return celu(x, 0.5); },
                     .f = [](double a) -> double { return a > 0 ? a : 0.5 * std::expm1(2 * a); },
                     .torch = "torch.nn.functional.celu(x[0], 0.5)",
                     .inplace = [](const Tensor& x) { x.celu_(0.5); },
                     .label = "alpha_",
                     .tolerance = 4});
}

void add_cut(Samples& all) {
  add_function(all, {.op = "hardshrink",
                     .call = [](const Tensor& x) { return hardshrink(x); },
                     .f = [](double a) -> double { return std::abs(a) <= 0.5 ? 0 : a; },
                     .torch = "torch.nn.functional.hardshrink(x[0])"});
  add_function(all, {.op = "hardshrink",
                     .call = [](const Tensor& x) { return x.hardshrink(0); },
                     .f = [](double a) -> double { return a; },
                     .torch = "torch.nn.functional.hardshrink(x[0], 0)",
                     .label = "nothing_"});
  add_function(all, {.op = "softshrink",
                     .call = [](const Tensor& x) { return softshrink(x); },
                     .f = [](double a) -> double { return a > 0.5    ? a - 0.5
                                                          : a < -0.5 ? a + 0.5
                                                                     : 0; },
                     .torch = "torch.nn.functional.softshrink(x[0])"});
  add_function(all, {.op = "softshrink",
                     .call = [](const Tensor& x) { return softshrink(x, 1.25); },
                     .f = [](double a) -> double { return a > 1.25    ? a - 1.25
                                                          : a < -1.25 ? a + 1.25
                                                                      : 0; },
                     .torch = "torch.nn.functional.softshrink(x[0], 1.25)",
                     .label = "wide_"});
  add_function(all, {.op = "threshold",
                     .call = [](const Tensor& x) { return threshold(x, 0, 0); },
                     .f = [](double a) -> double { return a <= 0 ? 0 : a; },
                     .torch = "torch.nn.functional.threshold(x[0], 0, 0)",
                     .inplace = [](const Tensor& x) { x.threshold_(0, 0); }});
  add_function(all, {.op = "threshold",
                     .call = [](const Tensor& x) { return threshold(x, 1, 20); },
                     .f = [](double a) -> double { return a <= 1 ? 20 : a; },
                     .torch = "torch.nn.functional.threshold(x[0], 1, 20)",
                     .inplace = [](const Tensor& x) { x.threshold_(1, 20); },
                     .label = "value_"});
}

/// The place of a channel's slope.
std::size_t channel(const Index& at, const Array& w) {
  return w.data.size() == 1 || at.size() < 2 ? 0 : static_cast<std::size_t>(at[1]);
}

void add_prelu(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    Operand w;
  };
  for (const Case& c :
       std::vector<Case>{{"one", numbers({3, 4}), numbers({1})},
                         {"channels", numbers({3, 4}), numbers({4})},
                         {"image", numbers({2, 3, 5, 7}), numbers({3})},
                         {"image_one", numbers({2, 3, 5}), numbers({1})},
                         {"odd_channels_strided", numbers({2, 17, 3}, Layout::Strided), numbers({17}, Layout::Strided)},
                         {"transposed", numbers({3, 5, 2}, Layout::Transposed), numbers({5})},
                         {"expanded", numbers({3, 5}, Layout::Expanded), numbers({5})},
                         {"vector", numbers({5}), numbers({1})},
                         {"no_rows", numbers({0, 3}), numbers({3})},
                         {"scalar", numbers({}), numbers({1})}}) {
    all.push_back({.op = "prelu",
                   .label = c.label,
                   .operands = {c.x, c.w},
                   .call = [](const Tensors& x) { return prelu(x[0], x[1]); },
                   .reference =
                       [](const Arrays& x) {
                         Array y = array_of(x[0].sizes);
                         for_each_index(y.sizes, [&](const Index& at) {
                           const double v = x[0].at(at);
                           y.at(at) = v > 0 ? v : x[1].data[channel(at, x[1])] * v;
                         });
                         return y;
                       },
                   .torch = "torch.prelu(x[0], x[1])"});
  }
}

void add_rrelu(Samples& all) {
  for (const Operand& x : {numbers({3, 5}), numbers({2, 17}, Layout::Transposed), numbers({0, 3}), numbers({})}) {
    const std::string label = std::to_string(x.sizes.size()) + name(x.layout) + (x.sizes == Index{0, 3} ? "Empty" : "");
    all.push_back(
        {.op = "rrelu",
         .label = "evaluating_" + label,
         .operands = {x},
         .call = [](const Tensors& t) { return rrelu(t[0], 0.25, 0.5); },
         .reference = [](const Arrays& t) { return map(t[0], [](double v) { return v > 0 ? v : 0.375 * v; }); },
         .inplace = [](const Tensors& t) { t[0].rrelu_(0.25, 0.5); },
         .torch = "torch.rrelu(x[0], 0.25, 0.5)"});
    all.push_back(
        {.op = "rrelu",
         .label = "training_one_slope_" + label,
         .operands = {x},
         .call = [](const Tensors& t) { return rrelu(t[0], 0.25, 0.25, true, Generator(3)); },
         .reference = [](const Arrays& t) { return map(t[0], [](double v) { return v > 0 ? v : 0.25 * v; }); },
         .inplace = [](const Tensors& t) { t[0].rrelu_(0.25, 0.25, true, Generator(3)); },
         .torch = "torch.rrelu(x[0], 0.25, 0.25, True)"});
    const auto slopes = [](const Tensors& t) { return t[1].to(t[0].scalar_type()) * 0.5 + 0.25; };
    all.push_back({.op = "rrelu_with_noise",
                   .label = label,
                   .operands = {x, mask(x.sizes, x.layout)},
                   .call = [=](const Tensors& t) { return rrelu_with_noise(t[0], slopes(t)); },
                   .reference =
                       [](const Arrays& t) {
                         return map(t[0], t[1], [](double v, double w) { return v > 0 ? v : (0.5 * w + 0.25) * v; });
                       },
                   .inplace = [=](const Tensors& t) { t[0].rrelu_with_noise_(slopes(t)); },
                   .torch = "torch.where(x[0] > 0, x[0], (x[1].to(x[0].dtype) * 0.5 + 0.25) * x[0])"});
  }
}

void add_glu(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    std::int64_t dim;
    std::size_t at;
  };
  for (const Case& c : std::vector<Case>{{"last", numbers({3, 4}), -1, 1},
                                         {"first", numbers({6, 5}), 0, 0},
                                         {"middle", numbers({2, 10, 3}), 1, 1},
                                         {"wide", numbers({3, 34}), 1, 1},
                                         {"transposed", numbers({4, 6}, Layout::Transposed), 1, 1},
                                         {"strided", numbers({4, 6}, Layout::Strided), 0, 0},
                                         {"vector", numbers({2}), 0, 0},
                                         {"empty", numbers({3, 0}), 1, 1}}) {
    all.push_back({.op = "glu",
                   .label = c.label,
                   .operands = {c.x},
                   .call = [dim = c.dim](const Tensors& x) { return glu(x[0], dim); },
                   .reference =
                       [d = c.at](const Arrays& x) {
                         Index sizes = x[0].sizes;
                         sizes[d] /= 2;
                         Array y = array_of(sizes);
                         for_each_index(sizes, [&](const Index& at) {
                           Index gate = at;
                           gate[d] += sizes[d];
                           y.at(at) = x[0].at(at) / (1 + std::exp(-x[0].at(gate)));
                         });
                         return y;
                       },
                   .torch = "torch.nn.functional.glu(x[0], " + std::to_string(c.dim) + ")"});
  }
}

}  // namespace

Samples gated_activation_samples() {
  Samples all;
  add_celu(all);
  add_cut(all);
  add_prelu(all);
  add_rrelu(all);
  add_glu(all);
  return all;
}

}  // namespace backflow::test

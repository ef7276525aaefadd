// Activations, and bounds that are tensors.
#include <algorithm>
#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples_of_functions.h>

namespace backflow::test {
namespace {

double normal(double a) { return std::erfc(-a / std::sqrt(2.0)) / 2; }

void add_smooth(Samples& all) {
  add_function(all, {.op = "elu",
                     .call = [](const Tensor& x) { return elu(x); },
                     .f = [](double a) -> double { return a > 0 ? a : std::expm1(a); },
                     .torch = "torch.nn.functional.elu(x[0])",
                     .inplace = [](const Tensor& x) { x.elu_(); }});
  add_function(all, {.op = "elu",
                     .call = [](const Tensor& x) { return elu(x, 0.5, 1.5, 2); },
                     .f = [](double a) -> double { return a > 0 ? 1.5 * a : 0.75 * std::expm1(2 * a); },
                     .torch = "torch._C._nn.elu(x[0], 0.5, 1.5, 2)",
                     .inplace = [](const Tensor& x) { x.elu_(0.5, 1.5, 2); },
                     .label = "scaled_",
                     .tolerance = 4});
  add_function(all, {.op = "selu",
                     .call = [](const Tensor& x) { return selu(x); },
                     .f = [](double a) -> double {
                       return 1.0507009873554804934193349852946 *
                              (a > 0 ? a : 1.6732632423543772848170429916717 * std::expm1(a));
                     },
                     .torch = "torch.nn.functional.selu(x[0])",
                     .inplace = [](const Tensor& x) { x.selu_(); }});
  add_function(all, {.op = "gelu",
                     .call = [](const Tensor& x) { return gelu(x); },
                     .f = [](double a) -> double { return a * normal(a); },
                     .torch = "torch.nn.functional.gelu(x[0])",
                     .inplace = [](const Tensor& x) { x.gelu_(); }});
  add_function(all, {.op = "gelu",
                     .call = [](const Tensor& x) { return gelu(x, "tanh"); },
                     .f = [](double a) -> double {
                       return a * (1 + std::tanh(std::sqrt(2 / M_PI) * (a + 0.044715 * a * a * a))) / 2;
                     },
                     .torch = "torch.nn.functional.gelu(x[0], approximate='tanh')",
                     .inplace = [](const Tensor& x) { x.gelu_("tanh"); },
                     .label = "tanh_"});
  add_function(all, {.op = "silu",
                     .call = [](const Tensor& x) { return silu(x); },
                     .f = [](double a) -> double { return a / (1 + std::exp(-a)); },
                     .torch = "torch.nn.functional.silu(x[0])",
                     .inplace = [](const Tensor& x) { x.silu_(); }});
  add_function(all, {.op = "mish",
                     .call = [](const Tensor& x) { return mish(x); },
                     .f = [](double a) -> double { return a * std::tanh(std::log1p(std::exp(a))); },
                     .torch = "torch.nn.functional.mish(x[0])",
                     .inplace = [](const Tensor& x) { x.mish_(); }});
  add_function(all, {.op = "softplus",
                     .call = [](const Tensor& x) { return softplus(x); },
                     .f = [](double a) -> double { return std::log1p(std::exp(a)); },
                     .torch = "torch.nn.functional.softplus(x[0])"});
  add_function(all, {.op = "softplus",
                     .call = [](const Tensor& x) { return softplus(x, 2, 1); },
                     .f = [](double a) -> double { return 2 * a > 1 ? a : std::log1p(std::exp(2 * a)) / 2; },
                     .torch = "torch.nn.functional.softplus(x[0], 2, 1)",
                     .label = "threshold_"});
  add_function(all, {.op = "log_sigmoid",
                     .call = [](const Tensor& x) { return log_sigmoid(x); },
                     .f = [](double a) -> double { return -std::log1p(std::exp(-a)); },
                     .torch = "torch.nn.functional.logsigmoid(x[0])"});
  add_function(all, {.op = "softsign",
                     .call = [](const Tensor& x) { return softsign(x); },
                     .f = [](double a) -> double { return a / (1 + std::abs(a)); },
                     .torch = "torch.nn.functional.softsign(x[0])"});
}

void add_pieces(Samples& all) {
  add_function(all, {.op = "leaky_relu",
                     .call = [](const Tensor& x) { return leaky_relu(x); },
                     .f = [](double a) -> double { return a > 0 ? a : 0.01 * a; },
                     .torch = "torch.nn.functional.leaky_relu(x[0])",
                     .inplace = [](const Tensor& x) { x.leaky_relu_(); }});
  add_function(all, {.op = "leaky_relu",
                     .call = [](const Tensor& x) { return leaky_relu(x, 0.3); },
                     .f = [](double a) -> double { return a > 0 ? a : 0.3 * a; },
                     .torch = "torch.nn.functional.leaky_relu(x[0], 0.3)",
                     .inplace = [](const Tensor& x) { x.leaky_relu_(0.3); },
                     .label = "slope_"});
  add_function(all, {.op = "relu6",
                     .call = [](const Tensor& x) { return relu6(x); },
                     .f = [](double a) -> double { return std::min(std::max(a, 0.0), 6.0); },
                     .torch = "torch.nn.functional.relu6(x[0])",
                     .inplace = [](const Tensor& x) { x.relu6_(); },
                     .low = -9,
                     .high = 9});
  add_function(all, {.op = "hardtanh",
                     .call = [](const Tensor& x) { return hardtanh(x); },
                     .f = [](double a) -> double { return std::min(std::max(a, -1.0), 1.0); },
                     .torch = "torch.nn.functional.hardtanh(x[0])",
                     .inplace = [](const Tensor& x) { x.hardtanh_(); }});
  add_function(all, {.op = "hardtanh",
                     .call = [](const Tensor& x) { return hardtanh(x, -3, 5); },
                     .f = [](double a) -> double { return std::min(std::max(a, -3.0), 5.0); },
                     .torch = "torch.nn.functional.hardtanh(x[0], -3, 5)",
                     .inplace = [](const Tensor& x) { x.hardtanh_(-3, 5); },
                     .low = -9,
                     .high = 9,
                     .label = "bounds_"});
  add_function(all, {.op = "hardsigmoid",
                     .call = [](const Tensor& x) { return hardsigmoid(x); },
                     .f = [](double a) -> double { return std::min(std::max(a + 3, 0.0), 6.0) / 6; },
                     .torch = "torch.nn.functional.hardsigmoid(x[0])",
                     .inplace = [](const Tensor& x) { x.hardsigmoid_(); },
                     .low = -5,
                     .high = 5});
  add_function(all, {.op = "hardswish",
                     .call = [](const Tensor& x) { return hardswish(x); },
                     .f = [](double a) -> double { return a * std::min(std::max(a + 3, 0.0), 6.0) / 6; },
                     .torch = "torch.nn.functional.hardswish(x[0])",
                     .inplace = [](const Tensor& x) { x.hardswish_(); },
                     .low = -5,
                     .high = 5});
}

/// Bounds that are tensors, on every kind of shape.
struct Clamp {
  std::string op;
  std::string label;
  std::vector<Operand> operands;
  std::function<Tensor(const Tensors&)> call;
  std::function<double(double, double, double)> f;  ///< of x and the next operands; 0 for one that is not there
  std::string torch;
  std::function<void(const Tensors&)> inplace = {};
};

void add(Samples& all, const Clamp& c) {
  all.push_back({.op = c.op,
                 .label = "tensor_" + c.label,
                 .operands = c.operands,
                 .call = c.call,
                 .reference =
                     [f = c.f](const Arrays& a) {
                       // Broadcast to one shape, then element by element.
                       Array y = a[0];
                       for (const Array& other : a) {
                         y = map(y, other, [](double, double) { return 0; });
                       }
                       const auto spread = [&](std::size_t i) {
                         return i < a.size() ? map(y, a[i], [](double, double v) { return v; }) : y;
                       };
                       const Array x = spread(0), w = spread(1), v = spread(2);
                       for (std::size_t i = 0; i < y.data.size(); ++i) {
                         y.data[i] = f(x.data[i], w.data[i], v.data[i]);
                       }
                       return y;
                     },
                 .inplace = c.inplace,
                 .torch = c.torch});
}

void add_tensor_bounds(Samples& all) {
  const auto between = [](double x, double low, double high) { return std::min(std::max(x, low), high); };
  const auto at_least = [](double x, double low, double) { return std::max(x, low); };
  const auto at_most = [](double x, double high, double) { return std::min(x, high); };
  const auto clamp_both = [](const Tensors& x) { return clamp(x[0], x[1], x[2]); };
  const auto clamp_both_ = [](const Tensors& x) { x[0].clamp_(x[1], x[2]); };
  const std::string torch = "torch.clamp(x[0], x[1], x[2])";
  constexpr Layout kPlain = Layout::Contiguous;
  add(all, {"clamp", "same", {{{3, 5}}, {{3, 5}, -2, 0}, {{3, 5}, 0, 2}}, clamp_both, between, torch, clamp_both_});
  add(all, {"clamp", "crossed", {{{3, 5}}, {{3, 5}}, {{3, 5}}}, clamp_both, between, torch, clamp_both_});
  add(all, {"clamp", "broadcast", {{{3, 1}}, {{4}, -2, 0}, {{2, 1, 4}, 0, 2}}, clamp_both, between, torch});
  add(all, {"clamp", "no_dimensions", {{{3, 4}}, {{}, -1, 0}, {{}, 0, 1}}, clamp_both, between, torch, clamp_both_});
  add(all, {"clamp", "all_scalars", {{{}}, {{}, -1, 0}, {{}, 0, 1}}, clamp_both, between, torch, clamp_both_});
  add(all, {"clamp", "empty", {{{0, 3}}, {{3}, -1, 0}, {{1, 1}, 0, 1}}, clamp_both, between, torch, clamp_both_});
  add(all, {"clamp",
            "layouts",
            {{{3, 4}, -2, 2, Layout::Transposed}, {{3, 4}, -2, 0, Layout::Strided}, {{3, 4}, 0, 2, Layout::Expanded}},
            clamp_both,
            between,
            torch,
            clamp_both_});
  add(all,
      {"clamp", "aliased", {{{5}}, {{5}, -2, 2, kPlain, Of::Number, 0}, {{5}, 0.5, 1.5}}, clamp_both, between, torch});
  add(all, {"clamp",
            "below",
            {{{3, 4}}, {{4}}},
            [](const Tensors& x) { return clamp(x[0], x[1]); },
            at_least,
            "torch.clamp(x[0], x[1])",
            [](const Tensors& x) { x[0].clamp_(x[1]); }});
  add(all, {"clamp",
            "above",
            {{{3, 4}}, {{4}}},
            [](const Tensors& x) { return clamp(x[0], Tensor(), x[1]); },
            at_most,
            "torch.clamp(x[0], max=x[1])",
            [](const Tensors& x) { x[0].clamp_(Tensor(), x[1]); }});
  add(all, {"clamp_min",
            "row",
            {{{3, 4}}, {{4}}},
            [](const Tensors& x) { return clamp_min(x[0], x[1]); },
            at_least,
            "torch.clamp_min(x[0], x[1])",
            [](const Tensors& x) { x[0].clamp_min_(x[1]); }});
  add(all, {"clamp_min",
            "column",
            {{{4}}, {{3, 1}}},
            [](const Tensors& x) { return clamp_min(x[0], x[1]); },
            at_least,
            "torch.clamp_min(x[0], x[1])"});
  add(all, {"clamp_max",
            "row",
            {{{3, 4}}, {{4}}},
            [](const Tensors& x) { return clamp_max(x[0], x[1]); },
            at_most,
            "torch.clamp_max(x[0], x[1])",
            [](const Tensors& x) { x[0].clamp_max_(x[1]); }});
  add(all, {"clamp_max",
            "column",
            {{{4}}, {{3, 1}}},
            [](const Tensors& x) { return clamp_max(x[0], x[1]); },
            at_most,
            "torch.clamp_max(x[0], x[1])"});
}

}  // namespace

Samples activation_samples() {
  Samples all;
  add_smooth(all);
  add_pieces(all);
  add_tensor_bounds(all);
  return all;
}

}  // namespace backflow::test

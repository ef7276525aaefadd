#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/sample_shapes.h>

namespace backflow::test {
namespace {

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

void add_arithmetic(Samples& all) {
  add_samples(all, BinaryFunction{.op = "add",
                                  .call = [](const Tensors& x) { return add(x[0], x[1]); },
                                  .f = [](double a, double b) { return a + b; },
                                  .torch = "torch.add(x[0], x[1])",
                                  .inplace = [](const Tensors& x) { x[0].add_(x[1]); }});
  add_samples(all, BinaryFunction{.op = "add",
                                  .call = [](const Tensors& x) { return add(x[0], x[1], 2); },
                                  .f = [](double a, double b) { return a + 2 * b; },
                                  .torch = "torch.add(x[0], x[1], alpha=2)",
                                  .inplace = [](const Tensors& x) { x[0].add_(x[1], 2); },
                                  .label = "scaled_"});
  add_samples(all, BinaryFunction{.op = "sub",
                                  .call = [](const Tensors& x) { return sub(x[0], x[1]); },
                                  .f = [](double a, double b) { return a - b; },
                                  .torch = "torch.sub(x[0], x[1])",
                                  .inplace = [](const Tensors& x) { x[0].sub_(x[1]); }});
  add_samples(all, BinaryFunction{.op = "sub",
                                  .call = [](const Tensors& x) { return sub(x[0], x[1], 3); },
                                  .f = [](double a, double b) { return a - 3 * b; },
                                  .torch = "torch.sub(x[0], x[1], alpha=3)",
                                  .inplace = [](const Tensors& x) { x[0].sub_(x[1], 3); },
                                  .label = "scaled_"});
  add_samples(all, BinaryFunction{.op = "mul",
                                  .call = [](const Tensors& x) { return mul(x[0], x[1]); },
                                  .f = [](double a, double b) { return a * b; },
                                  .torch = "torch.mul(x[0], x[1])",
                                  .inplace = [](const Tensors& x) { x[0].mul_(x[1]); }});
  add_samples(all, BinaryFunction{.op = "div",
                                  .call = [](const Tensors& x) { return div(x[0], x[1]); },
                                  .f = [](double a, double b) { return a / b; },
                                  .torch = "torch.div(x[0], x[1])",
                                  .inplace = [](const Tensors& x) { x[0].div_(x[1]); },
                                  .ranges = {{}, {0.5, 2}}});
  add_samples(all, BinaryFunction{.op = "pow",
                                  .call = [](const Tensors& x) { return pow(x[0], x[1]); },
                                  .f = [](double a, double b) { return std::pow(a, b); },
                                  .torch = "torch.pow(x[0], x[1])",
                                  .inplace = [](const Tensors& x) { x[0].pow_(x[1]); },
                                  .ranges = {{0.5, 2}, {-2, 2}},
                                  .tolerance = 4});
  add_samples(all, BinaryFunction{.op = "xlogy",
                                  .call = [](const Tensors& x) { return xlogy(x[0], x[1]); },
                                  .f = [](double a, double b) { return a * std::log(b); },
                                  .torch = "torch.xlogy(x[0], x[1])",
                                  .inplace = [](const Tensors& x) { x[0].xlogy_(x[1]); },
                                  .ranges = {{}, {0.5, 2}}});
}

void add_with_numbers(Samples& all) {
  add_samples(all, UnaryFunction{.op = "add",
                                 .call = [](const Tensors& x) { return add(x[0], 1.5); },
                                 .f = [](double a) { return a + 1.5; },
                                 .torch = "torch.add(x[0], 1.5)",
                                 .inplace = [](const Tensors& x) { x[0].add_(1.5); },
                                 .label = "number_"});
  add_samples(all, UnaryFunction{.op = "sub",
                                 .call = [](const Tensors& x) { return sub(x[0], 2); },
                                 .f = [](double a) { return a - 2; },
                                 .torch = "torch.sub(x[0], 2)",
                                 .inplace = [](const Tensors& x) { x[0].sub_(2); },
                                 .label = "number_"});
  add_samples(all, UnaryFunction{.op = "rsub",
                                 .call = [](const Tensors& x) { return 2 - x[0]; },
                                 .f = [](double a) { return 2 - a; },
                                 .torch = "torch.rsub(x[0], 2)"});
  add_samples(all, UnaryFunction{.op = "mul",
                                 .call = [](const Tensors& x) { return mul(x[0], -0.5); },
                                 .f = [](double a) { return a * -0.5; },
                                 .torch = "torch.mul(x[0], -0.5)",
                                 .inplace = [](const Tensors& x) { x[0].mul_(-0.5); },
                                 .label = "number_"});
  add_samples(all, UnaryFunction{.op = "div",
                                 .call = [](const Tensors& x) { return div(x[0], 4); },
                                 .f = [](double a) { return a / 4; },
                                 .torch = "torch.div(x[0], 4)",
                                 .inplace = [](const Tensors& x) { x[0].div_(4); },
                                 .label = "number_"});
  add_samples(all, UnaryFunction{.op = "rdiv",
                                 .call = [](const Tensors& x) { return 3 / x[0]; },
                                 .f = [](double a) { return 3 / a; },
                                 .torch = "3 / x[0]",
                                 .ranges = {{0.5, 2}}});
  for (const double c : {-1.0, 0.0, 0.5, 1.0, 2.0, 3.0}) {
    add_samples(all, UnaryFunction{.op = "pow",
                                   .call = [c](const Tensors& x) { return pow(x[0], c); },
                                   .f = [c](double a) { return std::pow(a, c); },
                                   .torch = "torch.pow(x[0], " + std::to_string(c) + ")",
                                   .inplace = [c](const Tensors& x) { x[0].pow_(c); },
                                   .ranges = {{0.5, 2}},
                                   .label = "number_" + std::to_string(c).substr(0, 4) + "_",
                                   .tolerance = 4});
  }
}

void add_functions(Samples& all) {
  add_samples(all, UnaryFunction{.op = "neg",
                                 .call = [](const Tensors& x) { return -x[0]; },
                                 .f = [](double a) { return -a; },
                                 .torch = "torch.neg(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].neg_(); }});
  add_samples(all, UnaryFunction{.op = "exp",
                                 .call = [](const Tensors& x) { return exp(x[0]); },
                                 .f = [](double a) { return std::exp(a); },
                                 .torch = "torch.exp(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].exp_(); }});
  add_samples(all, UnaryFunction{.op = "log",
                                 .call = [](const Tensors& x) { return log(x[0]); },
                                 .f = [](double a) { return std::log(a); },
                                 .torch = "torch.log(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].log_(); },
                                 .ranges = {{0.5, 3}}});
  add_samples(all, UnaryFunction{.op = "relu",
                                 .call = [](const Tensors& x) { return relu(x[0]); },
                                 .f = [](double a) { return a > 0 ? a : 0; },
                                 .torch = "torch.relu(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].relu_(); }});
  add_samples(all, UnaryFunction{.op = "tanh",
                                 .call = [](const Tensors& x) { return tanh(x[0]); },
                                 .f = [](double a) { return std::tanh(a); },
                                 .torch = "torch.tanh(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].tanh_(); }});
  add_samples(all, UnaryFunction{.op = "sigmoid",
                                 .call = [](const Tensors& x) { return sigmoid(x[0]); },
                                 .f = sigmoid_of,
                                 .torch = "torch.sigmoid(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].sigmoid_(); }});
}

void add_more_functions(Samples& all) {
  add_samples(all, UnaryFunction{.op = "abs",
                                 .call = [](const Tensors& x) { return abs(x[0]); },
                                 .f = [](double a) { return std::abs(a); },
                                 .torch = "torch.abs(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].abs_(); }});
  add_samples(all, UnaryFunction{.op = "sign",
                                 .call = [](const Tensors& x) { return sign(x[0]); },
                                 .f = [](double a) { return (a > 0) - (a < 0); },
                                 .torch = "torch.sign(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].sign_(); }});
  add_samples(all, UnaryFunction{.op = "square",
                                 .call = [](const Tensors& x) { return square(x[0]); },
                                 .f = [](double a) { return a * a; },
                                 .torch = "torch.square(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].square_(); }});
  add_samples(all, UnaryFunction{.op = "sqrt",
                                 .call = [](const Tensors& x) { return sqrt(x[0]); },
                                 .f = [](double a) { return std::sqrt(a); },
                                 .torch = "torch.sqrt(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].sqrt_(); },
                                 .ranges = {{0.5, 3}}});
  add_samples(all, UnaryFunction{.op = "sin",
                                 .call = [](const Tensors& x) { return sin(x[0]); },
                                 .f = [](double a) { return std::sin(a); },
                                 .torch = "torch.sin(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].sin_(); },
                                 .ranges = {{-9, 9}}});
  add_samples(all, UnaryFunction{.op = "cos",
                                 .call = [](const Tensors& x) { return cos(x[0]); },
                                 .f = [](double a) { return std::cos(a); },
                                 .torch = "torch.cos(x[0])",
                                 .inplace = [](const Tensors& x) { x[0].cos_(); },
                                 .ranges = {{-9, 9}}});
  add_samples(all, UnaryFunction{.op = "clamp",
                                 .call = [](const Tensors& x) { return clamp(x[0], -0.75, 1); },
                                 .f = [](double a) { return std::min(std::max(a, -0.75), 1.0); },
                                 .torch = "torch.clamp(x[0], -0.75, 1)",
                                 .inplace = [](const Tensors& x) { x[0].clamp_(-0.75, 1); }});
  add_samples(all, UnaryFunction{.op = "clamp",
                                 .call = [](const Tensors& x) { return clamp(x[0], 0.5); },
                                 .f = [](double a) { return std::max(a, 0.5); },
                                 .torch = "torch.clamp(x[0], 0.5)",
                                 .inplace = [](const Tensors& x) { x[0].clamp_(0.5); },
                                 .label = "below_"});
  add_samples(all, UnaryFunction{.op = "clamp",
                                 .call = [](const Tensors& x) { return clamp(x[0], std::nullopt, 0.5); },
                                 .f = [](double a) { return std::min(a, 0.5); },
                                 .torch = "torch.clamp(x[0], None, 0.5)",
                                 .inplace = [](const Tensors& x) { x[0].clamp_(std::nullopt, 0.5); },
                                 .label = "above_"});
  add_samples(all, UnaryFunction{.op = "clamp_min",
                                 .call = [](const Tensors& x) { return clamp_min(x[0], -0.5); },
                                 .f = [](double a) { return std::max(a, -0.5); },
                                 .torch = "torch.clamp_min(x[0], -0.5)",
                                 .inplace = [](const Tensors& x) { x[0].clamp_min_(-0.5); }});
  add_samples(all, UnaryFunction{.op = "clamp_max",
                                 .call = [](const Tensors& x) { return clamp_max(x[0], -0.5); },
                                 .f = [](double a) { return std::min(a, -0.5); },
                                 .torch = "torch.clamp_max(x[0], -0.5)",
                                 .inplace = [](const Tensors& x) { x[0].clamp_max_(-0.5); }});
}

void add_gradients(Samples& all) {
  add_samples(all, BinaryFunction{.op = "relu_backward",
                                  .call = [](const Tensors& x) { return relu_backward(x[0], x[1]); },
                                  .f = [](double dy, double y) { return y > 0 ? dy : 0; },
                                  .torch = "torch.ops.aten.threshold_backward(x[0], x[1], 0)"});
  add_samples(all, BinaryFunction{.op = "tanh_backward",
                                  .call = [](const Tensors& x) { return tanh_backward(x[0], x[1]); },
                                  .f = [](double dy, double y) { return dy * (1 - y * y); },
                                  .torch = "torch.ops.aten.tanh_backward(x[0], x[1])"});
  add_samples(all, BinaryFunction{.op = "sigmoid_backward",
                                  .call = [](const Tensors& x) { return sigmoid_backward(x[0], x[1]); },
                                  .f = [](double dy, double y) { return dy * y * (1 - y); },
                                  .torch = "torch.ops.aten.sigmoid_backward(x[0], x[1])"});
}

}  // namespace

Samples elementwise_samples() {
  Samples all;
  add_arithmetic(all);
  add_with_numbers(all);
  add_functions(all);
  add_more_functions(all);
  add_gradients(all);
  return all;
}

}  // namespace backflow::test

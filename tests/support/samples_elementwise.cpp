#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

struct Range {
  double low = -2;
  double high = 2;
};

using Call = std::function<Tensor(const Tensors&)>;
using Inplace = std::function<void(const Tensors&)>;

/// A function of two tensors, on every kind of shape and layout.
struct Binary {
  std::string op;
  Call call;
  std::function<double(double, double)> f;
  Inplace inplace = {};
  Range x = {};
  Range w = {};
  std::string label = "";
  double tolerance = 1;
  std::string torch = "";
};

/// A function of one tensor.
struct Unary {
  std::string op;
  Call call;
  std::function<double(double)> f;
  Inplace inplace = {};
  Range x = {};
  std::string label = "";
  double tolerance = 1;
  std::string torch = "";
};

struct Shapes {
  const char* label;
  std::vector<std::int64_t> x;
  std::vector<std::int64_t> w;
  Layout x_layout = Layout::Contiguous;
  Layout w_layout = Layout::Contiguous;
  int same_as = -1;
  bool inplace = true;  ///< the result has the shape of x
};

std::vector<Shapes> binary_shapes() {
  return {{"same", {2, 3}, {2, 3}},
          {"one", {1}, {1}},
          {"scalars", {}, {}},
          {"broadcast_row", {3, 4}, {4}},
          {"broadcast_both", {3, 1}, {1, 4}, Layout::Contiguous, Layout::Contiguous, -1, false},
          {"broadcast_column", {2, 3, 4}, {3, 1}},
          {"tensor_scalar", {2, 3}, {}},
          {"scalar_tensor", {}, {2, 3}, Layout::Contiguous, Layout::Contiguous, -1, false},
          {"empty", {0, 3}, {3}},
          {"empty_broadcast", {2, 0}, {1, 1}},
          {"transposed", {3, 4}, {3, 4}, Layout::Transposed},
          {"both_transposed", {3, 4}, {3, 4}, Layout::Transposed, Layout::Transposed},
          {"strided", {2, 3, 5}, {2, 3, 5}, Layout::Strided, Layout::Strided},
          {"expanded", {3, 4}, {3, 4}, Layout::Contiguous, Layout::Expanded},
          {"aliased", {2, 3}, {2, 3}, Layout::Contiguous, Layout::Contiguous, 0}};
}

void add(Samples& all, const Binary& b) {
  for (const Shapes& s : binary_shapes()) {
    // Of x op x both operands have to be in both ranges.
    const Range x = s.same_as == 0 ? Range{std::max(b.x.low, b.w.low), std::min(b.x.high, b.w.high)} : b.x;
    Sample sample{.op = b.op,
                  .label = b.label + s.label,
                  .operands = {{s.x, x.low, x.high, s.x_layout}, {s.w, b.w.low, b.w.high, s.w_layout}},
                  .call = b.call,
                  .reference = [f = b.f](const Arrays& a) { return map(a[0], a[1], f); },
                  .tolerance = b.tolerance,
                  .torch = b.torch};
    sample.operands[1].same_as = s.same_as;
    if (s.inplace && s.same_as < 0) {
      sample.inplace = b.inplace;
    }
    all.push_back(sample);
  }
}

void add(Samples& all, const Unary& u) {
  struct Kind {
    const char* label;
    std::vector<std::int64_t> sizes;
    Layout layout = Layout::Contiguous;
  };
  for (const Kind& k : std::vector<Kind>{{"matrix", {3, 5}},
                                         {"scalar", {}},
                                         {"empty", {0, 2}},
                                         {"odd_length", {37}},
                                         {"transposed", {4, 3}, Layout::Transposed},
                                         {"strided", {2, 9}, Layout::Strided},
                                         {"expanded", {3, 4}, Layout::Expanded}}) {
    all.push_back({.op = u.op,
                   .label = u.label + k.label,
                   .operands = {{k.sizes, u.x.low, u.x.high, k.layout}},
                   .call = u.call,
                   .reference = [f = u.f](const Arrays& a) { return map(a[0], f); },
                   .inplace = k.layout == Layout::Expanded ? Inplace{} : u.inplace,
                   .tolerance = u.tolerance,
                   .torch = u.torch});
  }
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

void add_arithmetic(Samples& all) {
  add(all, Binary{.op = "add",
                  .call = [](const Tensors& x) { return add(x[0], x[1]); },
                  .f = [](double a, double b) { return a + b; },
                  .inplace = [](const Tensors& x) { x[0].add_(x[1]); },
                  .torch = "torch.add(x[0], x[1])"});
  add(all, Binary{.op = "add",
                  .call = [](const Tensors& x) { return add(x[0], x[1], 0.5); },
                  .f = [](double a, double b) { return a + 0.5 * b; },
                  .inplace = [](const Tensors& x) { x[0].add_(x[1], 0.5); },
                  .label = "scaled_",
                  .torch = "torch.add(x[0], x[1], alpha=0.5)"});
  add(all, Binary{.op = "sub",
                  .call = [](const Tensors& x) { return sub(x[0], x[1]); },
                  .f = [](double a, double b) { return a - b; },
                  .inplace = [](const Tensors& x) { x[0].sub_(x[1]); },
                  .torch = "torch.sub(x[0], x[1])"});
  add(all, Binary{.op = "sub",
                  .call = [](const Tensors& x) { return sub(x[0], x[1], 3); },
                  .f = [](double a, double b) { return a - 3 * b; },
                  .inplace = [](const Tensors& x) { x[0].sub_(x[1], 3); },
                  .label = "scaled_",
                  .torch = "torch.sub(x[0], x[1], alpha=3)"});
  add(all, Binary{.op = "mul",
                  .call = [](const Tensors& x) { return mul(x[0], x[1]); },
                  .f = [](double a, double b) { return a * b; },
                  .inplace = [](const Tensors& x) { x[0].mul_(x[1]); },
                  .torch = "torch.mul(x[0], x[1])"});
  add(all, Binary{.op = "div",
                  .call = [](const Tensors& x) { return div(x[0], x[1]); },
                  .f = [](double a, double b) { return a / b; },
                  .inplace = [](const Tensors& x) { x[0].div_(x[1]); },
                  .w = {0.5, 2},
                  .torch = "torch.div(x[0], x[1])"});
  add(all, Binary{.op = "pow",
                  .call = [](const Tensors& x) { return pow(x[0], x[1]); },
                  .f = [](double a, double b) { return std::pow(a, b); },
                  .inplace = [](const Tensors& x) { x[0].pow_(x[1]); },
                  .x = {0.5, 2},
                  .w = {-2, 2},
                  .tolerance = 4,
                  .torch = "torch.pow(x[0], x[1])"});
  add(all, Binary{.op = "xlogy",
                  .call = [](const Tensors& x) { return xlogy(x[0], x[1]); },
                  .f = [](double a, double b) { return a * std::log(b); },
                  .inplace = [](const Tensors& x) { x[0].xlogy_(x[1]); },
                  .w = {0.5, 2},
                  .torch = "torch.xlogy(x[0], x[1])"});
}

void add_with_numbers(Samples& all) {
  add(all, Unary{.op = "add",
                 .call = [](const Tensors& x) { return add(x[0], 1.5); },
                 .f = [](double a) { return a + 1.5; },
                 .inplace = [](const Tensors& x) { x[0].add_(1.5); },
                 .label = "number_",
                 .torch = "torch.add(x[0], 1.5)"});
  add(all, Unary{.op = "sub",
                 .call = [](const Tensors& x) { return sub(x[0], 2); },
                 .f = [](double a) { return a - 2; },
                 .inplace = [](const Tensors& x) { x[0].sub_(2); },
                 .label = "number_",
                 .torch = "torch.sub(x[0], 2)"});
  add(all, Unary{.op = "rsub",
                 .call = [](const Tensors& x) { return 2 - x[0]; },
                 .f = [](double a) { return 2 - a; },
                 .torch = "torch.rsub(x[0], 2)"});
  add(all, Unary{.op = "mul",
                 .call = [](const Tensors& x) { return mul(x[0], -0.5); },
                 .f = [](double a) { return a * -0.5; },
                 .inplace = [](const Tensors& x) { x[0].mul_(-0.5); },
                 .label = "number_",
                 .torch = "torch.mul(x[0], -0.5)"});
  add(all, Unary{.op = "div",
                 .call = [](const Tensors& x) { return div(x[0], 4); },
                 .f = [](double a) { return a / 4; },
                 .inplace = [](const Tensors& x) { x[0].div_(4); },
                 .label = "number_",
                 .torch = "torch.div(x[0], 4)"});
  add(all, Unary{.op = "rdiv",
                 .call = [](const Tensors& x) { return 3 / x[0]; },
                 .f = [](double a) { return 3 / a; },
                 .x = {0.5, 2},
                 .torch = "3 / x[0]"});
  for (const double c : {-1.0, 0.0, 0.5, 1.0, 2.0, 3.0}) {
    add(all, Unary{.op = "pow",
                   .call = [c](const Tensors& x) { return pow(x[0], c); },
                   .f = [c](double a) { return std::pow(a, c); },
                   .inplace = [c](const Tensors& x) { x[0].pow_(c); },
                   .x = {0.5, 2},
                   .label = "number_" + std::to_string(c).substr(0, 4) + "_",
                   .tolerance = 4,
                   .torch = "torch.pow(x[0], " + std::to_string(c) + ")"});
  }
}

void add_functions(Samples& all) {
  add(all, Unary{.op = "neg",
                 .call = [](const Tensors& x) { return -x[0]; },
                 .f = [](double a) { return -a; },
                 .inplace = [](const Tensors& x) { x[0].neg_(); },
                 .torch = "torch.neg(x[0])"});
  add(all, Unary{.op = "exp",
                 .call = [](const Tensors& x) { return exp(x[0]); },
                 .f = [](double a) { return std::exp(a); },
                 .inplace = [](const Tensors& x) { x[0].exp_(); },
                 .torch = "torch.exp(x[0])"});
  add(all, Unary{.op = "log",
                 .call = [](const Tensors& x) { return log(x[0]); },
                 .f = [](double a) { return std::log(a); },
                 .inplace = [](const Tensors& x) { x[0].log_(); },
                 .x = {0.5, 3},
                 .torch = "torch.log(x[0])"});
  add(all, Unary{.op = "relu",
                 .call = [](const Tensors& x) { return relu(x[0]); },
                 .f = [](double a) { return a > 0 ? a : 0; },
                 .inplace = [](const Tensors& x) { x[0].relu_(); },
                 .torch = "torch.relu(x[0])"});
  add(all, Unary{.op = "tanh",
                 .call = [](const Tensors& x) { return tanh(x[0]); },
                 .f = [](double a) { return std::tanh(a); },
                 .inplace = [](const Tensors& x) { x[0].tanh_(); },
                 .torch = "torch.tanh(x[0])"});
  add(all, Unary{.op = "sigmoid",
                 .call = [](const Tensors& x) { return sigmoid(x[0]); },
                 .f = sigmoid_of,
                 .inplace = [](const Tensors& x) { x[0].sigmoid_(); },
                 .torch = "torch.sigmoid(x[0])"});
}

void add_more_functions(Samples& all) {
  add(all, Unary{.op = "abs",
                 .call = [](const Tensors& x) { return abs(x[0]); },
                 .f = [](double a) { return std::abs(a); },
                 .inplace = [](const Tensors& x) { x[0].abs_(); },
                 .torch = "torch.abs(x[0])"});
  add(all, Unary{.op = "sign",
                 .call = [](const Tensors& x) { return sign(x[0]); },
                 .f = [](double a) { return (a > 0) - (a < 0); },
                 .inplace = [](const Tensors& x) { x[0].sign_(); },
                 .torch = "torch.sign(x[0])"});
  add(all, Unary{.op = "square",
                 .call = [](const Tensors& x) { return square(x[0]); },
                 .f = [](double a) { return a * a; },
                 .inplace = [](const Tensors& x) { x[0].square_(); },
                 .torch = "torch.square(x[0])"});
  add(all, Unary{.op = "sqrt",
                 .call = [](const Tensors& x) { return sqrt(x[0]); },
                 .f = [](double a) { return std::sqrt(a); },
                 .inplace = [](const Tensors& x) { x[0].sqrt_(); },
                 .x = {0.5, 3},
                 .torch = "torch.sqrt(x[0])"});
  add(all, Unary{.op = "sin",
                 .call = [](const Tensors& x) { return sin(x[0]); },
                 .f = [](double a) { return std::sin(a); },
                 .inplace = [](const Tensors& x) { x[0].sin_(); },
                 .x = {-9, 9},
                 .torch = "torch.sin(x[0])"});
  add(all, Unary{.op = "cos",
                 .call = [](const Tensors& x) { return cos(x[0]); },
                 .f = [](double a) { return std::cos(a); },
                 .inplace = [](const Tensors& x) { x[0].cos_(); },
                 .x = {-9, 9},
                 .torch = "torch.cos(x[0])"});
  add(all, Unary{.op = "clamp",
                 .call = [](const Tensors& x) { return clamp(x[0], -0.75, 1); },
                 .f = [](double a) { return std::min(std::max(a, -0.75), 1.0); },
                 .inplace = [](const Tensors& x) { x[0].clamp_(-0.75, 1); },
                 .torch = "torch.clamp(x[0], -0.75, 1)"});
  add(all, Unary{.op = "clamp",
                 .call = [](const Tensors& x) { return clamp(x[0], 0.5); },
                 .f = [](double a) { return std::max(a, 0.5); },
                 .inplace = [](const Tensors& x) { x[0].clamp_(0.5); },
                 .label = "below_",
                 .torch = "torch.clamp(x[0], 0.5)"});
  add(all, Unary{.op = "clamp",
                 .call = [](const Tensors& x) { return clamp(x[0], std::nullopt, 0.5); },
                 .f = [](double a) { return std::min(a, 0.5); },
                 .inplace = [](const Tensors& x) { x[0].clamp_(std::nullopt, 0.5); },
                 .label = "above_",
                 .torch = "torch.clamp(x[0], None, 0.5)"});
  add(all, Unary{.op = "clamp_min",
                 .call = [](const Tensors& x) { return clamp_min(x[0], -0.5); },
                 .f = [](double a) { return std::max(a, -0.5); },
                 .inplace = [](const Tensors& x) { x[0].clamp_min_(-0.5); },
                 .torch = "torch.clamp_min(x[0], -0.5)"});
  add(all, Unary{.op = "clamp_max",
                 .call = [](const Tensors& x) { return clamp_max(x[0], -0.5); },
                 .f = [](double a) { return std::min(a, -0.5); },
                 .inplace = [](const Tensors& x) { x[0].clamp_max_(-0.5); },
                 .torch = "torch.clamp_max(x[0], -0.5)"});
}

void add_gradients(Samples& all) {
  add(all, Binary{.op = "relu_backward",
                  .call = [](const Tensors& x) { return relu_backward(x[0], x[1]); },
                  .f = [](double dy, double y) { return y > 0 ? dy : 0; },
                  .torch = "torch.ops.aten.threshold_backward(x[0], x[1], 0)"});
  add(all, Binary{.op = "tanh_backward",
                  .call = [](const Tensors& x) { return tanh_backward(x[0], x[1]); },
                  .f = [](double dy, double y) { return dy * (1 - y * y); },
                  .torch = "torch.ops.aten.tanh_backward(x[0], x[1])"});
  add(all, Binary{.op = "sigmoid_backward",
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

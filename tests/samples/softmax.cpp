// Softmax, its logarithm, and their gradients.
#include <cmath>
#include <numeric>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>

namespace backflow::test {
namespace {

Line softmax_of(const Line& x) {
  Line y;
  double total = 0;
  for (const double v : x) {
    y.push_back(std::exp(v));
    total += y.back();
  }
  for (double& v : y) {
    v /= total;
  }
  return y;
}

Line log_softmax_of(const Line& x) {
  Line y = softmax_of(x);
  for (double& v : y) {
    v = std::log(v);
  }
  return y;
}

Line gradient_of(const Line& dy, const Line& y) {
  const double total = std::inner_product(dy.begin(), dy.end(), y.begin(), 0.0);
  Line dx;
  for (std::size_t i = 0; i < y.size(); ++i) {
    dx.push_back(y[i] * (dy[i] - total));
  }
  return dx;
}

Line log_gradient_of(const Line& dy, const Line& y) {
  const double total = std::accumulate(dy.begin(), dy.end(), 0.0);
  Line dx;
  for (std::size_t i = 0; i < y.size(); ++i) {
    dx.push_back(dy[i] - std::exp(y[i]) * total);
  }
  return dx;
}

struct Case {
  const char* label;
  Index sizes;
  std::int64_t dim;
  Layout layout = Layout::Contiguous;
};

}  // namespace

Samples softmax_samples() {
  Samples all;
  for (const Case& c : std::vector<Case>{{"last", {3, 5}, 1},
                                         {"first", {3, 5}, 0},
                                         {"middle", {2, 3, 4}, -2},
                                         {"long", {2, 37}, -1},
                                         {"wide", {3, 37}, 0},
                                         {"scalar", {}, 0},
                                         {"empty", {3, 0}, 1},
                                         {"empty_rows", {0, 3}, 1},
                                         {"transposed", {3, 4, 2}, 1, Layout::Transposed},
                                         {"strided", {3, 5}, 1, Layout::Strided},
                                         {"expanded", {3, 4}, 1, Layout::Expanded}}) {
    const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
    const std::vector<Operand> two = {{c.sizes, -2, 2, c.layout}, {c.sizes, -2, 0, c.layout}};
    const std::int64_t d = c.dim;
    const std::string dim = ", " + std::to_string(d);
    all.push_back(with_gradient(
        "softmax", c.label, one, [d](const Tensors& x) { return x[0].softmax(d); },
        [d](const Arrays& x) { return map_lines(x[0], d, softmax_of); }, "torch.softmax(x[0]" + dim + ")"));
    all.push_back(with_gradient(
        "log_softmax", std::string("of_") + c.label, one, [d](const Tensors& x) { return x[0].log_softmax(d); },
        [d](const Arrays& x) { return map_lines(x[0], d, log_softmax_of); }, "torch.log_softmax(x[0]" + dim + ")"));
    Sample s = with_gradient(
        "_softmax_backward_data", c.label, two,
        [d](const Tensors& x) { return _softmax_backward_data(x[0], x[1], d, x[0].scalar_type()); },
        [d](const Arrays& x) { return map_lines(x[0], x[1], d, gradient_of); },
        "torch._softmax_backward_data(x[0].contiguous(), x[1].contiguous()" + dim + ", x[0].dtype)");
    s.tolerance = 4;
    all.push_back(s);
    s = with_gradient(
        "_log_softmax_backward_data", c.label, two,
        [d](const Tensors& x) { return _log_softmax_backward_data(x[0], x[1], d, x[0].scalar_type()); },
        [d](const Arrays& x) { return map_lines(x[0], x[1], d, log_gradient_of); },
        "torch._log_softmax_backward_data(x[0].contiguous(), x[1].contiguous()" + dim + ", x[0].dtype)");
    s.tolerance = 4;
    all.push_back(s);
  }
  return all;
}

}  // namespace backflow::test

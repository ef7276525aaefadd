#include <cmath>

#include <backflow/ops/operators.h>
#include <backflow/ops/reduction.h>
#include <backflow/runtime/error.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

using Index = std::vector<std::int64_t>;

Array log_softmax_of(const Array& x, std::size_t dim) {
  Array y = x;
  for_each_index(x.sizes, [&](const Index& index) {
    double total = 0;
    Index i = index;
    for (std::int64_t k = 0; k < (x.sizes.empty() ? 1 : x.sizes[dim]); ++k) {
      if (!x.sizes.empty()) {
        i[dim] = k;
      }
      total += std::exp(x.at(i));
    }
    y.at(index) = x.at(index) - std::log(total);
  });
  return y;
}

Array reduced(const Array& losses, std::int64_t reduction) {
  if (reduction == Reduction::None) {
    return losses;
  }
  double total = 0;
  for (const double v : losses.data) {
    total += v;
  }
  return {{}, {reduction == Reduction::Mean ? total / static_cast<double>(losses.data.size()) : total}};
}

Array nll_of(const Array& x, const Array& target, std::int64_t reduction) {
  Array losses = array_of(target.sizes);
  for (std::int64_t i = 0; i < target.sizes[0]; ++i) {
    losses.at({i}) = -x.at({i, static_cast<std::int64_t>(target.at({i}))});
  }
  return reduced(losses, reduction);
}

Array nll_gradient_of(const Array& dy, const Array& target, const Index& sizes, std::int64_t reduction) {
  Array dx = array_of(sizes);
  for (std::int64_t i = 0; i < target.sizes[0]; ++i) {
    const double rows = reduction == Reduction::Mean ? static_cast<double>(target.sizes[0]) : 1;
    dx.at({i, static_cast<std::int64_t>(target.at({i}))}) = -dy.at(dy.sizes.empty() ? Index{} : Index{i}) / rows;
  }
  return dx;
}

void add_log_softmax(Samples& all) {
  struct Case {
    const char* label;
    Index sizes;
    std::int64_t dim;
    std::size_t counted;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"last", {3, 5}, -1, 1},
                                         {"first", {3, 5}, 0, 0},
                                         {"middle", {2, 3, 4}, 1, 1},
                                         {"vector", {21}, 0, 0},
                                         {"one_class", {3, 1}, 1, 1},
                                         {"scalar", {}, 0, 0},
                                         {"empty_rows", {0, 3}, 1, 1},
                                         {"empty_classes", {3, 0}, 1, 1},
                                         {"transposed", {3, 5}, 1, 1, Layout::Transposed},
                                         {"strided", {3, 5}, 0, 0, Layout::Strided},
                                         {"expanded", {3, 5}, 1, 1, Layout::Expanded}}) {
    all.push_back({.op = "log_softmax",
                   .label = c.label,
                   .operands = {{c.sizes, -4, 4, c.layout}},
                   .call = [dim = c.dim](const Tensors& x) { return log_softmax(x[0], dim); },
                   .reference = [d = c.counted](const Arrays& x) { return log_softmax_of(x[0], d); },
                   .tolerance = 4,
                   .torch = concat("torch.log_softmax(x[0], ", c.dim, ")")});
  }
}

const char* python_name(std::int64_t reduction) {
  return reduction == Reduction::None ? "'none'" : reduction == Reduction::Mean ? "'mean'" : "'sum'";
}

void add_classification(Samples& all) {
  const Operand target{{4}, 0, 3, Layout::Contiguous, Of::Index};
  const Operand strided_target{{4}, 0, 3, Layout::Strided, Of::Index};
  for (const std::int64_t reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
    const std::string label = "reduction" + std::to_string(reduction);
    for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Expanded}) {
      const std::vector<Operand> operands = {{{4, 3}, -2, 2, layout},
                                             layout == Layout::Transposed ? strided_target : target};
      all.push_back(
          {.op = "nll_loss",
           .label = label + "_" + name(layout),
           .operands = operands,
           .call = [=](const Tensors& x) { return nll_loss(x[0], x[1], reduction); },
           .reference = [=](const Arrays& x) { return nll_of(x[0], x[1], reduction); },
           .torch = concat("torch.nn.functional.nll_loss(x[0], x[1], reduction=", python_name(reduction), ")")});
      all.push_back(
          {.op = "cross_entropy_loss",
           .label = label + "_" + name(layout),
           .operands = operands,
           .call = [=](const Tensors& x) { return cross_entropy_loss(x[0], x[1], reduction); },
           .reference = [=](const Arrays& x) { return nll_of(log_softmax_of(x[0], 1), x[1], reduction); },
           .torch = concat("torch.nn.functional.cross_entropy(x[0], x[1], reduction=", python_name(reduction), ")")});
    }
    const Operand dy{reduction == Reduction::None ? Index{4} : Index{}, -2, 2, Layout::Strided};
    all.push_back({.op = "nll_loss_backward",
                   .label = label,
                   .operands = {dy, target},
                   .call =
                       [=](const Tensors& x) {
                         return nll_loss_backward(x[0], x[1], {4, 3}, reduction);
                       },
                   .reference =
                       [=](const Arrays& x) {
                         return nll_gradient_of(x[0], x[1], {4, 3}, reduction);
                       },
                   .torch = concat("torch.ops.aten.nll_loss_backward(x[0], x[0].new_zeros(4, 3), x[1], None, ",
                                   reduction, ", -100, x[0].new_tensor(4))")});
  }
}

void add_mse(Samples& all) {
  for (const std::int64_t reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
    for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
      all.push_back(
          {.op = "mse_loss",
           .label = "reduction" + std::to_string(reduction) + "_" + name(layout),
           .operands = {{{3, 4}}, {{3, 4}, -2, 2, layout}},
           .call = [=](const Tensors& x) { return mse_loss(x[0], x[1], reduction); },
           .reference =
               [=](const Arrays& x) {
                 return reduced(map(x[0], x[1], [](double a, double b) { return (a - b) * (a - b); }), reduction);
               },
           .torch = concat("torch.nn.functional.mse_loss(x[0], x[1], reduction=", python_name(reduction), ")")});
    }
  }
}

}  // namespace

Samples loss_samples() {
  Samples all;
  add_log_softmax(all);
  add_classification(all);
  add_mse(all);
  return all;
}

}  // namespace backflow::test

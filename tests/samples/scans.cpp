// Running sums and products, and order along a dimension.
#include <algorithm>
#include <numeric>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>

namespace backflow::test {
namespace {

Line sums_of(Line x) {
  std::partial_sum(x.begin(), x.end(), x.begin());
  return x;
}
Line products_of(Line x) {
  std::partial_sum(x.begin(), x.end(), x.begin(), [](double a, double b) { return a * b; });
  return x;
}
template <class F>
Line from_the_end(Line x, const F& f) {
  std::reverse(x.begin(), x.end());
  x = f(x);
  std::reverse(x.begin(), x.end());
  return x;
}
Line recurrence_of(const Line& x, const Line& a) {
  Line y;
  for (std::size_t k = 0; k < x.size(); ++k) {
    y.push_back(x[k] + (k == 0 ? 0 : a[k] * y[k - 1]));
  }
  return y;
}

/// The indices in order, equal numbers in theirs.
Line order_of(const Line& x, bool descending) {
  Line index(x.size());
  std::iota(index.begin(), index.end(), 0);
  std::stable_sort(index.begin(), index.end(), [&](double a, double b) {
    const double v = x[static_cast<std::size_t>(a)];
    const double w = x[static_cast<std::size_t>(b)];
    return descending ? v > w : v < w;
  });
  return index;
}
Line at(const Line& x, Line index) {
  for (double& i : index) {
    i = x[static_cast<std::size_t>(i)];
  }
  return index;
}
Line first(Line x, std::int64_t k) {
  x.resize(static_cast<std::size_t>(k));
  return x;
}

struct Case {
  const char* label;
  Index sizes;
  std::int64_t dim;
  Layout layout = Layout::Contiguous;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {{"last", {3, 5}, -1},
                                           {"first", {3, 5}, 0},
                                           {"middle", {2, 3, 4}, 1},
                                           {"four_lines", {5, 4}, 1},
                                           {"scalar", {}, 0},
                                           {"one", {3, 1}, 1},
                                           {"empty", {3, 0}, 1},
                                           {"empty_lines", {0, 3}, 1},
                                           {"transposed", {3, 4, 2}, 1, Layout::Transposed},
                                           {"strided", {3, 5}, 1, Layout::Strided},
                                           {"strided_first", {3, 5}, 0, Layout::Strided},
                                           {"expanded", {3, 4}, 1, Layout::Expanded}};
  return kCases;
}

void add_scans(Samples& all, const Case& c) {
  const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
  const std::vector<Operand> two = {{c.sizes, -2, 2, c.layout}, {c.sizes, -1.5, 1.5, c.layout}};
  const std::int64_t d = c.dim;
  const std::string dim = std::to_string(d);
  const std::string flip = ", [" + dim + "])";
  Sample s = with_gradient(
      "cumsum", c.label, one, [d](const Tensors& x) { return x[0].cumsum(d); },
      [d](const Arrays& x) { return map_lines(x[0], d, sums_of); }, "torch.cumsum(x[0], " + dim + ")");
  if (c.layout != Layout::Expanded) {
    s.inplace = [d](const Tensors& x) { x[0].cumsum_(d); };
  }
  all.push_back(s);
  s = with_gradient(
      "cumprod", c.label, one, [d](const Tensors& x) { return x[0].cumprod(d); },
      [d](const Arrays& x) { return map_lines(x[0], d, products_of); }, "torch.cumprod(x[0], " + dim + ")");
  if (c.layout != Layout::Expanded) {
    s.inplace = [d](const Tensors& x) { x[0].cumprod_(d); };
  }
  all.push_back(s);
  all.push_back(with_gradient(
      "reverse_cumsum", c.label, one, [d](const Tensors& x) { return reverse_cumsum(x[0], d); },
      [d](const Arrays& x) { return map_lines(x[0], d, [](const Line& line) { return from_the_end(line, sums_of); }); },
      c.sizes.empty() ? "torch.cumsum(x[0], 0)"
                      : "torch.flip(torch.cumsum(torch.flip(x[0]" + flip + ", " + dim + ")" + flip));
  if (c.sizes.empty()) {
    return;
  }
  const std::string lines = "torch.stack([h[0] for h in __import__('itertools').accumulate(zip(";
  const std::string step = "), lambda h, b: (b[0] + b[1] * h[0],))], " + dim + ")";
  const bool is_empty = std::count(c.sizes.begin(), c.sizes.end(), 0) > 0;
  all.push_back(with_gradient(
      "linear_recurrence", c.label, two, [d](const Tensors& x) { return linear_recurrence(x[0], x[1], d); },
      [d](const Arrays& x) { return map_lines(x[0], x[1], d, recurrence_of); },
      is_empty ? "x[0].requires_grad_() * x[1]"
               : lines + "x[0].requires_grad_().unbind(" + dim + "), x[1].unbind(" + dim + ")" + step));
  all.push_back(with_gradient(
      "linear_recurrence", std::string(c.label) + "_reverse", two,
      [d](const Tensors& x) { return linear_recurrence(x[0], x[1], d, true); },
      [d](const Arrays& x) {
        return map_lines(x[0], x[1], d, [](const Line& b, Line a) {
          std::reverse(a.begin(), a.end());
          return from_the_end(b, [&](const Line& line) { return recurrence_of(line, a); });
        });
      },
      is_empty ? "x[0].requires_grad_() * x[1]"
               : "torch.flip(" + lines + "x[0].requires_grad_().flip(" + dim + ").unbind(" + dim + "), x[1].flip(" +
                     dim + ").unbind(" + dim + ")" + step + flip));
}

void add_order(Samples& all, const Case& c, bool descending) {
  const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
  const std::int64_t d = c.dim;
  const std::string label = std::string(c.label) + (descending ? "_descending" : "");
  const std::string arguments = std::to_string(d) + ", " + python(descending) + ")";
  const auto values = [=](const Arrays& x) {
    return map_lines(x[0], d, [=](const Line& line) { return at(line, order_of(line, descending)); });
  };
  const auto indices = [=](const Arrays& x) {
    return map_lines(x[0], d, [=](const Line& line) { return order_of(line, descending); });
  };
  all.push_back(with_gradient(
      "sort", label, one, [=](const Tensors& x) { return std::get<0>(x[0].sort(d, descending)); }, values,
      "torch.sort(x[0], " + arguments + "[0]"));
  all.push_back(without_gradient(
      "sort", label + "_stable_indices", one,
      [=](const Tensors& x) { return std::get<1>(x[0].sort(std::optional<bool>(true), d, descending)); }, indices,
      "torch.sort(x[0], stable=True, dim=" + std::to_string(d) + ", descending=" + python(descending) + ")[1]"));
  all.push_back(without_gradient(
      "argsort", label, one, [=](const Tensors& x) { return x[0].argsort(d, descending); }, indices,
      "torch.argsort(x[0], " + arguments));
}

void add_topk(Samples& all) {
  struct Top {
    const char* label;
    Index sizes;
    std::int64_t k;
    std::int64_t dim;
    bool largest;
    Layout layout = Layout::Contiguous;
  };
  for (const Top& c : std::vector<Top>{{"largest", {3, 7}, 2, -1, true},
                                       {"smallest", {3, 7}, 3, 1, false},
                                       {"first_dim", {6, 3}, 4, 0, true},
                                       {"all", {2, 4}, 4, 1, true},
                                       {"none", {2, 4}, 0, 1, true},
                                       {"scalar", {}, 1, 0, true},
                                       {"transposed", {5, 3}, 2, 0, true, Layout::Transposed},
                                       {"strided", {3, 5}, 2, 1, false, Layout::Strided},
                                       {"expanded", {3, 5}, 2, 1, true, Layout::Expanded}}) {
    const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
    const std::string call =
        "torch.topk(x[0], " + std::to_string(c.k) + ", " + std::to_string(c.dim) + ", " + python(c.largest) + ")";
    all.push_back(with_gradient(
        "topk", c.label, one, [c](const Tensors& x) { return std::get<0>(x[0].topk(c.k, c.dim, c.largest)); },
        [c](const Arrays& x) {
          return map_lines(x[0], c.dim,
                           [&](const Line& line) { return first(at(line, order_of(line, c.largest)), c.k); });
        },
        call + "[0]"));
    // What the indices name, since PyTorch promises no order of equal ones.
    all.push_back(without_gradient(
        "topk", std::string(c.label) + "_indices", one,
        [c](const Tensors& x) {
          const Tensor from = x[0].detach();
          return value_selecting_reduction(from, c.dim, std::get<1>(from.topk(c.k, c.dim, c.largest)), true);
        },
        [c](const Arrays& x) {
          return map_lines(x[0], c.dim,
                           [&](const Line& line) { return first(at(line, order_of(line, c.largest)), c.k); });
        },
        "torch.gather(x[0].detach(), " + std::to_string(c.dim) + ", " + call + "[1])"));
  }
}

}  // namespace

Samples scans_samples() {
  Samples all;
  for (const Case& c : cases()) {
    add_scans(all, c);
    add_order(all, c, false);
    add_order(all, c, true);
  }
  add_topk(all);
  all.push_back(with_gradient(
      "cumsum", "dtype", {{{2, 3}}}, [](const Tensors& x) { return x[0].cumsum(1, kFloat64); },
      [](const Arrays& x) { return map_lines(x[0], 1, sums_of); }, "torch.cumsum(x[0], 1, dtype=torch.float64)"));
  all.push_back(with_gradient(
      "cumprod", "dtype", {{{2, 3}}}, [](const Tensors& x) { return x[0].cumprod(1, kFloat64); },
      [](const Arrays& x) { return map_lines(x[0], 1, products_of); }, "torch.cumprod(x[0], 1, dtype=torch.float64)"));
  all.push_back(without_gradient(
      "argsort", "stable", {{{3, 4}}}, [](const Tensors& x) { return x[0].argsort(true, 1, false); },
      [](const Arrays& x) { return map_lines(x[0], 1, [](const Line& l) { return order_of(l, false); }); },
      "torch.sort(x[0], stable=True, dim=1)[1]"));
  all.push_back(with_gradient(
      "sort", "stable", {{{3, 4}}}, [](const Tensors& x) { return std::get<0>(x[0].sort(true, 0, true)); },
      [](const Arrays& x) { return map_lines(x[0], 0, [](const Line& l) { return at(l, order_of(l, true)); }); },
      "torch.sort(x[0], stable=True, dim=0, descending=True)[0]"));
  return all;
}

}  // namespace backflow::test

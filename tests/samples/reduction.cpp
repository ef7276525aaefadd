// Sums, means, products and truth values.
#include <cmath>
#include <limits>
#include <numeric>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

double total(const Line& x) { return std::accumulate(x.begin(), x.end(), 0.0); }
double average(const Line& x) { return total(x) / static_cast<double>(x.size()); }
double product(const Line& x) {
  return std::accumulate(x.begin(), x.end(), 1.0, [](double a, double b) { return a * b; });
}
double any_of(const Line& x) {
  return std::any_of(x.begin(), x.end(), [](double v) { return v != 0; });
}
double all_of(const Line& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return v != 0; });
}

struct Case {
  const char* label;
  Index sizes;
  Index dims;
  Layout layout = Layout::Contiguous;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {{"rows", {3, 4}, {0}},
                                           {"columns", {3, 4}, {-1}},
                                           {"middle", {2, 3, 4}, {1}},
                                           {"outer_two", {2, 3, 4}, {0, -1}},
                                           {"every_other", {2, 3, 2, 3, 2}, {0, 2, 4}},
                                           {"inner_two", {2, 3, 4}, {1, 2}},
                                           {"empty_list", {2, 3}, {}},
                                           {"scalar", {}, {0}},
                                           {"one_sized", {1, 3, 1}, {0, 2}},
                                           {"empty_summed", {3, 0}, {1}},
                                           {"empty_kept", {3, 0}, {0}},
                                           {"narrow", {300, 2}, {0}},
                                           {"wide", {2, 150}, {-1}},
                                           {"transposed", {3, 4, 5}, {0}, Layout::Transposed},
                                           {"transposed_middle", {3, 4, 5}, {1}, Layout::Transposed},
                                           {"transposed_last", {3, 4, 5}, {0, 2}, Layout::Transposed},
                                           {"strided", {3, 5}, {1}, Layout::Strided},
                                           {"strided_rows", {3, 5}, {0}, Layout::Strided},
                                           {"expanded", {3, 4}, {0}, Layout::Expanded},
                                           {"expanded_kept", {3, 4}, {1}, Layout::Expanded}};
  return kCases;
}

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> kAll = {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded};
  return kAll;
}

void add_sums(Samples& all) {
  for (const Case& c : cases()) {
    const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout}};
    const std::string dims = python(c.dims);
    for (const bool keep : {false, true}) {
      const std::string label = std::string(c.label) + (keep ? "_keepdim" : "");
      all.push_back(with_gradient(
          "sum", label, one, [c, keep](const Tensors& x) { return x[0].sum(c.dims, keep); },
          [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, total); },
          "torch.sum(x[0], " + dims + ", " + python(keep) + ")"));
      all.push_back(with_gradient(
          "mean", label, one, [c, keep](const Tensors& x) { return x[0].mean(c.dims, keep); },
          [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, average); },
          "torch.mean(x[0], " + dims + ", " + python(keep) + ")"));
    }
  }
  for (const Layout layout : layouts()) {
    const std::vector<Operand> one = {{{2, 3}, -2, 2, layout}};
    const std::string label = std::string("all_") + name(layout);
    all.push_back(with_gradient(
        "sum", label, one, [](const Tensors& x) { return x[0].sum(); },
        [](const Arrays& x) { return reduce_lines(x[0], {}, false, total); }, "torch.sum(x[0])"));
    all.push_back(with_gradient(
        "mean", label, one, [](const Tensors& x) { return x[0].mean(); },
        [](const Arrays& x) { return reduce_lines(x[0], {}, false, average); }, "torch.mean(x[0])"));
  }
  all.push_back(with_gradient(
      "sum", "dtype", {{{2, 3}}}, [](const Tensors& x) { return x[0].sum(kFloat64); },
      [](const Arrays& x) { return reduce_lines(x[0], {}, false, total); }, "torch.sum(x[0], dtype=torch.float64)"));
  all.push_back(with_gradient(
      "sum", "dtype_dim", {{{2, 3}}}, [](const Tensors& x) { return x[0].sum(-1, true, kFloat64); },
      [](const Arrays& x) { return reduce_lines(x[0], {-1}, true, total); },
      "torch.sum(x[0], -1, True, dtype=torch.float64)"));
  all.push_back(with_gradient(
      "sum", "no_list", {{{2, 3}}}, [](const Tensors& x) { return x[0].sum(IntArrayRef(), true); },
      [](const Arrays& x) { return reduce_lines(x[0], {}, true, total); }, "torch.sum(x[0], [], True)"));
}

void add_products(Samples& all) {
  const std::vector<Case> rows = {{"rows", {3, 4}, {0}},
                                  {"columns", {3, 4}, {-1}},
                                  {"middle", {2, 3, 4}, {1}},
                                  {"scalar", {}, {-1}},
                                  {"one", {3, 1}, {1}},
                                  {"empty_multiplied", {3, 0}, {1}},
                                  {"empty_kept", {3, 0}, {0}},
                                  {"transposed", {3, 4, 2}, {0}, Layout::Transposed},
                                  {"strided", {3, 5}, {1}, Layout::Strided},
                                  {"expanded", {3, 4}, {0}, Layout::Expanded}};
  for (const Case& c : rows) {
    for (const bool keep : {false, true}) {
      all.push_back(with_gradient(
          "prod", std::string(c.label) + (keep ? "_keepdim" : ""), {{c.sizes, -2, 2, c.layout}},
          [c, keep](const Tensors& x) { return x[0].prod(c.dims[0], keep); },
          [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, product); },
          "torch.prod(x[0], " + std::to_string(c.dims[0]) + ", " + python(keep) + ")"));
    }
  }
  for (const Layout layout : layouts()) {
    all.push_back(with_gradient(
        "prod", std::string("all_") + name(layout), {{{2, 3}, -2, 2, layout}},
        [](const Tensors& x) { return x[0].prod(); },
        [](const Arrays& x) { return reduce_lines(x[0], {}, false, product); }, "torch.prod(x[0])"));
  }
  all.push_back(with_gradient(
      "prod", "all_empty", {{{2, 0}}}, [](const Tensors& x) { return x[0].prod(); },
      [](const Arrays& x) { return reduce_lines(x[0], {}, false, product); }, "torch.prod(x[0])"));
  all.push_back(with_gradient(
      "prod", "dtype", {{{2, 3}}}, [](const Tensors& x) { return x[0].prod(kFloat64); },
      [](const Arrays& x) { return reduce_lines(x[0], {}, false, product); }, "torch.prod(x[0], dtype=torch.float64)"));
  all.push_back(with_gradient(
      "prod", "dtype_dim", {{{2, 3}}}, [](const Tensors& x) { return x[0].prod(1, false, kFloat64); },
      [](const Arrays& x) { return reduce_lines(x[0], {1}, false, product); },
      "torch.prod(x[0], 1, dtype=torch.float64)"));
}

void add_truths(Samples& all) {
  const auto add = [&](const Case& c, Of of) {
    const std::vector<Operand> one = {{c.sizes, -2, 2, c.layout, of}};
    const std::string label = std::string(c.label) + (of == Of::Mask ? "_mask" : "");
    if (c.dims.empty()) {
      all.push_back(without_gradient(
          "any", label, one, [](const Tensors& x) { return x[0].any(); },
          [](const Arrays& x) { return reduce_lines(x[0], {}, false, any_of); }, "torch.any(x[0])"));
      all.push_back(without_gradient(
          "all", label, one, [](const Tensors& x) { return x[0].all(); },
          [](const Arrays& x) { return reduce_lines(x[0], {}, false, all_of); }, "torch.all(x[0])"));
      return;
    }
    for (const bool keep : {false, true}) {
      const std::string arguments = std::to_string(c.dims[0]) + ", " + python(keep) + ")";
      const std::string full = label + (keep ? "_keepdim" : "");
      all.push_back(without_gradient(
          "any", full, one, [c, keep](const Tensors& x) { return x[0].any(c.dims[0], keep); },
          [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, any_of); },
          "torch.any(x[0], " + arguments));
      all.push_back(without_gradient(
          "all", full, one, [c, keep](const Tensors& x) { return x[0].all(c.dims[0], keep); },
          [c, keep](const Arrays& x) { return reduce_lines(x[0], c.dims, keep, all_of); },
          "torch.all(x[0], " + arguments));
    }
  };
  for (const Case& c : std::vector<Case>{{"rows", {2, 5}, {0}},
                                         {"columns", {5, 2}, {-1}},
                                         {"scalar", {}, {0}},
                                         {"whole", {2, 3}, {}},
                                         {"whole_empty", {0, 3}, {}},
                                         {"empty", {3, 0}, {1}},
                                         {"transposed", {3, 2, 2}, {1}, Layout::Transposed},
                                         {"strided", {3, 5}, {1}, Layout::Strided},
                                         {"expanded", {3, 4}, {0}, Layout::Expanded}}) {
    add(c, Of::Number);
    add(c, Of::Mask);
  }
}

void add_sums_to_size(Samples& all) {
  struct ToSize {
    const char* label;
    Index from;
    Index summed;
    Index to;
    Layout layout = Layout::Contiguous;
  };
  for (const ToSize& c : std::vector<ToSize>{{"row", {3, 4}, {0}, {4}},
                                             {"column", {3, 4}, {1}, {3, 1}},
                                             {"same", {3, 4}, {}, {3, 4}, Layout::Transposed},
                                             {"scalar", {2, 3}, {0, 1}, {}},
                                             {"empty", {0, 3}, {0}, {3}},
                                             {"expanded", {3, 2, 2}, {0, 2}, {2, 1}, Layout::Expanded}}) {
    all.push_back(with_gradient(
        "sum_to_size", c.label, {{c.from, -2, 2, c.layout}},
        [to = c.to](const Tensors& x) { return x[0].sum_to_size(to); },
        [c](const Arrays& x) {
          return Array{c.to, c.summed.empty() ? x[0].data : reduce_lines(x[0], c.summed, true, total).data};
        },
        "x[0].sum_to_size(" + python(c.to) + ")"));
  }
}

}  // namespace

Samples reduction_samples() {
  Samples all;
  add_sums(all);
  add_products(all);
  add_truths(all);
  add_sums_to_size(all);
  return all;
}

}  // namespace backflow::test

#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

/// x [m, k] by w [k, n].
Array product(const Array& x, const Array& w) {
  Array y = array_of({x.sizes[0], w.sizes[1]});
  for_each_index({x.sizes[0], w.sizes[1], x.sizes[1]}, [&](const Index& i) {
    y.at({i[0], i[1]}) += x.at({i[0], i[2]}) * w.at({i[2], i[1]});
  });
  return y;
}

Array as_matrix(const Array& x) {
  std::int64_t rows = 1;
  for (std::size_t d = 0; d + 1 < x.sizes.size(); ++d) {
    rows *= x.sizes[d];
  }
  return {{rows, x.sizes.back()}, x.data};
}

/// The last dimension of x by a matrix or vector w.
Array general_product(const Array& x, const Array& w) {
  Array y = product(as_matrix(x), w.sizes.size() == 2 ? w : Array{{w.sizes[0], 1}, w.data});
  Index sizes = x.sizes;
  sizes.pop_back();
  if (w.sizes.size() == 2) {
    sizes.push_back(w.sizes[1]);
  }
  return {sizes, y.data};
}

Array linear_of(const Arrays& a) {
  Array wt = array_of({a[1].sizes[1], a[1].sizes[0]});
  for_each_index(a[1].sizes, [&](const Index& i) { wt.at({i[1], i[0]}) = a[1].at(i); });
  const Array y = general_product(a[0], wt);
  return a.size() < 3 ? y : map(y, a[2], [](double p, double b) { return p + b; });
}

void add_products(Samples& all) {
  struct Case {
    const char* label;
    Index x;
    Index w;
    Layout x_layout = Layout::Contiguous;
    Layout w_layout = Layout::Contiguous;
    bool is_mm = false;
  };
  for (const Case& c :
       std::vector<Case>{{"matrices", {3, 4}, {4, 5}, Layout::Contiguous, Layout::Contiguous, true},
                         {"left_transposed", {3, 4}, {4, 5}, Layout::Transposed, Layout::Contiguous, true},
                         {"right_transposed", {3, 4}, {4, 5}, Layout::Contiguous, Layout::Transposed, true},
                         {"both_transposed", {17, 9}, {9, 13}, Layout::Transposed, Layout::Transposed, true},
                         {"strided", {3, 4}, {4, 5}, Layout::Strided, Layout::Strided, true},
                         {"expanded", {3, 4}, {4, 5}, Layout::Expanded, Layout::Expanded, true},
                         {"one_by_one", {1, 1}, {1, 1}, Layout::Contiguous, Layout::Contiguous, true},
                         {"no_rows", {0, 3}, {3, 2}, Layout::Contiguous, Layout::Contiguous, true},
                         {"no_columns", {2, 3}, {3, 0}, Layout::Contiguous, Layout::Contiguous, true},
                         {"no_terms", {2, 0}, {0, 3}, Layout::Contiguous, Layout::Contiguous, true},
                         {"dot", {4}, {4}},
                         {"dot_strided", {4}, {4}, Layout::Strided, Layout::Strided},
                         {"matrix_vector", {3, 4}, {4}},
                         {"vector_matrix", {4}, {4, 5}},
                         {"batch", {2, 3, 4}, {4, 5}},
                         {"batch_transposed", {2, 3, 4}, {4, 5}, Layout::Transposed},
                         {"batch_vector", {2, 3, 4}, {4}},
                         {"batch_empty", {0, 3, 4}, {4, 5}}}) {
    const std::vector<Operand> operands = {{c.x, -2, 2, c.x_layout}, {c.w, -2, 2, c.w_layout}};
    all.push_back({.op = "matmul",
                   .label = c.label,
                   .operands = operands,
                   .call = [](const Tensors& x) { return x[0].matmul(x[1]); },
                   .reference = [](const Arrays& x) { return general_product(x[0], x[1]); },
                   .tolerance = 4,
                   .torch = "torch.matmul(x[0], x[1])"});
    if (c.is_mm) {
      all.push_back({.op = "mm",
                     .label = c.label,
                     .operands = operands,
                     .call = [](const Tensors& x) { return mm(x[0], x[1]); },
                     .reference = [](const Arrays& x) { return product(x[0], x[1]); },
                     .tolerance = 4,
                     .torch = "torch.mm(x[0], x[1])"});
    }
  }
  Operand twin{{3, 3}};
  twin.same_as = 0;
  all.push_back({.op = "mm",
                 .label = "aliased",
                 .operands = {{{3, 3}}, twin},
                 .call = [](const Tensors& x) { return mm(x[0], x[1]); },
                 .reference = [](const Arrays& x) { return product(x[0], x[1]); },
                 .tolerance = 4,
                 .torch = "torch.mm(x[0], x[1])"});
}

void add_linear(Samples& all) {
  struct Case {
    const char* label;
    Index x;
    Index w;
    Layout layout = Layout::Contiguous;
  };
  for (const Case& c : std::vector<Case>{{"matrix", {3, 4}, {5, 4}},
                                         {"vector", {4}, {5, 4}},
                                         {"batch", {2, 3, 4}, {5, 4}},
                                         {"large", {19, 33}, {17, 33}},
                                         {"no_rows", {0, 4}, {5, 4}},
                                         {"no_terms", {3, 0}, {5, 0}},
                                         {"transposed", {3, 4}, {5, 4}, Layout::Transposed},
                                         {"batch_transposed", {2, 3, 4}, {5, 4}, Layout::Transposed},
                                         {"strided", {3, 4}, {5, 4}, Layout::Strided},
                                         {"expanded", {3, 4}, {5, 4}, Layout::Expanded}}) {
    const Operand x{c.x, -2, 2, c.layout};
    const Operand w{c.w, -2, 2, c.layout};
    const Operand b{{c.w[0]}, -2, 2, c.layout == Layout::Strided ? Layout::Strided : Layout::Contiguous};
    all.push_back({.op = "linear",
                   .label = c.label,
                   .operands = {x, w, b},
                   .call = [](const Tensors& t) { return linear(t[0], t[1], t[2]); },
                   .reference = linear_of,
                   .tolerance = 4,
                   .torch = "torch.nn.functional.linear(x[0], x[1], x[2])"});
    all.push_back({.op = "linear",
                   .label = std::string(c.label) + "_no_bias",
                   .operands = {x, w},
                   .call = [](const Tensors& t) { return linear(t[0], t[1]); },
                   .reference = linear_of,
                   .tolerance = 4,
                   .torch = "torch.nn.functional.linear(x[0], x[1])"});
  }
}

}  // namespace

Samples linear_algebra_samples() {
  Samples all;
  add_products(all);
  add_linear(all);
  return all;
}

}  // namespace backflow::test

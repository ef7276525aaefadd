// Products with vectors, and matrix products that are added to a tensor.
#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

constexpr Layout kPlain = Layout::Contiguous;

/// x [m, k] by w [k, n], where a vector w is a column.
Array product(const Array& x, const Array& w) {
  const Array right = w.sizes.size() == 2 ? w : Array{{w.sizes[0], 1}, w.data};
  Array y = array_of({x.sizes[0], right.sizes[1]});
  for_each_index({x.sizes[0], right.sizes[1], x.sizes[1]}, [&](const Index& i) {
    y.at({i[0], i[1]}) += x.at({i[0], i[2]}) * right.at({i[2], i[1]});
  });
  return w.sizes.size() == 2 ? y : Array{{x.sizes[0]}, y.data};
}

Array dot_of(const Arrays& x) {
  Array y = array_of(Index());
  for (std::size_t i = 0; i < x[0].data.size(); ++i) {
    y.data[0] += x[0].data[i] * x[1].data[i];
  }
  return y;
}

Array outer_of(const Arrays& x) {
  Array y = array_of({x[0].sizes[0], x[1].sizes[0]});
  for_each_index(y.sizes, [&](const Index& i) { y.at(i) = x[0].at({i[0]}) * x[1].at({i[1]}); });
  return y;
}

using Call = Tensor (*)(const Tensor&, const Tensor&);

void add_vectors(Samples& all) {
  struct Op {
    const char* name;
    Call call;
    Array (*reference)(const Arrays&);
    bool one_length;
  };
  for (const Op& op : std::vector<Op>{{"dot", dot, dot_of, true},
                                      {"vdot", vdot, dot_of, true},
                                      {"outer", outer, outer_of, false},
                                      {"ger", ger, outer_of, false}}) {
    struct Case {
      const char* label;
      std::int64_t x;
      std::int64_t w;
      Layout layout = kPlain;
      int same_as = -1;
    };
    for (const Case& c : std::vector<Case>{{"plain", 5, 3},
                                           {"one", 1, 1},
                                           {"long", 67, 2},
                                           {"empty", 0, 3},
                                           {"strided", 5, 3, Layout::Strided},
                                           {"expanded", 4, 3, Layout::Expanded},
                                           {"aliased", 4, 4, kPlain, 0}}) {
      const Operand w{{op.one_length ? c.x : c.w}, -2, 2, c.layout, Of::Number, c.same_as};
      all.push_back({.op = op.name,
                     .label = c.label,
                     .operands = {{{c.x}, -2, 2, c.layout}, w},
                     .call = [f = op.call](const Tensors& x) { return f(x[0], x[1]); },
                     .reference = op.reference,
                     .tolerance = 8,
                     .torch = std::string("torch.") + op.name + "(x[0], x[1])"});
    }
  }
}

void add_mv(Samples& all) {
  struct Case {
    const char* label;
    Index x;
    Layout x_layout = kPlain;
    Layout w_layout = kPlain;
  };
  for (const Case& c : std::vector<Case>{{"plain", {3, 4}},
                                         {"one", {1, 1}},
                                         {"long", {5, 70}},
                                         {"tall", {35, 3}},
                                         {"tall_transposed", {35, 6}, Layout::Transposed},
                                         {"no_rows", {0, 4}},
                                         {"no_terms", {3, 0}},
                                         {"transposed", {3, 4}, Layout::Transposed},
                                         {"strided", {3, 4}, Layout::Strided, Layout::Strided},
                                         {"expanded", {3, 4}, Layout::Expanded, Layout::Expanded}}) {
    all.push_back({.op = "mv",
                   .label = c.label,
                   .operands = {{c.x, -2, 2, c.x_layout}, {{c.x[1]}, -2, 2, c.w_layout}},
                   .call = [](const Tensors& x) { return x[0].mv(x[1]); },
                   .reference = [](const Arrays& x) { return product(x[0], x[1]); },
                   .tolerance = 8,
                   .torch = "torch.mv(x[0], x[1])"});
  }
}

/// x [..., k] by w [..., k].
Array inner_of(const Arrays& a) {
  if (a[0].sizes.empty() || a[1].sizes.empty()) {
    return map(a[0], a[1], [](double x, double w) { return x * w; });
  }
  Index sizes(a[0].sizes.begin(), a[0].sizes.end() - 1);
  sizes.insert(sizes.end(), a[1].sizes.begin(), a[1].sizes.end() - 1);
  Array y = array_of(sizes);
  const std::size_t rank = a[0].sizes.size() - 1;
  for_each_index(sizes, [&](const Index& i) {
    for (std::int64_t p = 0; p < a[0].sizes.back(); ++p) {
      Index left(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(rank));
      Index right(i.begin() + static_cast<std::ptrdiff_t>(rank), i.end());
      left.push_back(p);
      right.push_back(p);
      y.at(i) += a[0].at(left) * a[1].at(right);
    }
  });
  return y;
}

void add_inner(Samples& all) {
  struct Case {
    const char* label;
    Index x;
    Index w;
    Layout layout = kPlain;
  };
  for (const Case& c : std::vector<Case>{{"vectors", {4}, {4}},
                                         {"matrices", {2, 4}, {3, 4}},
                                         {"matrix_vector", {2, 4}, {4}},
                                         {"batch", {2, 3, 4}, {2, 4}},
                                         {"number", {}, {3, 2}},
                                         {"numbers", {}, {}},
                                         {"transposed", {2, 4}, {3, 4}, Layout::Transposed},
                                         {"strided", {2, 4}, {3, 4}, Layout::Strided},
                                         {"no_terms", {2, 0}, {3, 0}}}) {
    all.push_back({.op = "inner",
                   .label = c.label,
                   .operands = {{c.x, -2, 2, c.layout}, {c.w, -2, 2, c.layout}},
                   .call = [](const Tensors& x) { return inner(x[0], x[1]); },
                   .reference = inner_of,
                   .tolerance = 8,
                   .torch = "torch.inner(x[0], x[1])"});
  }
}

void add_added(Samples& all) {
  struct Case {
    const char* label;
    Index input;
    Index x;
    Index w;
    Layout layout = kPlain;
    bool inplace = false;
  };
  for (const Case& c : std::vector<Case>{{"plain", {3, 5}, {3, 4}, {4, 5}, kPlain, true},
                                         {"row", {5}, {3, 4}, {4, 5}},
                                         {"column", {3, 1}, {3, 4}, {4, 5}},
                                         {"number", {}, {3, 4}, {4, 5}},
                                         {"large", {19, 17}, {19, 33}, {33, 17}, kPlain, true},
                                         {"empty", {0, 5}, {0, 4}, {4, 5}, kPlain, true},
                                         {"no_terms", {3, 5}, {3, 0}, {0, 5}, kPlain, true},
                                         {"transposed", {3, 5}, {3, 4}, {4, 5}, Layout::Transposed, true},
                                         {"strided", {3, 5}, {3, 4}, {4, 5}, Layout::Strided, true},
                                         {"vector", {3}, {3, 4}, {4}, kPlain, true},
                                         {"vector_broadcast", {1}, {3, 4}, {4}},
                                         {"vector_number", {}, {3, 4}, {4}},
                                         {"vector_strided", {3}, {3, 4}, {4}, Layout::Strided, true},
                                         {"vector_no_terms", {3}, {3, 0}, {0}, kPlain, true}}) {
    for (const double beta : {1, 2}) {
      const double alpha = beta == 1 ? 1 : 3;
      const bool is_matrix = c.w.size() == 2;
      const Scalar b = static_cast<int>(beta);
      const Scalar a = static_cast<int>(alpha);
      Sample s{
          .op = is_matrix ? "addmm" : "addmv",
          .label = std::string(c.label) + (beta == 1 ? "" : "_weighted"),
          .operands = {{c.input, -2, 2, c.layout}, {c.x, -2, 2, c.layout}, {c.w, -2, 2, c.layout}},
          .call =
              [=](const Tensors& x) { return is_matrix ? x[0].addmm(x[1], x[2], b, a) : x[0].addmv(x[1], x[2], b, a); },
          .reference =
              [=](const Arrays& x) {
                return map(product(x[1], x[2]), x[0], [=](double p, double i) { return beta * i + alpha * p; });
              },
          .tolerance = 8,
          .torch = std::string(is_matrix ? "torch.addmm" : "torch.addmv") + "(x[0], x[1], x[2]" +
                   (beta == 1 ? ")" : ", beta=2, alpha=3)")};
      if (c.inplace) {
        s.inplace = [=](const Tensors& x) {
          is_matrix ? x[0].addmm_(x[1], x[2], b, a) : x[0].addmv_(x[1], x[2], b, a);
        };
      }
      all.push_back(s);
    }
  }
  all.push_back(
      {.op = "addmm",
       .label = "aliased",
       .operands = {{{3, 3}}, {{3, 3}}, {.sizes = {3, 3}, .same_as = 1}},
       .call = [](const Tensors& x) { return addmm(x[0], x[1], x[2]); },
       .reference =
           [](const Arrays& x) { return map(product(x[1], x[2]), x[0], [](double p, double i) { return p + i; }); },
       .inplace = [](const Tensors& x) { x[0].addmm_(x[1], x[2]); },
       .tolerance = 8,
       .torch = "torch.addmm(x[0], x[1], x[2])"});
  all.push_back({.op = "addmm",
                 .label = "beta_zero",
                 .operands = {{{3, 2}}, {{3, 4}}, {{4, 2}}},
                 .call = [](const Tensors& x) { return addmm(x[0], x[1], x[2], 0); },
                 .reference = [](const Arrays& x) { return product(x[1], x[2]); },
                 .tolerance = 8,
                 .torch = "torch.addmm(x[0], x[1], x[2], beta=0)"});
}

}  // namespace

Samples products_samples() {
  Samples all;
  add_vectors(all);
  add_mv(all);
  add_inner(all);
  add_added(all);
  return all;
}

}  // namespace backflow::test

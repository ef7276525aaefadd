#include <backflow/ops/operators.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

constexpr Layout kPlain = Layout::Contiguous;

/// Element (i, j) of matrix number `batch` (an index that broadcasts) of x.
double element(const Array& x, const Index& batch, std::int64_t i, std::int64_t j) {
  Index at;
  const std::size_t rank = x.sizes.size() - 2;
  for (std::size_t d = 0; d < rank; ++d) {
    at.push_back(x.sizes[d] == 1 ? 0 : batch[batch.size() - rank + d]);
  }
  at.push_back(i);
  at.push_back(j);
  return x.at(at);
}

/// The product under matmul's rules.
Array product(Array x, Array w) {
  const bool left_vector = x.sizes.size() == 1;
  const bool right_vector = w.sizes.size() == 1;
  if (left_vector) {
    x.sizes.insert(x.sizes.begin(), 1);
  }
  if (right_vector) {
    w.sizes.push_back(1);
  }
  const Array batch = map(array_of(Index(x.sizes.begin(), x.sizes.end() - 2)),
                          array_of(Index(w.sizes.begin(), w.sizes.end() - 2)), [](double, double) { return 0; });
  Index sizes = batch.sizes;
  sizes.push_back(x.sizes[x.sizes.size() - 2]);
  sizes.push_back(w.sizes.back());
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& at) {
    for (std::int64_t p = 0; p < x.sizes.back(); ++p) {
      y.at(at) += element(x, at.size() > 2 ? Index(at.begin(), at.end() - 2) : Index(), at[at.size() - 2], p) *
                  element(w, at.size() > 2 ? Index(at.begin(), at.end() - 2) : Index(), p, at.back());
    }
  });
  if (left_vector) {
    y.sizes.erase(y.sizes.end() - 2);
  }
  if (right_vector) {
    y.sizes.pop_back();
  }
  return y;
}

void add_bmm(Samples& all) {
  struct Case {
    const char* label;
    Index x;
    Index w;
    Layout x_layout = kPlain;
    Layout w_layout = kPlain;
  };
  for (const Case& c : std::vector<Case>{{"plain", {2, 3, 4}, {2, 4, 5}},
                                         {"one", {1, 3, 4}, {1, 4, 2}},
                                         {"wide", {2, 3, 5}, {2, 5, 37}},
                                         {"rows", {3, 1, 5}, {3, 5, 4}},
                                         {"columns", {3, 4, 5}, {3, 5, 1}},
                                         {"dots", {4, 1, 5}, {4, 5, 1}},
                                         {"empty", {0, 3, 4}, {0, 4, 5}},
                                         {"no_terms", {2, 3, 0}, {2, 0, 5}},
                                         {"no_rows", {2, 0, 3}, {2, 3, 5}},
                                         {"transposed", {2, 3, 4}, {2, 4, 5}, Layout::Transposed, Layout::Transposed},
                                         {"strided", {2, 3, 4}, {2, 4, 5}, Layout::Strided, Layout::Strided},
                                         {"expanded", {2, 3, 4}, {2, 4, 5}, Layout::Expanded, kPlain},
                                         {"right_expanded", {2, 3, 4}, {2, 4, 5}, kPlain, Layout::Expanded}}) {
    all.push_back({.op = "bmm",
                   .label = c.label,
                   .operands = {{c.x, -2, 2, c.x_layout}, {c.w, -2, 2, c.w_layout}},
                   .call = [](const Tensors& x) { return x[0].bmm(x[1]); },
                   .reference = [](const Arrays& x) { return product(x[0], x[1]); },
                   .tolerance = 4,
                   .torch = "torch.bmm(x[0], x[1])"});
  }
  all.push_back({.op = "bmm",
                 .label = "aliased",
                 .operands = {{{2, 3, 3}}, {.sizes = {2, 3, 3}, .same_as = 0}},
                 .call = [](const Tensors& x) { return bmm(x[0], x[1]); },
                 .reference = [](const Arrays& x) { return product(x[0], x[1]); },
                 .tolerance = 4,
                 .torch = "torch.bmm(x[0], x[1])"});
  all.push_back({.op = "bmm",
                 .label = "matrices_transposed",
                 .operands = {{{2, 4, 3}}, {{2, 5, 4}}},
                 .call = [](const Tensors& x) { return bmm(transpose(x[0], 1, 2), transpose(x[1], 1, 2)); },
                 .reference =
                     [](const Arrays& x) {
                       Array y = array_of({2, 3, 5});
                       for_each_index({2, 3, 5, 4}, [&](const Index& i) {
                         y.at({i[0], i[1], i[2]}) += x[0].at({i[0], i[3], i[1]}) * x[1].at({i[0], i[2], i[3]});
                       });
                       return y;
                     },
                 .tolerance = 4,
                 .torch = "torch.bmm(x[0].transpose(1, 2), x[1].transpose(1, 2))"});
}

void add_matmul(Samples& all) {
  struct Case {
    const char* label;
    Index x;
    Index w;
    Layout x_layout = kPlain;
    Layout w_layout = kPlain;
  };
  for (const Case& c :
       std::vector<Case>{{"batches", {2, 3, 4}, {2, 4, 5}},
                         {"batch_right", {3, 4}, {2, 4, 5}},
                         {"vector_batch", {4}, {2, 4, 5}},
                         {"vector_batches", {4}, {2, 3, 4, 2}},
                         {"batches_vector", {2, 2, 3, 4}, {4}},
                         {"broadcast_left", {1, 3, 4}, {2, 4, 5}},
                         {"broadcast_right", {2, 3, 4}, {1, 4, 5}},
                         {"broadcast_both", {3, 1, 2, 4}, {2, 4, 3}},
                         {"two_batch_dims", {2, 3, 2, 3}, {2, 3, 3, 2}},
                         {"broadcast_empty", {0, 1, 2, 3}, {2, 3, 2}},
                         {"batches_no_terms", {2, 3, 0}, {2, 0, 4}},
                         {"batches_transposed", {2, 3, 4}, {2, 4, 5}, Layout::Transposed, Layout::Transposed},
                         {"broadcast_strided", {2, 1, 3, 4}, {2, 4, 5}, Layout::Strided, Layout::Strided},
                         {"batches_expanded", {2, 3, 4}, {2, 4, 5}, Layout::Expanded, Layout::Expanded}}) {
    all.push_back({.op = "matmul",
                   .label = c.label,
                   .operands = {{c.x, -2, 2, c.x_layout}, {c.w, -2, 2, c.w_layout}},
                   .call = [](const Tensors& x) { return matmul(x[0], x[1]); },
                   .reference = [](const Arrays& x) { return product(x[0], x[1]); },
                   .tolerance = 4,
                   .torch = "torch.matmul(x[0], x[1])"});
  }
}

/// beta x + alpha (u w), summed over the batch for addbmm.
Array added(const Arrays& a, double beta, double alpha, bool sums) {
  Array y = product(a[1], a[2]);
  if (sums) {
    Array total = array_of({y.sizes[1], y.sizes[2]});
    for_each_index(y.sizes, [&](const Index& i) { total.at({i[1], i[2]}) += y.at(i); });
    y = total;
  }
  return map(y, a[0], [&](double p, double x) { return beta * x + alpha * p; });
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
  // The whole numbers keep their meaning in integers.
  const auto add = [&](const char* op, const Case& c, auto call, auto into) {
    for (const bool weighted : {false, true}) {
      const double beta = weighted ? 2 : 1;
      const double alpha = weighted ? 3 : 1;
      const bool sums = std::string(op) == "addbmm";
      Sample s{.op = op,
               .label = std::string(c.label) + (weighted ? "_weighted" : ""),
               .operands = {{c.input, -2, 2, c.layout}, {c.x, -2, 2, c.layout}, {c.w, -2, 2, c.layout}},
               .call = [=](const Tensors& x) { return weighted ? call(x, 2, 3) : call(x, 1, 1); },
               .reference = [=](const Arrays& a) { return added(a, beta, alpha, sums); },
               .tolerance = 8,
               .torch = std::string("torch.") + op + "(x[0], x[1], x[2]" + (weighted ? ", beta=2, alpha=3)" : ")")};
      if (c.inplace) {
        s.inplace = [=](const Tensors& x) { weighted ? into(x, 2, 3) : into(x, 1, 1); };
      }
      all.push_back(s);
    }
  };
  const auto baddbmm_call = [](const Tensors& x, int beta, int alpha) { return x[0].baddbmm(x[1], x[2], beta, alpha); };
  const auto baddbmm_into = [](const Tensors& x, int beta, int alpha) { x[0].baddbmm_(x[1], x[2], beta, alpha); };
  const auto addbmm_call = [](const Tensors& x, int beta, int alpha) { return addbmm(x[0], x[1], x[2], beta, alpha); };
  const auto addbmm_into = [](const Tensors& x, int beta, int alpha) { x[0].addbmm_(x[1], x[2], beta, alpha); };
  for (const Case& c : std::vector<Case>{{"plain", {2, 3, 5}, {2, 3, 4}, {2, 4, 5}, kPlain, true},
                                         {"broadcast", {5}, {2, 3, 4}, {2, 4, 5}},
                                         {"number", {}, {2, 3, 4}, {2, 4, 5}},
                                         {"one_matrix", {3, 5}, {2, 3, 4}, {2, 4, 5}},
                                         {"strided", {2, 3, 5}, {2, 3, 4}, {2, 4, 5}, Layout::Strided, true},
                                         {"transposed", {2, 3, 5}, {2, 3, 4}, {2, 4, 5}, Layout::Transposed, true},
                                         {"empty", {0, 3, 5}, {0, 3, 4}, {0, 4, 5}, kPlain, true},
                                         {"no_terms", {2, 3, 5}, {2, 3, 0}, {2, 0, 5}, kPlain, true}}) {
    add("baddbmm", c, baddbmm_call, baddbmm_into);
  }
  for (const Case& c : std::vector<Case>{{"plain", {3, 5}, {2, 3, 4}, {2, 4, 5}, kPlain, true},
                                         {"broadcast", {1}, {2, 3, 4}, {2, 4, 5}},
                                         {"strided", {3, 5}, {2, 3, 4}, {2, 4, 5}, Layout::Strided, true},
                                         {"transposed", {3, 5}, {2, 3, 4}, {2, 4, 5}, Layout::Transposed, true},
                                         {"empty", {3, 5}, {0, 3, 4}, {0, 4, 5}, kPlain, true}}) {
    add("addbmm", c, addbmm_call, addbmm_into);
  }
}

}  // namespace

Samples batched_products_samples() {
  Samples all;
  add_bmm(all);
  add_matmul(all);
  add_added(all);
  return all;
}

}  // namespace backflow::test

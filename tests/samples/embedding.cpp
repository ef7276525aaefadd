#include <cmath>
#include <map>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

struct Case {
  const char* label;
  Operand weight;
  Operand indices;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kAll = {
      {"line", numbers({5, 3}), indices({7}, 5)},
      {"batch", numbers({17, 24}), indices({3, 4}, 17)},
      {"odd_columns", numbers({4, 17}), indices({2, 3, 2}, 4)},
      {"many_equal", numbers({2, 5}), indices({40}, 2)},
      {"one_row", numbers({1, 3}), indices({5}, 1)},
      {"few_of_many", numbers({40, 2}), indices({3}, 40)},
      {"one_index", numbers({5, 3}), indices({}, 5)},
      {"no_indices", numbers({5, 3}), indices({0, 2}, 5)},
      {"no_columns", numbers({5, 0}), indices({3}, 5)},
      {"transposed", numbers({5, 3}, Layout::Transposed), indices({2, 3}, 5, Layout::Transposed)},
      {"strided", numbers({5, 3}, Layout::Strided), indices({4}, 5, Layout::Strided)},
      {"expanded", numbers({5, 3}, Layout::Expanded), indices({2, 3}, 5, Layout::Expanded)}};
  return kAll;
}

Array rows_of(const Array& w, const Array& index) {
  Index sizes = index.sizes;
  sizes.push_back(w.sizes[1]);
  Array y = array_of(sizes);
  const auto columns = static_cast<std::size_t>(w.sizes[1]);
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    y.data[i] = w.data[static_cast<std::size_t>(index.data[i / columns]) * columns + i % columns];
  }
  return y;
}

Array sums_of(const Array& dy, const Array& index, std::int64_t rows, std::int64_t padding, bool average) {
  Array dw = array_of({rows, dy.sizes.back()});
  std::map<double, double> count;
  for (const double r : index.data) {
    count[r] += 1;
  }
  const auto columns = static_cast<std::size_t>(dy.sizes.back());
  for (std::size_t i = 0; i < dy.data.size(); ++i) {
    const double r = index.data[i / columns];
    if (r != static_cast<double>(padding)) {
      dw.data[static_cast<std::size_t>(r) * columns + i % columns] += dy.data[i] / (average ? count[r] : 1);
    }
  }
  return dw;
}

void add_embedding(Samples& all) {
  for (const Case& c : cases()) {
    all.push_back({.op = "embedding",
                   .label = c.label,
                   .operands = {c.weight, c.indices},
                   .call = [](const Tensors& x) { return embedding(x[0], x[1]); },
                   .reference = [](const Arrays& x) { return rows_of(x[0], x[1]); },
                   .torch = "torch.embedding(x[0], x[1])"});
  }
  // Of rows that indices name, the padding row's gradient is not that of the function: here it is another.
  all.push_back({.op = "embedding",
                 .label = "padding",
                 .operands = {numbers({6, 3}), indices({2, 4}, 5)},
                 .call = [](const Tensors& x) { return embedding(x[0], x[1], 5); },
                 .reference = [](const Arrays& x) { return rows_of(x[0], x[1]); },
                 .torch = "torch.embedding(x[0], x[1], 5)"});
}

/// Averages are written out: the second derivative of PyTorch's operator knows nothing of them.
std::string in_torch(const Index& sizes, std::int64_t rows, std::int64_t padding, bool average) {
  if (!average) {
    return "torch.ops.aten.embedding_dense_backward(x[0], x[1], " + std::to_string(rows) + ", " +
           std::to_string(padding) + ", False)";
  }
  const std::int64_t columns = sizes.back();
  std::int64_t count = 1;
  for (std::size_t d = 0; d + 1 < sizes.size(); ++d) {
    count *= sizes[d];
  }
  return "torch.zeros(" + python(Index{rows, columns}) +
         ", dtype=x[0].dtype).index_add(0, x[1].reshape(-1), (x[0] / torch.bincount(x[1].reshape(-1), minlength=" +
         std::to_string(rows) + ")[x[1]].unsqueeze(-1).to(x[0].dtype)).reshape(" + python(Index{count, columns}) + "))";
}

void add_backward(Samples& all) {
  for (const Case& c : cases()) {
    Index sizes = c.indices.sizes;
    sizes.push_back(c.weight.sizes[1]);
    const std::int64_t rows = c.weight.sizes[0];
    struct Options {
      const char* label;
      std::int64_t padding;
      bool average;
    };
    for (const Options& o : {Options{"", -1, false}, {"_padding", 1, false}, {"_average", -1, true}}) {
      all.push_back(
          {.op = "embedding_dense_backward",
           .label = std::string(c.label) + o.label,
           .operands = {numbers(sizes, c.weight.layout), c.indices},
           .call = [=](const Tensors& x) { return embedding_dense_backward(x[0], x[1], rows, o.padding, o.average); },
           .reference = [=](const Arrays& x) { return sums_of(x[0], x[1], rows, o.padding, o.average); },
           .torch = in_torch(sizes, rows, o.padding, o.average)});
    }
  }
}

Array renormed(const Array& w, const Array& index, double max_norm, double order) {
  Array y = w;
  const auto columns = static_cast<std::size_t>(w.sizes[1]);
  for (const double r : index.data) {
    const std::size_t first = static_cast<std::size_t>(r) * columns;
    double norm = 0;
    for (std::size_t j = 0; j < columns; ++j) {
      norm += std::pow(std::abs(w.data[first + j]), order);
    }
    norm = std::pow(norm, 1 / order);
    for (std::size_t j = 0; norm > max_norm && j < columns; ++j) {
      y.data[first + j] = w.data[first + j] * max_norm / (norm + 1e-7);
    }
  }
  return y;
}

void add_renorm(Samples& all) {
  for (const double order : {2.0, 1.0, 3.0}) {
    all.push_back(
        {.op = "embedding_renorm",
         .label = "order_" + std::to_string(static_cast<int>(order)),
         .operands = {numbers({7, 5}), indices({2, 3}, 7)},
         .call = [order](const Tensors& x) { return embedding_renorm(x[0].detach(), x[1], 1.5, order); },
         .reference = [order](const Arrays& x) { return renormed(x[0], x[1], 1.5, order); },
         .inplace = [order](const Tensors& x) { x[0].embedding_renorm_(x[1], 1.5, order); },
         .differentiable = false,
         .torch = "torch.embedding_renorm_(x[0].detach().clone(), x[1], 1.5, " + std::to_string(order) + ")"});
  }
}

}  // namespace

Samples embedding_samples() {
  Samples all;
  add_embedding(all);
  add_backward(all);
  add_renorm(all);
  return all;
}

}  // namespace backflow::test

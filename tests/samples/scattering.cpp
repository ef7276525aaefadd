#include <functional>
#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

/// x with f(x, w) where an index of as many dimensions says.
Array scattered(Array x, std::size_t dim, const Array& index, const Array& w,
                const std::function<double(double, double)>& f) {
  for_each_index(index.sizes, [&](const Index& from) {
    Index to = from;
    if (!to.empty()) {
      to[dim] = static_cast<std::int64_t>(index.at(from));
    }
    x.at(to) = f(x.at(to), w.at(from));
  });
  return x;
}

/// The same for whole slices.
Array slices_scattered(Array x, std::size_t dim, const Array& index, const Array& w,
                       const std::function<double(double, double)>& f) {
  for_each_index(w.sizes, [&](const Index& from) {
    Index to = from;
    to[dim] = static_cast<std::int64_t>(index.data[static_cast<std::size_t>(from[dim])]);
    x.at(to) = f(x.at(to), w.at(from));
  });
  return x;
}

double last(double, double w) { return w; }
double sum(double x, double w) { return x + w; }

/// Indices that differ along the dimension, without which the gradient is not the derivative.
struct Case {
  const char* label;
  Operand x;
  Array index;
  Operand w;
  std::int64_t dim;
  std::size_t at;
  const char* python;  ///< of the index
};

std::vector<Case> cases() {
  const Layout strided = Layout::Strided;
  const Layout transposed = Layout::Transposed;
  return {
      {"vector", numbers({5}), {{3}, {4, 0, 2}}, numbers({3}), 0, 0, "[4, 0, 2]"},
      {"first", numbers({3, 2}), {{2, 2}, {2, 0, 0, 1}}, numbers({2, 2}), 0, 0, "[[2, 0], [0, 1]]"},
      {"last", numbers({2, 4}), {{2, 2}, {3, 1, 0, 2}}, numbers({2, 2}), -1, 1, "[[3, 1], [0, 2]]"},
      {"smaller", numbers({3, 2}), {{1, 1}, {2}}, numbers({2, 3}), 0, 0, "[[2]]"},
      {"transposed",
       numbers({3, 2}, transposed),
       {{2, 2}, {2, 0, 0, 1}},
       numbers({2, 2}, transposed),
       0,
       0,
       "[[2, 0], [0, 1]]"},
      {"strided", numbers({2, 4}, strided), {{2, 2}, {3, 1, 0, 2}}, numbers({2, 2}, strided), 1, 1, "[[3, 1], [0, 2]]"},
      {"no_indices", numbers({3, 2}), {{0, 2}, {}}, numbers({1, 2}), 0, 0, "[[], []]).reshape(0, 2).long("},
      {"scalar", numbers({}), {{}, {0}}, numbers({}), 0, 0, "0"}};
}

std::string call_in_python(const char* op, const Case& c, const char* last) {
  return std::string("torch.") + op + "(x[0], " + std::to_string(c.dim) + ", torch.tensor(" + c.python + "), " + last +
         ")";
}

void add_scatter(Samples& all) {
  for (const Case& c : cases()) {
    const Tensor i = tensor_of(c.index, kInt64);
    all.push_back(
        {.op = "scatter",
         .label = c.label,
         .operands = {c.x, c.w},
         .call = [dim = c.dim, i](const Tensors& x) { return x[0].scatter(dim, i, x[1]); },
         .reference = [at = c.at, i = c.index](const Arrays& x) { return scattered(x[0], at, i, x[1], last); },
         .inplace = [dim = c.dim, i](const Tensors& x) { x[0].scatter_(dim, i, x[1]); },
         .torch = call_in_python("scatter", c, "x[1]")});
    all.push_back(
        {.op = "scatter",
         .label = std::string("number_") + c.label,
         .operands = {c.x},
         .call = [dim = c.dim, i](const Tensors& x) { return x[0].scatter(dim, i, 2); },
         .reference = [at = c.at, i = c.index](
                          const Arrays& x) { return scattered(x[0], at, i, map(i, [](double) { return 2; }), last); },
         .inplace = [dim = c.dim, i](const Tensors& x) { x[0].scatter_(dim, i, 2); },
         .torch = call_in_python("scatter", c, "2")});
  }
}

void add_scatter_add(Samples& all) {
  struct Row {
    const char* label;
    Operand x;
    Operand index;
    Operand w;
    std::int64_t dim;
    std::size_t at;
  };
  for (const Row& c :
       std::vector<Row>{{"vector", numbers({4}), indices({9}, 4), numbers({9}), 0, 0},
                        {"first", numbers({3, 2}), indices({5, 2}, 3), numbers({5, 2}), 0, 0},
                        {"last", numbers({2, 3}), indices({2, 6}, 3), numbers({2, 6}), -1, 1},
                        {"middle", numbers({2, 3, 2}), indices({2, 4, 2}, 3), numbers({2, 4, 2}), 1, 1},
                        {"smaller", numbers({3, 4}), indices({2, 2}, 3), numbers({3, 3}), 0, 0},
                        {"many_columns", numbers({2, 70}), indices({3, 70}, 2), numbers({3, 70}), 0, 0},
                        {"transposed", numbers({3, 2}, Layout::Transposed), indices({5, 2}, 3),
                         numbers({5, 2}, Layout::Strided), 0, 0},
                        {"expanded", numbers({3, 2}), indices({5, 2}, 3), numbers({5, 2}, Layout::Expanded), 0, 0},
                        {"no_indices", numbers({3, 2}), indices({0, 2}, 1), numbers({0, 2}), 0, 0},
                        {"scalar", numbers({}), indices({}, 1), numbers({}), 0, 0}}) {
    all.push_back({.op = "scatter_add",
                   .label = c.label,
                   .operands = {c.x, c.w, c.index},
                   .call = [dim = c.dim](const Tensors& x) { return x[0].scatter_add(dim, x[2], x[1]); },
                   .reference = [at = c.at](const Arrays& x) { return scattered(x[0], at, x[2], x[1], sum); },
                   .inplace = [dim = c.dim](const Tensors& x) { x[0].scatter_add_(dim, x[2], x[1]); },
                   .torch = "torch.scatter_add(x[0], " + std::to_string(c.dim) + ", x[2], x[1])"});
  }
  Operand same = numbers({4});
  same.same_as = 0;
  all.push_back({.op = "scatter_add",
                 .label = "aliased",
                 .operands = {numbers({4}), same, indices({4}, 4)},
                 .call = [](const Tensors& x) { return x[0].scatter_add(0, x[2], x[1]); },
                 .reference = [](const Arrays& x) { return scattered(x[0], 0, x[2], x[1], sum); },
                 .inplace = [](const Tensors& x) { x[0].scatter_add_(0, x[2], x[1]); },
                 .torch = "torch.scatter_add(x[0], 0, x[2], x[1])"});
}

void add_index_add(Samples& all) {
  struct Row {
    const char* label;
    Operand x;
    Operand index;
    Operand w;
    std::int64_t dim;
    std::size_t at;
  };
  for (const Row& c : std::vector<Row>{
           {"vector", numbers({4}), indices({9}, 4), numbers({9}), 0, 0},
           {"rows", numbers({3, 2}), indices({5}, 3), numbers({5, 2}), 0, 0},
           {"columns", numbers({2, 3}), indices({4}, 3), numbers({2, 4}), -1, 1},
           {"wide_rows", numbers({2, 70}), indices({3}, 2), numbers({3, 70}), 0, 0},
           {"transposed", numbers({3, 2}, Layout::Transposed), indices({5}, 3), numbers({5, 2}, Layout::Strided), 0, 0},
           {"no_indices", numbers({3, 2}), indices({0}, 1), numbers({0, 2}), 0, 0}}) {
    all.push_back({.op = "index_add",
                   .label = c.label,
                   .operands = {c.x, c.w, c.index},
                   .call = [dim = c.dim](const Tensors& x) { return x[0].index_add(dim, x[2], x[1]); },
                   .reference = [at = c.at](const Arrays& x) { return slices_scattered(x[0], at, x[2], x[1], sum); },
                   .inplace = [dim = c.dim](const Tensors& x) { x[0].index_add_(dim, x[2], x[1]); },
                   .torch = "torch.index_add(x[0], " + std::to_string(c.dim) + ", x[2], x[1])"});
    all.push_back({.op = "index_add",
                   .label = std::string("doubled_") + c.label,
                   .operands = {c.x, c.w, c.index},
                   .call = [dim = c.dim](const Tensors& x) { return index_add(x[0], dim, x[2].to(kInt32), x[1], 2); },
                   .reference =
                       [at = c.at](const Arrays& x) {
                         return slices_scattered(x[0], at, x[2], x[1], [](double a, double w) { return a + 2 * w; });
                       },
                   .inplace = [dim = c.dim](const Tensors& x) { x[0].index_add_(dim, x[2].to(kInt32), x[1], 2); },
                   .torch = "torch.index_add(x[0], " + std::to_string(c.dim) + ", x[2].int(), x[1], alpha=2)"});
  }
}

void add_index_copy(Samples& all) {
  struct Row {
    const char* label;
    Operand x;
    Array index;
    Operand w;
    std::int64_t dim;
    std::size_t at;
    const char* python;
  };
  for (const Row& c : std::vector<Row>{
           {"vector", numbers({4}), {{2}, {3, 1}}, numbers({2}), 0, 0, "[3, 1]"},
           {"rows", numbers({3, 2}), {{2}, {2, 0}}, numbers({2, 2}), 0, 0, "[2, 0]"},
           {"columns_strided", numbers({2, 3}, Layout::Strided), {{1}, {1}}, numbers({2, 1}), -1, 1, "[1]"},
           {"no_indices", numbers({3, 2}), {{0}, {}}, numbers({0, 2}), 0, 0, "[]).long("}}) {
    const Tensor i = tensor_of(c.index, kInt64);
    const std::string start = std::to_string(c.dim) + ", torch.tensor(" + c.python + "), ";
    all.push_back(
        {.op = "index_copy",
         .label = c.label,
         .operands = {c.x, c.w},
         .call = [dim = c.dim, i](const Tensors& x) { return x[0].index_copy(dim, i, x[1]); },
         .reference = [at = c.at, i = c.index](const Arrays& x) { return slices_scattered(x[0], at, i, x[1], last); },
         .inplace = [dim = c.dim, i](const Tensors& x) { x[0].index_copy_(dim, i, x[1]); },
         .torch = "torch.index_copy(x[0], " + start + "x[1])"});
    Index filled = c.x.sizes;
    filled[c.at] = static_cast<std::int64_t>(c.index.data.size());
    const auto fill = [at = c.at, i = c.index, filled](const Array& x, double value) {
      return slices_scattered(x, at, i, map(array_of(filled), [&](double) { return value; }), last);
    };
    all.push_back({.op = "index_fill",
                   .label = std::string("number_") + c.label,
                   .operands = {c.x},
                   .call = [dim = c.dim, i](const Tensors& x) { return x[0].index_fill(dim, i, 2); },
                   .reference = [fill](const Arrays& x) { return fill(x[0], 2); },
                   .inplace = [dim = c.dim, i](const Tensors& x) { x[0].index_fill_(dim, i, 2); },
                   .torch = "torch.index_fill(x[0], " + start + "2)"});
    all.push_back({.op = "index_fill",
                   .label = c.label,
                   .operands = {c.x, numbers({})},
                   .call = [dim = c.dim, i](const Tensors& x) { return x[0].index_fill(dim, i, x[1]); },
                   .reference = [fill](const Arrays& x) { return fill(x[0], x[1].data[0]); },
                   .inplace = [dim = c.dim, i](const Tensors& x) { x[0].index_fill_(dim, i, x[1]); },
                   .torch = "torch.index_fill(x[0], " + start + "x[1])"});
  }
}

}  // namespace

Samples scattering_samples() {
  Samples all;
  add_scatter(all);
  add_scatter_add(all);
  add_index_add(all);
  add_index_copy(all);
  return all;
}

}  // namespace backflow::test

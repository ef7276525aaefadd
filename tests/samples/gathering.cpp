#include <utility>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

Array gathered(const Array& x, std::size_t dim, const Array& index) {
  Array y = array_of(index.sizes);
  for_each_index(index.sizes, [&](const Index& to) {
    Index from = to;
    if (!from.empty()) {
      from[dim] = static_cast<std::int64_t>(index.at(to));
    }
    y.at(to) = x.at(from);
  });
  return y;
}

Array slices(const Array& x, std::size_t dim, const Array& index) {
  Index sizes = x.sizes;
  sizes[dim] = static_cast<std::int64_t>(index.data.size());
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& to) {
    Index from = to;
    from[dim] = static_cast<std::int64_t>(index.data[static_cast<std::size_t>(to[dim])]);
    y.at(to) = x.at(from);
  });
  return y;
}

void add_gather(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    Operand index;
    std::int64_t dim;
    std::size_t at;
  };
  for (const Case& c : std::vector<Case>{
           {"vector", numbers({5}), indices({7}, 5), 0, 0},
           {"first", numbers({4, 3}), indices({6, 3}, 4), 0, 0},
           {"last", numbers({4, 3}), indices({4, 5}, 3), -1, 1},
           {"middle", numbers({2, 3, 4}), indices({2, 5, 4}, 3), 1, 1},
           {"smaller", numbers({4, 3}), indices({2, 2}, 4), 0, 0},
           {"one_for_each_row", numbers({5, 3}), indices({5, 1}, 3), 1, 1},
           {"many_columns", numbers({3, 70}), indices({4, 70}, 3), 0, 0},
           {"transposed", numbers({4, 3}, Layout::Transposed), indices({6, 3}, 4, Layout::Transposed), 0, 0},
           {"strided", numbers({4, 3}, Layout::Strided), indices({4, 2}, 3, Layout::Strided), 1, 1},
           {"expanded", numbers({4, 3}, Layout::Expanded), indices({4, 3}, 4), 0, 0},
           {"no_indices", numbers({4, 3}), indices({0, 3}, 1), 0, 0},
           {"scalar", numbers({}), indices({}, 1), 0, 0}}) {
    all.push_back({.op = "gather",
                   .label = c.label,
                   .operands = {c.x, c.index},
                   .call = [dim = c.dim](const Tensors& x) { return x[0].gather(dim, x[1]); },
                   .reference = [at = c.at](const Arrays& x) { return gathered(x[0], at, x[1]); },
                   .torch = "torch.gather(x[0], " + std::to_string(c.dim) + ", x[1])"});
  }
}

void add_take(Samples& all) {
  all.push_back(
      {.op = "take_along_dim",
       .label = "broadcast",
       .operands = {numbers({2, 3, 4}), indices({1, 3, 2}, 4)},
       .call = [](const Tensors& x) { return x[0].take_along_dim(x[1], -1); },
       .reference =
           [](const Arrays& x) {
             return gathered(x[0], 2, map(array_of(Index{2, 3, 2}), x[1], [](double, double i) { return i; }));
           },
       .torch = "torch.take_along_dim(x[0], x[1], -1)"});
  all.push_back({.op = "take_along_dim",
                 .label = "flat_transposed",
                 .operands = {numbers({3, 4}, Layout::Transposed), indices({2, 2}, 12)},
                 .call = [](const Tensors& x) { return take_along_dim(x[0], x[1]); },
                 .reference =
                     [](const Arrays& x) {
                       return gathered({{12}, x[0].data}, 0, {{4}, x[1].data});
                     },
                 .torch = "torch.take_along_dim(x[0], x[1])"});
  all.push_back({.op = "take",
                 .label = "strided",
                 .operands = {numbers({3, 4}, Layout::Strided), indices({2, 5}, 12)},
                 .call = [](const Tensors& x) { return x[0].take(x[1] - 12); },
                 .reference =
                     [](const Arrays& x) {
                       const Array y = gathered({{12}, x[0].data}, 0, {{10}, x[1].data});
                       return Array{{2, 5}, y.data};
                     },
                 .torch = "torch.take(x[0], x[1] - 12)"});
}

void add_index_select(Samples& all) {
  struct Case {
    const char* label;
    Operand x;
    Operand index;
    std::int64_t dim;
    std::size_t at;
  };
  for (const Case& c :
       std::vector<Case>{{"vector", numbers({5}), indices({7}, 5), 0, 0},
                         {"rows", numbers({4, 3}), indices({6}, 4), 0, 0},
                         {"columns", numbers({4, 3}), indices({2}, 3), -1, 1},
                         {"middle", numbers({2, 3, 4}), indices({4}, 3), 1, 1},
                         {"transposed", numbers({4, 3}, Layout::Transposed), indices({5}, 4, Layout::Strided), 0, 0},
                         {"strided", numbers({4, 3}, Layout::Strided), indices({5}, 3), 1, 1},
                         {"expanded", numbers({4, 3}, Layout::Expanded), indices({2}, 4), 0, 0},
                         {"no_indices", numbers({4, 3}), indices({0}, 1), 0, 0},
                         {"no_columns", numbers({4, 0}), indices({2}, 4), 0, 0},
                         {"one", numbers({4, 3}), indices({}, 4), 0, 0}}) {
    all.push_back({.op = "index_select",
                   .label = c.label,
                   .operands = {c.x, c.index},
                   .call = [dim = c.dim](const Tensors& x) { return x[0].index_select(dim, x[1]); },
                   .reference = [at = c.at](const Arrays& x) { return slices(x[0], at, x[1]); },
                   .torch = "torch.index_select(x[0], " + std::to_string(c.dim) + ", x[1])"});
  }
  all.push_back({.op = "index_select",
                 .label = "int32",
                 .operands = {numbers({4, 3}), indices({6}, 4)},
                 .call = [](const Tensors& x) { return x[0].index_select(0, x[1].to(kInt32)); },
                 .reference = [](const Arrays& x) { return slices(x[0], 0, x[1]); },
                 .torch = "torch.index_select(x[0], 0, x[1].int())"});
  all.push_back({.op = "index_select",
                 .label = "scalar",
                 .operands = {numbers({}), indices({1}, 1)},
                 .call = [](const Tensors& x) { return x[0].index_select(0, x[1]); },
                 .reference = [](const Arrays& x) { return x[0]; },
                 .torch = "torch.index_select(x[0], 0, x[1])"});
}

}  // namespace

Samples gathering_samples() {
  Samples all;
  add_gather(all);
  add_take(all);
  add_index_select(all);
  return all;
}

}  // namespace backflow::test

#include <utility>

#include <backflow/ops/operators.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

Array part(const Array& x, std::size_t dim, std::int64_t start, std::int64_t length) {
  Index sizes = x.sizes;
  sizes[dim] = length;
  Array y = array_of(sizes);
  for_each_index(sizes, [&](const Index& at) {
    Index from = at;
    from[dim] += start;
    y.at(at) = x.at(from);
  });
  return y;
}

Array reshaped(const Array& x, Index sizes) { return {std::move(sizes), x.data}; }

/// One part of a list: its number, where it starts and its length.
struct Case {
  const char* op;
  const char* label;
  Operand x;
  std::vector<Tensor> (*call)(const Tensor&);
  std::size_t number;
  std::size_t count;  ///< of all parts
  std::size_t at;     ///< the dimension
  std::int64_t start;
  std::int64_t length;
  const char* python;
};

void add_parts(Samples& all) {
  const Layout strided = Layout::Strided;
  const Layout transposed = Layout::Transposed;
  for (const Case& c : std::vector<Case>{
           {"split", "rows", numbers({5, 2}), [](const Tensor& x) { return x.split(2); }, 2, 3, 0, 4, 1,
            "x[0].split(2)"},
           {"split", "columns_transposed", numbers({2, 6}, transposed), [](const Tensor& x) { return split(x, 3, -1); },
            1, 2, 1, 3, 3, "x[0].split(3, -1)"},
           {"split", "sizes_strided", numbers({6, 2}, strided),
            [](const Tensor& x) {
              return x.split({1, 2, 3});
            },
            1, 3, 0, 1, 2, "x[0].split([1, 2, 3])"},
           {"split", "empty", numbers({0, 2}), [](const Tensor& x) { return x.split(2); }, 0, 1, 0, 0, 0,
            "x[0].split(2)"},
           {"split_with_sizes", "columns", numbers({2, 5}),
            [](const Tensor& x) {
              return x.split_with_sizes({2, 0, 3}, 1);
            },
            2, 3, 1, 2, 3, "torch.split_with_sizes(x[0], [2, 0, 3], 1)"},
           {"chunk", "fewer", numbers({5}), [](const Tensor& x) { return x.chunk(4); }, 2, 3, 0, 4, 1, "x[0].chunk(4)"},
           {"chunk", "columns_strided", numbers({2, 6}, strided), [](const Tensor& x) { return x.chunk(2, 1); }, 1, 2,
            1, 3, 3, "x[0].chunk(2, 1)"},
           {"chunk", "empty", numbers({0, 2}), [](const Tensor& x) { return x.chunk(3); }, 1, 3, 0, 0, 0,
            "x[0].chunk(3)"},
           {"tensor_split", "sections", numbers({7}), [](const Tensor& x) { return x.tensor_split(3); }, 1, 3, 0, 3, 2,
            "x[0].tensor_split(3)"},
           {"tensor_split", "many_sections", numbers({2, 2}), [](const Tensor& x) { return x.tensor_split(3, -1); }, 2,
            3, 1, 2, 0, "x[0].tensor_split(3, -1)"},
           {"tensor_split", "indices", numbers({7, 2}),
            [](const Tensor& x) {
              return x.tensor_split({1, -2});
            },
            1, 3, 0, 1, 4, "x[0].tensor_split((1, -2))"},
       }) {
    all.push_back({.op = c.op,
                   .label = c.label,
                   .operands = {c.x},
                   .call =
                       [c](const Tensors& x) {
                         const std::vector<Tensor> parts = c.call(x[0]);
                         check(parts.size() == c.count, "sample ", c.op, "/", c.label, ": ", parts.size(), " parts");
                         return parts.at(c.number);
                       },
                   .reference = [c](const Arrays& x) { return part(x[0], c.at, c.start, c.length); },
                   .torch = std::string(c.python) + "[" + std::to_string(c.number) + "]"});
  }
  all.push_back({.op = "split",
                 .label = "put_together",
                 .operands = {numbers({5, 2})},
                 .call =
                     [](const Tensors& x) {
                       const std::vector<Tensor> parts = x[0].split(2);
                       return cat({parts.at(2), parts.at(0), parts.at(1)});
                     },
                 .reference =
                     [](const Arrays& x) {
                       Array y = x[0];
                       for (std::size_t i = 0; i < 10; ++i) {
                         y.data[i] = x[0].data[(i + 8) % 10];
                       }
                       return y;
                     },
                 .torch = "torch.cat([x[0].split(2)[2], x[0].split(2)[0], x[0].split(2)[1]])"});
  for (const std::int64_t dim : {0, -1}) {
    all.push_back({.op = "unbind",
                   .label = dim == 0 ? "rows" : "columns_strided",
                   .operands = {{{3, 4}, -2, 2, dim == 0 ? Layout::Contiguous : strided}},
                   .call = [dim](const Tensors& x) { return x[0].unbind(dim).at(2); },
                   .reference =
                       [dim](const Arrays& x) {
                         return dim == 0 ? reshaped(part(x[0], 0, 2, 1), {4}) : reshaped(part(x[0], 1, 2, 1), {3});
                       },
                   .torch = "x[0].unbind(" + std::to_string(dim) + ")[2]"});
  }
}

void add_shapes(Samples& all) {
  struct Row {
    const char* op;
    const char* label;
    Operand x;
    Tensor (*call)(const Tensor&);
    std::function<Array(const Array&)> reference;
    const char* python;
  };
  const auto to = [](Index sizes) { return [sizes](const Array& x) { return reshaped(x, sizes); }; };
  const auto order = [](Index dims) { return [dims](const Array& x) { return permuted(x, dims); }; };
  const auto grown = [](Index sizes) {
    return [sizes](const Array& x) { return map(array_of(sizes), x, [](double, double v) { return v; }); };
  };
  for (const Row& c : std::vector<Row>{
           {"unflatten", "first", numbers({6, 2}),
            [](const Tensor& x) {
              return x.unflatten(0, {2, 3});
            },
            to({2, 3, 2}), "x[0].unflatten(0, (2, 3))"},
           {"unflatten", "last_transposed", numbers({2, 6}, Layout::Transposed),
            [](const Tensor& x) {
              return x.unflatten(-1, {-1, 2});
            },
            to({2, 3, 2}), "x[0].unflatten(-1, (-1, 2))"},
           {"unflatten", "empty", numbers({0, 2}),
            [](const Tensor& x) {
              return x.unflatten(0, {0, 3});
            },
            to({0, 3, 2}), "x[0].unflatten(0, (0, 3))"},
           {"movedim", "one", numbers({2, 3, 4}), [](const Tensor& x) { return x.movedim(0, -1); }, order({1, 2, 0}),
            "x[0].movedim(0, -1)"},
           {"movedim", "two_strided", numbers({2, 3, 4}, Layout::Strided),
            [](const Tensor& x) {
              return x.movedim({0, 1}, {1, 2});
            },
            order({2, 0, 1}), "x[0].movedim((0, 1), (1, 2))"},
           {"movedim", "scalar", numbers({}), [](const Tensor& x) { return x.movedim(0, 0); }, to({}),
            "x[0].movedim(0, 0)"},
           {"swapaxes", "outer", numbers({2, 3, 4}), [](const Tensor& x) { return x.swapaxes(0, -1); },
            order({2, 1, 0}), "x[0].swapaxes(0, -1)"},
           {"broadcast_to", "column", numbers({3, 1}),
            [](const Tensor& x) {
              return x.broadcast_to({2, 3, 4});
            },
            grown({2, 3, 4}), "x[0].broadcast_to((2, 3, 4))"},
           {"broadcast_to", "scalar", numbers({}),
            [](const Tensor& x) {
              return broadcast_to(x, {2, 2});
            },
            grown({2, 2}), "x[0].broadcast_to((2, 2))"},
       }) {
    all.push_back({.op = c.op,
                   .label = c.label,
                   .operands = {c.x},
                   .call = [call = c.call](const Tensors& x) { return call(x[0]); },
                   .reference = [reference = c.reference](const Arrays& x) { return reference(x[0]); },
                   .torch = c.python});
  }
}

}  // namespace

Samples splitting_samples() {
  Samples all;
  add_parts(all);
  add_shapes(all);
  return all;
}

}  // namespace backflow::test

#include <array>

#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>
#include <backflow/tests/support/samples.h>

namespace backflow::test {
namespace {

/// The arrays one after the other along a dimension.
Array joined(const Arrays& arrays, std::size_t dim) {
  Index sizes = arrays[0].sizes;
  sizes[dim] = 0;
  for (const Array& x : arrays) {
    sizes[dim] += x.sizes[dim];
  }
  Array y = array_of(sizes);
  std::int64_t start = 0;
  for (const Array& x : arrays) {
    for_each_index(x.sizes, [&](const Index& from) {
      Index to = from;
      to[dim] += start;
      y.at(to) = x.at(from);
    });
    start += x.sizes[dim];
  }
  return y;
}

Array stacked(Arrays arrays, std::size_t dim) {
  for (Array& x : arrays) {
    x.sizes.insert(x.sizes.begin() + static_cast<std::ptrdiff_t>(dim), 1);
  }
  return joined(arrays, dim);
}

Operand twin_of(int operand, const Index& sizes) {
  Operand twin{sizes};
  twin.same_as = operand;
  return twin;
}

/// One case of stack or cat; `dim` is what the call is given, `at` the same counted from the front.
struct Case {
  const char* label;
  std::vector<Operand> operands;
  std::int64_t dim = 0;
  std::size_t at = 0;
};

void add_stack(Samples& all) {
  const Layout strided = Layout::Strided;
  const Layout transposed = Layout::Transposed;
  for (const Case& c : std::vector<Case>{
           {"vectors", {{{3}}, {{3}}}},
           {"columns", {{{3}}, {{3}}, {{3}}}, 1, 1},
           {"last", {{{2, 3}}, {{2, 3}}}, -1, 2},
           {"middle", {{{2, 3}}, {{2, 3}}}, -2, 1},
           {"numbers", {{{}}, {{}}, {{}}}},
           {"one", {{{2, 3}}}},
           {"many", std::vector<Operand>(20, Operand{{2}})},
           {"empty", {{{0, 3}}, {{0, 3}}}, 1, 1},
           {"layouts", {{{2, 3}, -2, 2, strided}, {{2, 3}, -2, 2, transposed}, {{2, 3}, -2, 2, Layout::Expanded}}},
           {"aliased", {{{2}}, twin_of(0, {2}), {{2}}}},
       }) {
    all.push_back({.op = "stack",
                   .label = c.label,
                   .operands = c.operands,
                   .call = [dim = c.dim](const Tensors& x) { return stack(x, dim); },
                   .reference = [at = c.at](const Arrays& x) { return stacked(x, at); },
                   .torch = to_text("torch.stack(x, ", c.dim, ")")});
  }
  all.push_back({.op = "stack",
                 .label = "braces",
                 .operands = {{{3}}, {{3}}},
                 .call =
                     [](const Tensors& x) {
                       return stack({x[0], x[1]}, 0);
                     },
                 .reference = [](const Arrays& x) { return stacked(x, 0); },
                 .torch = "torch.stack([x[0], x[1]], 0)"});
  all.push_back({.op = "stack",
                 .label = "f32_promoted",
                 .operands = {{{3}}, {{3}}},
                 .call =
                     [](const Tensors& x) {
                       return stack({x[0].to(kFloat32), x[1]});
                     },
                 .reference = [](const Arrays& x) { return stacked(x, 0); },
                 .torch = "torch.stack([x[0].to(torch.float32), x[1]])"});
}

void add_cat(Samples& all) {
  const Layout strided = Layout::Strided;
  const Layout transposed = Layout::Transposed;
  for (const Case& c : std::vector<Case>{
           {"vectors", {{{3}}, {{2}}}},
           {"rows", {{{1, 3}}, {{2, 3}}, {{4, 3}}}},
           {"columns", {{{2, 1}}, {{2, 3}}, {{2, 0}}, {{2, 2}}}, -1, 1},
           {"middle", {{{2, 2, 3}}, {{2, 1, 3}}}, 1, 1},
           {"one", {{{2, 3}}}},
           {"many", std::vector<Operand>(20, Operand{{1, 2}})},
           {"empty", {{{0, 3}}, {{0, 2}}}, 1, 1},
           {"layouts", {{{2, 3}, -2, 2, strided}, {{2, 3}, -2, 2, transposed}, {{2, 3}, -2, 2, Layout::Expanded}}},
           {"aliased", {{{2}}, twin_of(0, {2}), {{2}}}},
       }) {
    all.push_back({.op = "cat",
                   .label = c.label,
                   .operands = c.operands,
                   .call = [dim = c.dim](const Tensors& x) { return cat(x, dim); },
                   .reference = [at = c.at](const Arrays& x) { return joined(x, at); },
                   .torch = to_text("torch.cat(x, ", c.dim, ")")});
  }
  all.push_back({.op = "cat",
                 .label = "left_out",
                 .operands = {{{0}}, {{2, 1}}, {{0}}, {{2, 3}}},
                 .call = [](const Tensors& x) { return cat(x, 1); },
                 .reference =
                     [](const Arrays& x) {
                       return joined({x[1], x[3]}, 1);
                     },
                 .torch = "torch.cat(x, 1)"});
  all.push_back({.op = "cat",
                 .label = "array",
                 .operands = {{{3}}, {{2}}},
                 .call =
                     [](const Tensors& x) {
                       return cat(std::array{x[0], x[1]});
                     },
                 .reference = [](const Arrays& x) { return joined(x, 0); },
                 .torch = "torch.cat([x[0], x[1]])"});
  all.push_back({.op = "cat",
                 .label = "f32_promoted",
                 .operands = {{{3}}, {{2}}},
                 .call =
                     [](const Tensors& x) {
                       return cat({x[0], x[1].to(kFloat32)});
                     },
                 .reference = [](const Arrays& x) { return joined(x, 0); },
                 .torch = "torch.cat([x[0], x[1].to(torch.float32)])"});
}

/// The other names of cat.
void add_aliases(Samples& all) {
  all.push_back({.op = "concat",
                 .label = "columns",
                 .operands = {{{2, 1}}, {{2, 3}}},
                 .call = [](const Tensors& x) { return backflow::concat(x, 1); },
                 .reference = [](const Arrays& x) { return joined(x, 1); },
                 .torch = "torch.concat(x, 1)"});
  all.push_back({.op = "concatenate",
                 .label = "braces",
                 .operands = {{{3}}, {{2}}},
                 .call =
                     [](const Tensors& x) {
                       return concatenate({x[0], x[1]});
                     },
                 .reference = [](const Arrays& x) { return joined(x, 0); },
                 .torch = "torch.concat([x[0], x[1]])"});
}

}  // namespace

Samples joining_samples() {
  Samples all;
  add_stack(all);
  add_cat(all);
  add_aliases(all);
  return all;
}

}  // namespace backflow::test

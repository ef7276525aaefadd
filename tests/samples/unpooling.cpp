// Max unpooling, with indices that are all different: of equal ones only the last counts, though all get a gradient.
#include <numeric>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/support/lines.h>
#include <backflow/tests/support/operands.h>

namespace backflow::test {
namespace {

struct Case {
  const char* label;
  Operand x;
  Index output;
  std::int64_t step;  ///< place number i of a plane has the index 3 + i step; it has no divisor with the plane's area
};

std::int64_t area(const Index& sizes, std::size_t first) {
  return std::accumulate(sizes.begin() + static_cast<std::ptrdiff_t>(first), sizes.end(), std::int64_t{1},
                         std::multiplies<>());
}

std::int64_t place(const Case& c, std::int64_t i) { return (3 + i * c.step) % area(c.output, 0); }

Tensor places(const Case& c) {
  const std::int64_t positions = area(c.x.sizes, c.x.sizes.size() - c.output.size());
  Index one(c.x.sizes.size() - c.output.size(), 1);
  Index line;
  for (std::int64_t i = 0; i < positions; ++i) {
    line.push_back(place(c, i));
  }
  one.insert(one.end(), c.x.sizes.end() - static_cast<std::ptrdiff_t>(c.output.size()), c.x.sizes.end());
  return tensor(line).reshape(one).expand(c.x.sizes);
}

Array unpooled(const Array& x, const Case& c) {
  const std::size_t lead = x.sizes.size() - c.output.size();
  Index sizes(x.sizes.begin(), x.sizes.begin() + static_cast<std::ptrdiff_t>(lead));
  sizes.insert(sizes.end(), c.output.begin(), c.output.end());
  Array y = array_of(sizes);
  const std::int64_t positions = area(x.sizes, lead);
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    const auto n = static_cast<std::int64_t>(i);
    y.data[static_cast<std::size_t>(n / positions * area(c.output, 0) + place(c, n % positions))] = x.data[i];
  }
  return y;
}

std::string python_places(const Case& c) {
  const std::int64_t positions = area(c.x.sizes, c.x.sizes.size() - c.output.size());
  Index plane(c.x.sizes.end() - static_cast<std::ptrdiff_t>(c.output.size()), c.x.sizes.end());
  return "((3 + torch.arange(" + std::to_string(positions) + ") * " + std::to_string(c.step) + ") % " +
         std::to_string(area(c.output, 0)) + ").reshape(" + python(plane) + ").expand(" + python(c.x.sizes) +
         ").contiguous()";
}

}  // namespace

Samples unpooling_samples() {
  Samples all;
  for (const Case& c :
       {Case{"pairs", numbers({2, 3, 2, 3}), {4, 6}, 5}, Case{"odd", numbers({1, 5, 3, 1}), {7, 3}, 4},
        Case{"unbatched", numbers({3, 2, 2}), {5, 5}, 7}, Case{"one", numbers({1, 1, 1, 1}), {1, 1}, 1},
        Case{"full", numbers({1, 17, 2, 4}), {2, 4}, 3}, Case{"no_batch", numbers({0, 2, 2, 2}), {3, 3}, 2},
        Case{"transposed", numbers({2, 3, 2, 3}, Layout::Transposed), {4, 5}, 3},
        Case{"strided", numbers({2, 3, 2, 3}, Layout::Strided), {4, 5}, 3}}) {
    all.push_back(with_gradient(
        "max_unpool2d", c.label, {c.x}, [c](const Tensors& x) { return max_unpool2d(x[0], places(c), c.output); },
        [c](const Arrays& x) { return unpooled(x[0], c); },
        "torch._C._nn.max_unpool2d(x[0], " + python_places(c) + ", " + python(c.output) + ")"));
  }
  for (const Case& c :
       {Case{"pairs", numbers({2, 3, 2, 1, 3}), {4, 2, 6}, 5}, Case{"odd", numbers({1, 2, 3, 1, 2}), {5, 3, 3}, 4},
        Case{"unbatched", numbers({2, 1, 2, 2}), {3, 3, 3}, 7}}) {
    all.push_back(with_gradient(
        "max_unpool3d", c.label, {c.x},
        [c](const Tensors& x) {
          return max_unpool3d(x[0], places(c), c.output, {1, 1, 1}, {0, 0, 0});
        },
        [c](const Arrays& x) { return unpooled(x[0], c); },
        "torch._C._nn.max_unpool3d(x[0], " + python_places(c) + ", " + python(c.output) + ", [1, 1, 1], [0, 0, 0])"));
  }
  return all;
}

}  // namespace backflow::test

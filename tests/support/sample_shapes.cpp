#include <backflow/tests/support/sample_shapes.h>

#include <algorithm>

namespace backflow::test {
namespace {

struct Shapes {
  const char* label;
  std::vector<Operand> operands;
  bool inplace = true;  ///< the result has the shape of the first operand, whose elements are its own
};

Operand at(std::vector<std::int64_t> sizes, Layout layout = Layout::Contiguous) {
  return {.sizes = std::move(sizes), .layout = layout};
}

std::vector<Shapes> unary_shapes() {
  return {{"matrix", {at({3, 5})}},
          {"scalar", {at({})}},
          {"empty", {at({0, 2})}},
          {"odd_length", {at({37})}},
          {"transposed", {at({4, 3}, Layout::Transposed)}},
          {"strided", {at({2, 9}, Layout::Strided)}},
          {"expanded", {at({3, 4}, Layout::Expanded)}, false}};
}

std::vector<Shapes> binary_shapes() {
  return {{"same", {at({2, 3}), at({2, 3})}},
          {"one", {at({1}), at({1})}},
          {"scalars", {at({}), at({})}},
          {"broadcast_row", {at({3, 4}), at({4})}},
          {"broadcast_both", {at({3, 1}), at({1, 4})}, false},
          {"broadcast_column", {at({2, 3, 4}), at({3, 1})}},
          {"tensor_scalar", {at({2, 3}), at({})}},
          {"scalar_tensor", {at({}), at({2, 3})}, false},
          {"empty", {at({0, 3}), at({3})}},
          {"empty_broadcast", {at({2, 0}), at({1, 1})}},
          {"transposed", {at({3, 4}, Layout::Transposed), at({3, 4})}},
          {"both_transposed", {at({3, 4}, Layout::Transposed), at({3, 4}, Layout::Transposed)}},
          {"strided", {at({2, 3, 5}, Layout::Strided), at({2, 3, 5}, Layout::Strided)}},
          {"expanded", {at({3, 4}), at({3, 4}, Layout::Expanded)}},
          {"aliased", {at({2, 3}), {.sizes = {2, 3}, .same_as = 0}}, false}};
}

std::vector<Shapes> ternary_shapes() {
  return {{"same", {at({2, 3}), at({2, 3}), at({2, 3})}},
          {"scalars", {at({}), at({}), at({})}},
          {"broadcast", {at({2, 3, 4}), at({3, 1}), at({4})}},
          {"broadcast_all", {at({3, 1, 1}), at({2, 1}), at({4})}, false},
          {"numbers", {at({3, 4}), at({}), at({})}},
          {"number_first", {at({}), at({3, 4}), at({4})}, false},
          {"empty", {at({0, 3}), at({3}), at({1, 1})}},
          {"transposed", {at({3, 4}, Layout::Transposed), at({3, 4}), at({3, 4}, Layout::Transposed)}},
          {"strided", {at({2, 5}, Layout::Strided), at({2, 5}, Layout::Strided), at({2, 5})}},
          {"expanded", {at({3, 4}), at({3, 4}, Layout::Expanded), at({3, 4}, Layout::Expanded)}},
          {"aliased", {at({2, 3}), at({2, 3}), {.sizes = {2, 3}, .same_as = 1}}}};
}

template <class Function>
Sample sample_of(const Function& function, Shapes shapes) {
  for (std::size_t i = 0; i < shapes.operands.size(); ++i) {
    Operand& operand = shapes.operands[i];
    const Range range = i < function.ranges.size() ? function.ranges[i] : Range{};
    operand.low = range.low;
    operand.high = range.high;
    if (operand.same_as >= 0) {  // both have to be in both ranges
      Operand& same = shapes.operands[static_cast<std::size_t>(operand.same_as)];
      same.low = operand.low = std::max(operand.low, same.low);
      same.high = operand.high = std::min(operand.high, same.high);
    }
  }
  return {.op = function.op,
          .label = function.label + shapes.label,
          .operands = shapes.operands,
          .call = function.call,
          .reference = {},
          .inplace = shapes.inplace ? function.inplace : std::function<void(const Tensors&)>{},
          .differentiable = function.differentiable,
          .tolerance = function.tolerance,
          .torch = function.torch};
}

}  // namespace

void add_samples(Samples& all, const UnaryFunction& function) {
  for (const Shapes& shapes : unary_shapes()) {
    all.push_back(sample_of(function, shapes));
    all.back().reference = [f = function.f](const Arrays& x) { return map(x[0], f); };
  }
}

void add_samples(Samples& all, const BinaryFunction& function) {
  for (const Shapes& shapes : binary_shapes()) {
    all.push_back(sample_of(function, shapes));
    all.back().reference = [f = function.f](const Arrays& x) { return map(x[0], x[1], f); };
  }
}

void add_samples(Samples& all, const TernaryFunction& function, Of first) {
  for (const Shapes& shapes : ternary_shapes()) {
    all.push_back(sample_of(function, shapes));
    all.back().operands[0].of = first;
    all.back().reference = [f = function.f](const Arrays& x) {
      // The first two broadcast together, as pairs that one number stands for.
      std::vector<std::pair<double, double>> pairs;
      Array numbered = map(x[0], x[1], [&](double a, double b) {
        pairs.emplace_back(a, b);
        return static_cast<double>(pairs.size() - 1);
      });
      return map(numbered, x[2], [&](double pair, double c) {
        const auto& [a, b] = pairs[static_cast<std::size_t>(pair)];
        return f(a, b, c);
      });
    };
  }
}

}  // namespace backflow::test

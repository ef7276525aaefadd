#pragma once

#include <string>
#include <vector>

#include <backflow/tests/support/samples.h>

// The shapes and layouts that element-wise operators are tested on.
namespace backflow::test {

struct Range {
  double low = -2;
  double high = 2;
};

/// An element-wise function: `call`, `reference` of numbers, perhaps `inplace`, and `torch`, as in Sample.
template <class Reference>
struct Elementwise {
  std::string op;
  std::function<Tensor(const Tensors&)> call;
  Reference f;
  std::string torch;
  std::function<void(const Tensors&)> inplace = {};
  std::vector<Range> ranges = {};  ///< of the operands; those that are missing have the default
  std::string label = "";
  double tolerance = 1;
  bool differentiable = true;
};
using UnaryFunction = Elementwise<std::function<double(double)>>;
using BinaryFunction = Elementwise<std::function<double(double, double)>>;
using TernaryFunction = Elementwise<std::function<double(double, double, double)>>;

/// Samples of a function on every kind of shape and layout: broadcast, empty, without dimensions, transposed, strided,
/// expanded, aliased.
void add_samples(Samples& all, const UnaryFunction& function);
void add_samples(Samples& all, const BinaryFunction& function);
/// `first` says what the first operand is of.
void add_samples(Samples& all, const TernaryFunction& function, Of first = Of::Number);

}  // namespace backflow::test

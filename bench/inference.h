#pragma once

#include <backflow/bench/operators.h>

namespace bench {

/// Layers as a served model runs them: with the same weights again and again.
inline const std::vector<Operator>& inference() {
  /// Input, weight and bias. The copies are weights whose address nobody has, as those of a module.
  static const auto layer = [](std::int64_t batch) {
    return Tensors{numbers({batch, 1024}, 1).clone(), numbers({1024, 1024}, 2).clone(), numbers({1024}, 3).clone()};
  };
  static const auto apply = [](const Tensors& x) { return Tensors{linear(x[0], x[1], x[2])}; };
  static const std::vector<Operator> rows = {
      {"inference.linear_8", [] { return layer(8); }, apply},
      {"inference.linear_32", [] { return layer(32); }, apply},
  };
  return rows;
}

}  // namespace bench

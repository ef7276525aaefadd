#pragma once

#include <backflow/bench/operators.h>

namespace bench {

/// Sums of all elements and over each dimension.
inline const std::vector<Operator>& reductions() {
  static const auto flat = [] { return Tensors{positive({1 << 24}, 1)}; };
  static const auto cube = [] { return Tensors{positive({256, 256, 256}, 1)}; };
  static const std::vector<Operator> rows = {
      {"reductions.sum", flat, [](const Tensors& x) { return Tensors{x[0].sum()}; }, 4 << 24},
      {"reductions.sum_dim0", cube, [](const Tensors& x) { return Tensors{x[0].sum(0)}; }},
      {"reductions.sum_dim1", cube, [](const Tensors& x) { return Tensors{x[0].sum(1)}; }},
      {"reductions.sum_dim2", cube, [](const Tensors& x) { return Tensors{x[0].sum(2)}; }},
  };
  return rows;
}

}  // namespace bench

#pragma once

#include <backflow/bench/operators.h>

namespace bench {

/// Copies in another order.
inline const std::vector<Operator>& indexing() {
  static const auto square = [] { return Tensors{numbers({4096, 4096}, 1)}; };
  static const auto halves = [] { return Tensors{numbers({2048, 4096}, 1), numbers({2048, 4096}, 2)}; };
  static const std::vector<Operator> rows = {
      {"indexing.transpose_copy", square, [](const Tensors& x) { return Tensors{x[0].t().contiguous()}; }},
      {"indexing.cat_dim0", halves, [](const Tensors& x) { return Tensors{cat(x, 0)}; }},
      {"indexing.cat_dim1", halves, [](const Tensors& x) { return Tensors{cat(x, 1)}; }},
  };
  return rows;
}

}  // namespace bench

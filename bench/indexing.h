#pragma once

#include <backflow/bench/operators.h>

namespace bench {

/// Copies in another order, by indices and by masks.
inline const std::vector<Operator>& indexing() {
  static const auto square = [] { return Tensors{numbers({4096, 4096}, 1)}; };
  static const auto halves = [] { return Tensors{numbers({2048, 4096}, 1), numbers({2048, 4096}, 2)}; };
  static const auto gathered = [] { return Tensors{numbers({4096, 4096}, 1), indices({4096, 4096}, 4096, 2)}; };
  static const auto selected = [] { return Tensors{numbers({65536, 256}, 1), indices({65536}, 65536, 2)}; };
  static const auto scattered = [] {
    return Tensors{positive({4096, 1024}, 1), indices({4096, 1024}, 4096, 2), positive({4096, 1024}, 3)};
  };
  static const auto masked = [] { return Tensors{numbers({4096, 4096}, 1), mask({4096, 4096}, 2)}; };
  static const std::vector<Operator> rows = {
      {"indexing.transpose_copy", square, [](const Tensors& x) { return Tensors{x[0].t().contiguous()}; }},
      {"indexing.cat_dim0", halves, [](const Tensors& x) { return Tensors{cat(x, 0)}; }},
      {"indexing.cat_dim1", halves, [](const Tensors& x) { return Tensors{cat(x, 1)}; }},
      {"indexing.gather", gathered, [](const Tensors& x) { return Tensors{x[0].gather(1, x[1])}; }},
      {"indexing.index_select", selected, [](const Tensors& x) { return Tensors{x[0].index_select(0, x[1])}; }},
      {"indexing.scatter_add", scattered, [](const Tensors& x) { return Tensors{x[0].scatter_add(0, x[1], x[2])}; }},
      {"indexing.masked_fill", masked, [](const Tensors& x) { return Tensors{x[0].masked_fill(x[1], 0.5)}; }},
  };
  return rows;
}

}  // namespace bench

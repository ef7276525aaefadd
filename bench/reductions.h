#pragma once

#include <backflow/bench/operators.h>

namespace bench {

/// Sums of all elements and over each dimension, statistics and softmax of rows, running sums, largest elements.
inline const std::vector<Operator>& reductions() {
  static const auto flat = [] { return Tensors{positive({1 << 24}, 1)}; };
  static const auto cube = [] { return Tensors{positive({256, 256, 256}, 1)}; };
  static const auto square = [] { return Tensors{positive({4096, 4096}, 1)}; };
  static const auto matrix = [] { return Tensors{numbers({1024, 1024}, 1)}; };
  static const auto layer = [] { return Tensors{numbers({16384, 1024}, 1)}; };
  static const std::vector<Operator> rows = {
      {"reductions.sum", flat, [](const Tensors& x) { return Tensors{x[0].sum()}; }, 4 << 24},
      {"reductions.sum_dim0", cube, [](const Tensors& x) { return Tensors{x[0].sum(0)}; }},
      {"reductions.sum_dim1", cube, [](const Tensors& x) { return Tensors{x[0].sum(1)}; }},
      {"reductions.sum_dim2", cube, [](const Tensors& x) { return Tensors{x[0].sum(2)}; }},
      {"reductions.softmax", matrix, [](const Tensors& x) { return Tensors{softmax(x[0], -1)}; }},
      {"reductions.var_mean", layer,
       [](const Tensors& x) {
         return Tensors{x[0].var({-1}, false), x[0].mean({-1})};
       }},
      {"reductions.cumsum_dim0", square, [](const Tensors& x) { return Tensors{x[0].cumsum(0)}; }},
      {"reductions.cumsum_dim1", square, [](const Tensors& x) { return Tensors{x[0].cumsum(-1)}; }},
      {"reductions.max", flat, [](const Tensors& x) { return Tensors{x[0].max()}; }},
      {"reductions.argmax", layer, [](const Tensors& x) { return Tensors{x[0].argmax(-1)}; }},
  };
  return rows;
}

}  // namespace bench

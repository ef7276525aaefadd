#pragma once

#include <backflow/bench/operators.h>

namespace bench {

inline constexpr std::int64_t kMany = 1 << 24;  // elements; 64 MiB

/// Element-wise operators on kMany elements.
inline const std::vector<Operator>& elementwise() {
  static const auto one = [] { return Tensors{numbers({kMany}, 1)}; };
  static const auto two = [] { return Tensors{numbers({kMany}, 1), numbers({kMany}, 2)}; };
  static const auto masked = [] { return Tensors{mask({kMany}, 3), numbers({kMany}, 1), numbers({kMany}, 2)}; };
  static const std::vector<Operator> rows = {
      {"elementwise.add", two, [](const Tensors& x) { return Tensors{x[0] + x[1]}; }, 12 * kMany},
      {"elementwise.mul", two, [](const Tensors& x) { return Tensors{x[0] * x[1]}; }, 12 * kMany},
      {"elementwise.relu", one, [](const Tensors& x) { return Tensors{relu(x[0])}; }, 8 * kMany},
      {"elementwise.relu_backward", two, [](const Tensors& x) { return Tensors{relu_backward(x[0], x[1])}; },
       12 * kMany},
      {"elementwise.exp", one, [](const Tensors& x) { return Tensors{exp(x[0])}; }},
      {"elementwise.tanh", one, [](const Tensors& x) { return Tensors{tanh(x[0])}; }},
      {"elementwise.sigmoid", one, [](const Tensors& x) { return Tensors{sigmoid(x[0])}; }},
      {"elementwise.gelu", one, [](const Tensors& x) { return Tensors{gelu(x[0])}; }},
      {"elementwise.where", masked, [](const Tensors& x) { return Tensors{where(x[0], x[1], x[2])}; }},
  };
  return rows;
}

}  // namespace bench

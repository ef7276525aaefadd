#pragma once

#include <backflow/bench/operators.h>
#include <backflow/runtime/engine/autograd.h>

namespace bench {

/// The backward of element-wise functions written by hand, on tensors that leave the caches and on some that do not.
/// Operands are the recorded result, its gradient and the leaves.
inline Tensors record_chain(const Tensors& leaves, Tensor (*f)(const Tensors& leaves)) {
  for (const Tensor& x : leaves) {
    x.requires_grad_();
  }
  const Tensor y = f(leaves);
  Tensors all = {y, numbers(y.sizes(), 9)};
  all.insert(all.end(), leaves.begin(), leaves.end());
  return all;
}

inline Tensors run_chain(const Tensors& x) {
  return backflow::autograd::grad({x[0]}, {x.begin() + 2, x.end()}, {x[1]}, true);
}

inline Tensor gelu_by_hand(const Tensors& x) {
  return x[0] * 0.5 * (tanh((x[0] + x[0] * x[0] * x[0] * 0.044715) * 0.7978845608) + 1.0);
}
inline Tensor mish_by_hand(const Tensors& x) { return x[0] * tanh(log(exp(x[0]) + 1.0)); }
/// The next state of the cell: gates of input, forgetting, cell and output, and the state.
inline Tensor lstm_cell(const Tensors& x) {
  return sigmoid(x[3]) * tanh(sigmoid(x[1]) * x[4] + sigmoid(x[0]) * tanh(x[2]));
}

template <std::int64_t kSize>
Tensors gates() {
  return {numbers({kSize}, 1), numbers({kSize}, 2), numbers({kSize}, 3), numbers({kSize}, 4), numbers({kSize}, 5)};
}

inline const std::vector<Operator>& chains() {
  static constexpr std::int64_t kLarge = 1 << 22;
  static constexpr std::int64_t kMiddle = 1 << 16;
  static const std::vector<Operator> rows = {
      {"chains.gelu", [] { return record_chain({numbers({kLarge}, 1)}, gelu_by_hand); }, run_chain},
      {"chains.gelu_64k", [] { return record_chain({numbers({kMiddle}, 1)}, gelu_by_hand); }, run_chain},
      {"chains.mish", [] { return record_chain({numbers({kLarge}, 1)}, mish_by_hand); }, run_chain},
      {"chains.mish_64k", [] { return record_chain({numbers({kMiddle}, 1)}, mish_by_hand); }, run_chain},
      {"chains.lstm", [] { return record_chain(gates<kLarge>(), lstm_cell); }, run_chain},
      {"chains.lstm_64k", [] { return record_chain(gates<kMiddle>(), lstm_cell); }, run_chain},
  };
  return rows;
}

}  // namespace bench

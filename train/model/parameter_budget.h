#pragma once

#include <cstdint>
#include <string>

#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/tensor/shape.h>

namespace backflow::train {

/// The memory of this machine, or of its part that the process may use (the limits of control groups), in bytes.
double memory_of_machine();

/// The memory for the parameters of a model, their gradients and the optimizer's state: so that a model that can't fit
/// is refused before anything is allocated.
class ParameterBudget {
 public:
  /// For parameters of `dtype`, each of which takes `copies` numbers: itself, its gradient, the optimizer's state.
  explicit ParameterBudget(ScalarType dtype, std::int64_t copies = 2, double bytes = memory_of_machine());

  /// What is wrong with a layer's result of this shape, batch dimension included: that of one sample does not fit into
  /// memory. Nothing if it does.
  std::string check_result(IntArrayRef shape) const;
  /// Takes so many further parameters. Returns what is wrong, or nothing if there is room for them.
  std::string take(double count);

 private:
  double element_bytes_;
  double bytes_of_each_;
  double bytes_;
  double count_ = 0;
};

}  // namespace backflow::train

#pragma once

#include <backflow/runtime/tape/custom_function.h>

namespace backflow::test {

/// Returns its operand, and saves nothing.
struct Same : autograd::Function<Same> {
  static Tensor forward(autograd::AutogradContext*, const Tensor& x) { return x; }
  static autograd::variable_list backward(autograd::AutogradContext*, autograd::variable_list dy) {
    return {dy[0] * 7};
  }
};

}  // namespace backflow::test

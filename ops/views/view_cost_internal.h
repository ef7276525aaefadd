#pragma once

#include <backflow/runtime/tensor/cost.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::detail {

/// The cost of a view of all elements of x: its gradient is a view of dy.
struct CostOfView {
  template <class... Args>
  static Cost cost(const Tensor& x, const Args&...) {
    return {.dtype = x.scalar_type()};
  }
};

/// The cost of a view of some elements of x: its gradient is zeros of the size of x, into which dy is copied.
struct CostOfPart {
  template <class... Args>
  static Cost cost(const Tensor& x, const Args&...) {
    return {.flop = 0, .bytes = 2 * static_cast<float>(x.nbytes()), .dtype = x.scalar_type()};
  }
};

}  // namespace backflow::detail

#pragma once

// What pooling operators have in common: where the windows are, and the channel blocks of operands and results.

#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/kernels/pooling/pooling.h>
#include <backflow/ops/operator.h>

namespace backflow::detail {

using Needs = std::span<const bool>;

/// A pooling of a tensor [batch, channels, spatial...] or, unbatched, [channels, spatial...]. Operands and results of
/// its forward and backward are all kept in the channel blocks of the tensor.
struct PoolPlan {
  kernels::Pooling pooling;
  std::size_t dims = 2;  ///< spatial dimensions
  bool batched = true;
  bool adaptive = false;

  DimVector x_sizes() const { return sizes_with(&kernels::PoolAxis::size); }
  DimVector y_sizes() const { return sizes_with(&kernels::PoolAxis::outputs); }
  std::int64_t block() const { return pooling.x.block; }
  /// Whether the result is one number for each channel, the mean over all positions.
  bool is_global() const;

 private:
  DimVector sizes_with(std::int64_t kernels::PoolAxis::*size) const;
};

/// The numbers of a window: lists of one number for all spatial dimensions or one for each; no strides are those of the
/// kernel.
struct WindowLists {
  IntArrayRef kernel;
  IntArrayRef stride;
  IntArrayRef padding;
  IntArrayRef dilation;
  bool ceil_mode;
};

/// Throws Error, which `where` starts, for an input with other dimensions, without elements at a position or not of
/// floating-point numbers, and for windows that don't fit.
PoolPlan plan_pool(const char* where, const Tensor& x, std::size_t dims, const WindowLists& lists);
/// The same of an adaptive pooling with so many outputs.
PoolPlan plan_adaptive_pool(const char* where, const Tensor& x, std::size_t dims, IntArrayRef output_size);

/// y = the largest element of each window, recorded; with the place of each in its plane, int64, row by row.
Tensor max_pooled(const Tensor& x, const PoolPlan& plan);
std::tuple<Tensor, Tensor> max_pooled_with_indices(const Tensor& x, const PoolPlan& plan);
/// y = the average of each window, recorded.
Tensor average_pooled(const Tensor& x, const PoolPlan& plan);

/// The elements of x, whose sizes are the plan's `x_sizes()` or `y_sizes()`, as kernels want them: in blocks, and
/// float32 for bfloat16.
Tensor pool_operand(const PoolPlan& plan, const Tensor& x);
/// A tensor of these sizes, in blocks, filled by `kernel(elements)`; of bfloat16 by way of float32.
Tensor pool_result(const PoolPlan& plan, const DimVector& sizes, ScalarType dtype,
                   FunctionRef<void(const Tensor& elements)> kernel);

/// What a pass over the elements of the input and the windows costs.
Cost pool_cost(const PoolPlan& plan, ScalarType dtype);

/// Calls f(number), a constant: the place of the plan's kind among one, two and three dimensions, adaptive last.
template <class F>
auto with_pool_kind(const PoolPlan& plan, const F& f) {
  const auto of_dims = [&]<std::size_t kFirst>(std::integral_constant<std::size_t, kFirst>) {
    switch (plan.dims) {
      case 1:
        return f(std::integral_constant<std::size_t, kFirst>());
      case 2:
        return f(std::integral_constant<std::size_t, kFirst + 1>());
      default:
        return f(std::integral_constant<std::size_t, kFirst + 2>());
    }
  };
  return plan.adaptive ? of_dims(std::integral_constant<std::size_t, 3>())
                       : of_dims(std::integral_constant<std::size_t, 0>());
}

}  // namespace backflow::detail

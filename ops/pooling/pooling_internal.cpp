#include <backflow/ops/pooling/pooling_internal.h>

#include <algorithm>
#include <limits>

namespace backflow::detail {
namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();
constexpr const char* kShapes[] = {"[batch, channels, length] or [channels, length]",
                                   "[batch, channels, height, width] or [channels, height, width]",
                                   "[batch, channels, depth, height, width] or [channels, depth, height, width]"};

/// A plan with the shape of x, in the blocks of x.
PoolPlan plan_of(const char* where, const Tensor& x, std::size_t dims) {
  const auto rank = static_cast<std::size_t>(x.dim());
  check(rank == dims + 1 || rank == dims + 2, where, ": input ", describe(x), ": need ", kShapes[dims - 1]);
  check(x.is_floating_point(), where, ": dtype ", short_name(x.scalar_type()),
        ": need floating-point numbers; to(kFloat32) gives them");
  PoolPlan plan;
  plan.dims = dims;
  plan.batched = rank == dims + 2;
  plan.pooling.x.batch = plan.batched ? x.sizes()[0] : 1;
  plan.pooling.x.channels = x.sizes()[rank - dims - 1];
  plan.pooling.x.block = plan.batched && x.numel() > 0 ? kernels::block_of(x) : 1;
  for (std::size_t i = 0; i < dims; ++i) {
    const std::int64_t size = x.sizes()[rank - dims + i];
    check(size > 0 && size <= kLargest, where, ": input ", describe(x), ": need sizes from 1 to ", kLargest,
          " behind the channels");
    plan.pooling.axes[3 - dims + i].size = size;
    plan.pooling.x.spatial *= size;
  }
  return plan;
}

/// Number i of a list of one number or of one for each dimension.
std::int64_t number_of(const char* where, const char* what, IntArrayRef list, std::size_t i, std::size_t dims,
                       std::int64_t least) {
  check(list.size() == 1 || list.size() == dims, where, ": ", what, " ", list, ": need ",
        dims == 1 ? "one number" : "one number, or one for each of the spatial dimensions");
  const std::int64_t n = list.size() == 1 ? list[0] : list[i];
  check(n >= least && n <= kLargest, where, ": ", what, " ", list, ": need numbers from ", least, " to ", kLargest);
  return n;
}

std::int64_t outputs_of(const kernels::PoolAxis& axis, bool ceil_mode) {
  const std::int64_t room = axis.size + 2 * axis.padding - axis.dilation * (axis.kernel - 1) - 1;
  if (room < 0) {
    return 0;
  }
  const std::int64_t outputs = (room + (ceil_mode ? axis.stride - 1 : 0)) / axis.stride + 1;
  // The last window starts in the input or in the padding before it.
  return ceil_mode && (outputs - 1) * axis.stride >= axis.size + axis.padding ? outputs - 1 : outputs;
}

/// Whether each window has an element of the input. Those that start in it do; of the others, all positions of a
/// dilated one may lie in the padding.
bool all_reach(const kernels::PoolAxis& axis) {
  for (std::int64_t o = 0; o < axis.outputs && o * axis.stride < axis.padding; ++o) {
    const std::int64_t before = axis.padding - o * axis.stride;
    const std::int64_t steps = (before + axis.dilation - 1) / axis.dilation;
    if (steps >= axis.kernel || steps * axis.dilation - before >= axis.size) {
      return false;
    }
  }
  return true;
}

void check_window(const char* where, const kernels::Pooling& p) {
  std::int64_t elements = 1;
  for (const kernels::PoolAxis& axis : p.axes) {
    elements *= axis.kernel;
    check(elements <= kLargest, where, ": a window of ", elements, " elements: need at most ", kLargest);
  }
}

/// x with a batch of one.
Tensor batched(const PoolPlan& plan, const Tensor& x) {
  if (plan.batched) {
    return x;
  }
  DimVector sizes(x.sizes());
  DimVector strides(x.strides());
  sizes.insert(0, 1);
  strides.insert(0, x.numel());
  return view_of(x, sizes, strides, x.storage_offset());
}

}  // namespace

DimVector PoolPlan::sizes_with(std::int64_t kernels::PoolAxis::*size) const {
  DimVector sizes;
  if (batched) {
    sizes.push_back(pooling.x.batch);
  }
  sizes.push_back(pooling.x.channels);
  for (std::size_t i = 3 - dims; i < 3; ++i) {
    sizes.push_back(pooling.axes[i].*size);
  }
  return sizes;
}

bool PoolPlan::is_global() const {
  return std::all_of(pooling.axes.begin(), pooling.axes.end(), [](const kernels::PoolAxis& axis) {
    return axis.outputs == 1 && axis.kernel == axis.size && axis.padding == 0;
  });
}

PoolPlan plan_pool(const char* where, const Tensor& x, std::size_t dims, const WindowLists& lists) {
  PoolPlan plan = plan_of(where, x, dims);
  for (std::size_t i = 0; i < dims; ++i) {
    kernels::PoolAxis& axis = plan.pooling.axes[3 - dims + i];
    axis.kernel = number_of(where, "kernel", lists.kernel, i, dims, 1);
    axis.stride = lists.stride.empty() ? axis.kernel : number_of(where, "stride", lists.stride, i, dims, 1);
    axis.padding = number_of(where, "padding", lists.padding, i, dims, 0);
    axis.dilation = number_of(where, "dilation", lists.dilation, i, dims, 1);
    check(axis.padding <= axis.kernel / 2, where, ": padding ", lists.padding, ", kernel ", lists.kernel,
          ": need a padding of at most half the kernel");
    axis.outputs = outputs_of(axis, lists.ceil_mode);
    check(axis.outputs > 0, where, ": kernel ", lists.kernel, ", dilation ", lists.dilation, ", padding ",
          lists.padding, ", input ", describe(x), ": need a window that fits into the padded input");
    check(all_reach(axis), where, ": kernel ", lists.kernel, ", dilation ", lists.dilation, ", padding ", lists.padding,
          ", input ", describe(x), ": need windows with an element that is not padding");
  }
  check_window(where, plan.pooling);
  return plan;
}

PoolPlan plan_adaptive_pool(const char* where, const Tensor& x, std::size_t dims, IntArrayRef output_size) {
  PoolPlan plan = plan_of(where, x, dims);
  plan.adaptive = true;
  for (std::size_t i = 0; i < dims; ++i) {
    kernels::PoolAxis& axis = plan.pooling.axes[3 - dims + i];
    axis.outputs = number_of(where, "output size", output_size, i, dims, 0);
    if (axis.outputs == 0) {
      continue;
    }
    const bool is_even = axis.size % axis.outputs == 0;
    axis.kernel = axis.size / axis.outputs + (is_even ? 0 : 2);  // at most
    axis.stride = is_even ? axis.kernel : 0;
  }
  check_window(where, plan.pooling);
  return plan;
}

Tensor pool_operand(const PoolPlan& plan, const Tensor& x) {
  Tensor elements = kernels::as_blocked(batched(plan, x), plan.block()).elements;
  if (x.scalar_type() != kBFloat16) {
    return elements;
  }
  Tensor wide = empty_tensor(elements.sizes(), kFloat32);
  kernels::copy(wide, elements);
  return wide;
}

Tensor pool_result(const PoolPlan& plan, const DimVector& sizes, ScalarType dtype,
                   FunctionRef<void(const Tensor& elements)> kernel) {
  Tensor y = plan.batched ? kernels::empty_blocked(sizes, dtype, plan.block()) : empty_tensor(sizes, dtype);
  const Tensor elements = kernels::as_blocked(batched(plan, y), plan.block()).elements;
  if (dtype != kBFloat16) {
    kernel(elements);
    return y;
  }
  const Tensor wide = empty_tensor(elements.sizes(), kFloat32);
  kernel(wide);
  kernels::copy(elements, wide);
  return y;
}

Cost pool_cost(const PoolPlan& plan, ScalarType dtype) {
  const kernels::Pooling& p = plan.pooling;
  const auto results = static_cast<float>(p.y().elements());
  const auto bytes = (static_cast<float>(p.x.elements()) + results) * static_cast<float>(element_size(dtype));
  return {results * static_cast<float>(p.window()), bytes, dtype};
}

}  // namespace backflow::detail

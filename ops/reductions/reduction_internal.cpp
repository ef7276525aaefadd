#include <backflow/ops/reductions/reduction_internal.h>

namespace backflow::detail {

DimVector reduced_dims(const char* where, const Tensor& x, OptionalIntArrayRef dim) {
  const IntArrayRef list = dim.value();
  DimVector flags(x.sizes().size(), list.empty() ? 1 : 0);
  for (const std::int64_t d : list) {
    const std::size_t wrapped = wrap_dim(where, d, x.sizes().size());
    if (x.dim() == 0) {
      continue;
    }
    check(flags[wrapped] == 0, where, ": dimension ", d, " of ", describe(x), " is listed twice in ", list,
          ": need each once");
    flags[wrapped] = 1;
  }
  return flags;
}

DimVector reduced_sizes(const Tensor& x, const DimVector& flags, KeepDim keep) {
  DimVector sizes;
  for (std::size_t d = 0; d < flags.size(); ++d) {
    if (flags[d] == 0) {
      sizes.push_back(x.sizes()[d]);
    } else if (keep == KeepDim::Yes) {
      sizes.push_back(1);
    }
  }
  return sizes;
}

Tensor converted(const Tensor& x, ScalarType dtype) {
  if (x.scalar_type() == dtype) {
    return x;
  }
  Tensor y = empty_tensor_like(x, dtype);
  kernels::copy(y, x);
  return y;
}

Tensor dense(const Tensor& x, ScalarType dtype) {
  if (x.scalar_type() == dtype && x.is_contiguous()) {
    return x;
  }
  Tensor y = empty_tensor(x.sizes(), dtype);
  kernels::copy(y, x);
  return y;
}

Tensor fold(Fold f, Map map, const Tensor& x, const DimVector& flags, KeepDim keep, ScalarType dtype, double power) {
  const Tensor y = empty_tensor(reduced_sizes(x, flags, keep), computed(dtype));
  kernels::fold(f, map, y, x, flags, power);
  return converted(y, dtype);
}

Tensor fold_numbers(Fold f, const Tensor& x, const DimVector& flags, KeepDim keep, ScalarType dtype) {
  if (dtype == kInt64 || dtype == kFloat32 || dtype == kFloat64) {
    return fold(f, Map::None, x, flags, keep, dtype);
  }
  const ScalarType wide = is_floating_point(dtype) ? kFloat32 : kInt64;
  return converted(fold(f, Map::None, converted(x, dtype), flags, keep, wide), dtype);
}

Tensor shares_of_equals(const Tensor& x, const Tensor& y, const DimVector& flags) {
  const ScalarType dtype = computed(x.scalar_type());
  const Tensor shares = empty_tensor_like(x, dtype);
  kernels::binary(kernels::functions::Equal{}, shares, converted(x, dtype), converted(y, dtype));
  kernels::binary(kernels::functions::Div{}, shares, shares,
                  fold(Fold::Sum, Map::None, shares, flags, KeepDim::Yes, dtype));
  return converted(shares, x.scalar_type());
}

Tensor zeros_of(const Tensor& x) {
  Tensor y = empty_tensor_like(x, x.scalar_type());
  kernels::binary(kernels::functions::Equal{}, y, x, Scalar(0));
  return y;
}

}  // namespace backflow::detail

#include <backflow/ops/creation.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/elementwise.h>

namespace backflow {
namespace {

/// The dtype that a tensor of these numbers has unless it is given one.
ScalarType dtype_of_numbers(std::initializer_list<Scalar> numbers) {
  ScalarType dtype = kBool;
  for (const Scalar& number : numbers) {
    dtype = promote_types(dtype, number.default_dtype());
  }
  return dtype;
}

TensorOptions like(const Tensor& x, TensorOptions options) { return options.dtype(options.dtype_or(x.scalar_type())); }

}  // namespace

NestedNumbers::NestedNumbers(std::initializer_list<NestedNumbers> list) {
  sizes_ = {static_cast<std::int64_t>(list.size())};
  const NestedNumbers* first = list.begin();
  if (list.size() == 0) {
    return;
  }
  for (const std::int64_t size : first->sizes_) {
    sizes_.push_back(size);
  }
  dtype_ = first->dtype_;
  for (const NestedNumbers& inner : list) {
    check(inner.sizes_ == first->sizes_, "tensor: inner lists of shapes ", first->sizes_, " and ", inner.sizes_,
          ": need equal shapes");
    dtype_ = promote_types(dtype_, inner.dtype_);
    values_.insert(values_.end(), inner.values_.begin(), inner.values_.end());
    integers_.insert(integers_.end(), inner.integers_.begin(), inner.integers_.end());
  }
}

Tensor tensor(NestedNumbers numbers, TensorOptions options) {
  Tensor x = empty_tensor(numbers.sizes(), options.dtype_or(numbers.dtype()));
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto convert = [](auto v) { return static_cast<T>(v); };
    if (numbers.integers().size() == numbers.values().size()) {
      std::transform(numbers.integers().begin(), numbers.integers().end(), x.data_ptr<T>(), convert);
    } else {
      std::transform(numbers.values().begin(), numbers.values().end(), x.data_ptr<T>(), convert);
    }
  });
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor tensor(std::initializer_list<NestedNumbers> numbers, TensorOptions options) {
  return tensor(NestedNumbers(numbers), options);
}

Tensor empty(IntArrayRef size, TensorOptions options) {
  Tensor x = empty_tensor(size, options.dtype());
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor full(IntArrayRef size, Scalar fill_value, TensorOptions options) {
  Tensor x = empty_tensor(size, options.dtype_or(dtype_of_numbers({fill_value})));
  kernels::fill(x, fill_value);
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor zeros(IntArrayRef size, TensorOptions options) { return full(size, 0, options.dtype(options.dtype())); }

Tensor ones(IntArrayRef size, TensorOptions options) { return full(size, 1, options.dtype(options.dtype())); }

Tensor empty_like(const Tensor& input, TensorOptions options) { return empty(input.sizes(), like(input, options)); }

Tensor ones_like(const Tensor& input, TensorOptions options) { return ones(input.sizes(), like(input, options)); }

Tensor zeros_like(const Tensor& input, TensorOptions options) { return zeros(input.sizes(), like(input, options)); }

Tensor full_like(const Tensor& input, Scalar fill_value, TensorOptions options) {
  return full(input.sizes(), fill_value, like(input, options));
}

Tensor arange(Scalar end, TensorOptions options) { return arange(0, end, 1, options); }

Tensor arange(Scalar start, Scalar end, TensorOptions options) { return arange(start, end, 1, options); }

Tensor arange(Scalar start, Scalar end, Scalar step, TensorOptions options) {
  const auto from = start.to<double>();
  const auto to = end.to<double>();
  const auto by = step.to<double>();
  check(by != 0 && (by > 0 ? to >= from : to <= from), "arange: from ", from, " to ", to, " by ", by,
        ": need a step other than 0 that leads from one to the other");
  const auto n = static_cast<std::int64_t>(std::ceil((to - from) / by));
  Tensor x = empty_tensor({n}, options.dtype_or(dtype_of_numbers({start, end, step})));
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using Exact = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
    for (std::int64_t i = 0; i < n; ++i) {
      x.data_ptr<T>()[i] = static_cast<T>(start.to<Exact>() + static_cast<Exact>(i) * step.to<Exact>());
    }
  });
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor linspace(Scalar start, Scalar end, std::int64_t steps, TensorOptions options) {
  check(steps >= 0, "linspace: ", steps, " steps: need a number >= 0");
  Tensor x = empty_tensor({steps}, options.dtype());
  dispatch(x.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto from = start.to<double>();
    const auto to = end.to<double>();
    const double step = steps > 1 ? (to - from) / static_cast<double>(steps - 1) : 0;
    for (std::int64_t i = 0; i < steps; ++i) {
      // From the nearer end, so that both are exact.
      x.data_ptr<T>()[i] = static_cast<T>(2 * i < steps ? from + step * static_cast<double>(i)
                                                        : to - step * static_cast<double>(steps - 1 - i));
    }
  });
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor eye(std::int64_t n, TensorOptions options) { return eye(n, n, options); }

Tensor eye(std::int64_t n, std::int64_t m, TensorOptions options) {
  Tensor x = zeros({n, m}, options.requires_grad(false));
  if (x.numel() > 0) {
    kernels::fill(view_of(x, std::min(n, m), m + 1, 0), 1);
  }
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor from_blob(void* data, IntArrayRef sizes, TensorOptions options) {
  return from_blob(data, sizes, contiguous_strides(sizes), nullptr, options);
}

Tensor from_blob(void* data, IntArrayRef sizes, std::function<void(void*)> deleter, TensorOptions options) {
  return from_blob(data, sizes, contiguous_strides(sizes), std::move(deleter), options);
}

Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, TensorOptions options) {
  return from_blob(data, sizes, strides, nullptr, options);
}

Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, std::function<void(void*)> deleter,
                 TensorOptions options) {
  check(sizes.size() == strides.size(), "from_blob: sizes ", sizes, ", strides ", strides, ": need one for each");
  std::int64_t elements = numel_of(sizes) > 0 ? 1 : 0;  // up to the last that a stride reaches
  for (std::size_t d = 0; d < sizes.size() && elements > 0; ++d) {
    check(strides[d] >= 0, "from_blob: strides ", strides, ": need numbers >= 0");
    elements += (sizes[d] - 1) * strides[d];
  }
  const auto bytes = static_cast<std::size_t>(elements) * element_size(options.dtype());
  const Tensor x(TensorImpl::make(Storage::wrap(data, bytes, std::move(deleter)), options.dtype(), sizes, strides, 0));
  return x.set_requires_grad(options.requires_grad());
}

Tensor Tensor::new_empty(IntArrayRef size, TensorOptions options) const { return empty(size, like(*this, options)); }

Tensor Tensor::new_full(IntArrayRef size, const Scalar& fill_value, TensorOptions options) const {
  return full(size, fill_value, like(*this, options));
}

Tensor Tensor::to(const TensorOptions& options, bool /*non_blocking*/, bool copy) const {
  const ScalarType dtype = options.dtype_or(scalar_type());
  return !copy ? to(dtype) : dtype == scalar_type() ? clone() : to_copy(*this, dtype);
}

Tensor Tensor::to(Device /*device*/, ScalarType dtype, bool non_blocking, bool copy) const {
  return to(TensorOptions(dtype), non_blocking, copy);
}

Tensor Tensor::to(const Tensor& other, bool non_blocking, bool copy) const {
  return to(TensorOptions(other.scalar_type()), non_blocking, copy);
}

}  // namespace backflow

// Tensors of the caller's numbers, and over the caller's memory.
#include <backflow/ops/creation/creation.h>

#include <algorithm>
#include <limits>
#include <utility>

#include <backflow/runtime/tensor/number_range.h>

namespace backflow {

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
    const auto convert = [](auto v) { return detail::checked<T>("tensor", v); };
    if (numbers.integers().size() == numbers.values().size()) {
      std::transform(numbers.integers().begin(), numbers.integers().end(), x.mutable_data_ptr<T>(), convert);
    } else {
      std::transform(numbers.values().begin(), numbers.values().end(), x.mutable_data_ptr<T>(), convert);
    }
  });
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor tensor(std::initializer_list<NestedNumbers> numbers, TensorOptions options) {
  return tensor(NestedNumbers(numbers), options);
}

namespace {

/// The elements of memory up to the last that a tensor shows.
std::int64_t elements_reached(IntArrayRef sizes, IntArrayRef strides) {
  if (numel_of(sizes) == 0) {
    return 0;
  }
  std::int64_t last = 0;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    std::int64_t length = 0;
    check(strides[d] >= 0, "from_blob: strides ", strides, ": need numbers >= 0");
    check(!__builtin_mul_overflow(sizes[d] - 1, strides[d], &length) && !__builtin_add_overflow(last, length, &last) &&
              last < std::numeric_limits<std::int64_t>::max() / 8,
          "from_blob: sizes ", sizes, ", strides ", strides, ": need fewer than 2^60 elements");
  }
  return last + 1;
}

}  // namespace

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
  const std::int64_t elements = elements_reached(sizes, strides);
  check(data != nullptr || elements == 0, "from_blob: no memory (null) for sizes ", sizes, ": need the address of ",
        elements, " elements");
  const auto bytes = static_cast<std::size_t>(elements) * element_size(options.dtype());
  const Tensor x(TensorImpl::make(Storage::wrap(data, bytes, std::move(deleter)), options.dtype(), sizes, strides, 0));
  return x.set_requires_grad(options.requires_grad());
}

}  // namespace backflow

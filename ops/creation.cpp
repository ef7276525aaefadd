#include <backflow/ops/creation.h>

#include <algorithm>

#include <backflow/ops/kernels/elementwise.h>

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
  Tensor x = empty_tensor(size, options.dtype());
  kernels::fill(x, fill_value);
  x.set_requires_grad(options.requires_grad());
  return x;
}

Tensor zeros(IntArrayRef size, TensorOptions options) { return full(size, 0, options); }

Tensor ones(IntArrayRef size, TensorOptions options) { return full(size, 1, options); }

Tensor ones_like(const Tensor& input) { return full(input.sizes(), 1, input.scalar_type()); }

}  // namespace backflow

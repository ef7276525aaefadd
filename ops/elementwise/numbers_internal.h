#pragma once

// Numbers in the place of a tensor.

#include <backflow/ops/elementwise/elementwise_internal.h>
#include <backflow/runtime/tensor/checked_number.h>

namespace backflow::detail {

/// A number as a tensor without dimensions. Throws Error, which `where` starts, when the dtype can't hold it.
inline Tensor number_as(const char* where, const Scalar& number, ScalarType dtype) {
  Tensor value = empty_tensor({}, dtype);
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    *value.mutable_data_ptr<T>() = number.to<T>(where);
  });
  return value;
}

/// The same as an operand beside `x`, in the dtype that it counts as. Any integer out of range is an Error, also -1
/// beside uint8; what is too large for a floating-point dtype is infinite.
inline Tensor operand_beside(const char* where, const Tensor& x, const Scalar& number) {
  Tensor value = empty_tensor({}, result_type(x.scalar_type(), number));
  dispatch(value.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    if (std::is_integral_v<T> && beyond<T>(number) != 0) [[unlikely]] {
      fail_as<T>(where, number);
    }
    *value.mutable_data_ptr<T>() = wrapped<T>(number);
  });
  return value;
}

}  // namespace backflow::detail

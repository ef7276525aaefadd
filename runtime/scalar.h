#pragma once

#include <concepts>
#include <cstdint>

#include <backflow/runtime/dtype.h>

namespace backflow {

/// A number of any dtype: an integer or a floating-point value. Converts from C++ arithmetic types, as libtorch's.
class Scalar {
 public:
  Scalar() = default;
  template <std::integral T>
  Scalar(T value) : integer_(static_cast<std::int64_t>(value)), is_integer_(true) {}  // NOLINT
  template <std::floating_point T>
  Scalar(T value) : real_(static_cast<double>(value)), is_integer_(false) {}  // NOLINT

  bool is_integral() const { return is_integer_; }
  bool is_floating_point() const { return !is_integer_; }
  bool isIntegral(bool /*include_bool*/ = false) const { return is_integer_; }
  bool isFloatingPoint() const { return !is_integer_; }
  template <class T>
  T to() const {
    return is_integer_ ? static_cast<T>(integer_) : static_cast<T>(real_);
  }
  float toFloat() const { return to<float>(); }
  double toDouble() const { return to<double>(); }
  int toInt() const { return to<int>(); }
  std::int64_t toLong() const { return to<std::int64_t>(); }
  bool toBool() const { return to<bool>(); }
  Scalar operator-() const { return is_integer_ ? Scalar(-integer_) : Scalar(-real_); }

 private:
  union {
    std::int64_t integer_ = 0;
    double real_;
  };
  bool is_integer_ = true;
};

/// The dtype of an operation on a tensor of `dtype` and a number: a number keeps a tensor's dtype, unless it is a
/// fraction and the tensor integral, which gives float32 (PyTorch's default dtype).
inline ScalarType result_type(ScalarType dtype, const Scalar& number) {
  return number.is_floating_point() && !is_floating_point(dtype) ? kFloat32 : dtype;
}

}  // namespace backflow

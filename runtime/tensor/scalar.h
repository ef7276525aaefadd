#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <backflow/runtime/tensor/dtype.h>
#include <backflow/runtime/tensor/number_range.h>

namespace backflow {

/// A number of any dtype: an integer, a floating-point value or a truth value. Converts from C++ arithmetic types, as
/// libtorch's; an Error for an unsigned integer from 2^63 on.
class Scalar {
 public:
  Scalar() = default;
  template <std::integral T>
  Scalar(T value)  // NOLINT(google-explicit-constructor)
      : integer_(static_cast<std::int64_t>(value)), kind_(std::same_as<T, bool> ? Kind::Bool : Kind::Integer) {
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(std::int64_t)) {
      check(integer_ >= 0, "Scalar: number ", value, " as i64: need one up to 9223372036854775807");
    }
  }
  template <std::floating_point T>
  Scalar(T value) : real_(static_cast<double>(value)), kind_(Kind::Real) {}  // NOLINT(google-explicit-constructor)
  Scalar(BFloat16 value) : Scalar(static_cast<float>(value)) {}              // NOLINT(google-explicit-constructor)

  bool is_floating_point() const { return kind_ == Kind::Real; }
  bool is_integral() const { return kind_ == Kind::Integer; }
  bool is_boolean() const { return kind_ == Kind::Bool; }
  bool isFloatingPoint() const { return is_floating_point(); }
  bool isBoolean() const { return is_boolean(); }
  bool isIntegral(bool include_bool) const { return is_integral() || (include_bool && is_boolean()); }
  /// The dtype of a tensor made of this number: int64, float32 (PyTorch's default dtype) or bool.
  ScalarType default_dtype() const { return kind_ == Kind::Real ? kFloat32 : kind_ == Kind::Bool ? kBool : kInt64; }
  /// The number as a T; fractions are truncated for an integral T. Throws Error, which `where` starts, for a number
  /// that a T can't represent: NaN, infinities and numbers out of range for an integral T, finite numbers that would
  /// become infinite. As in PyTorch, -n wraps in an unsigned type that can represent n, and every number converts to
  /// bool.
  template <class T>
  T to(const char* where = "Scalar") const {
    return kind_ == Kind::Real ? detail::checked<T>(where, real_) : detail::checked<T>(where, integer_);
  }
  float toFloat() const { return to<float>(); }
  double toDouble() const { return to<double>(); }
  int toInt() const { return to<int>(); }
  std::int64_t toLong() const { return to<std::int64_t>(); }
  bool toBool() const { return to<bool>(); }
  /// The smallest integer wraps to itself.
  Scalar operator-() const {
    return kind_ == Kind::Real ? Scalar(-real_)
                               : Scalar(static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(integer_)));
  }

 private:
  enum class Kind : std::uint8_t { Integer, Real, Bool };

  union {
    std::int64_t integer_ = 0;
    double real_;
  };
  Kind kind_ = Kind::Integer;
};

/// The kinds of dtypes, in the order of promotion: bool, integers, floating-point numbers.
constexpr int dtype_kind(ScalarType dtype) { return is_floating_point(dtype) ? 2 : dtype == kBool ? 0 : 1; }

/// The dtype of an operation on a tensor and a weak operand: a number, or a tensor without dimensions. The weak dtype
/// counts only when it is of a higher kind. Example: int32 and float64 give float64, bfloat16 and float64 give
/// bfloat16.
constexpr ScalarType promote_weak(ScalarType dtype, ScalarType weak) {
  return dtype_kind(weak) > dtype_kind(dtype) ? promote_types(dtype, weak) : dtype;
}

/// The dtype of an operation on a tensor of `dtype` and a number. It is the tensor's, unless the number is of a higher
/// kind: then a fraction gives float32, and an integer int64.
inline ScalarType result_type(ScalarType dtype, const Scalar& number) {
  return promote_weak(dtype, number.default_dtype());
}

}  // namespace backflow

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
  /// The number as a T; integers are cut towards zero. Throws Error, which `where` starts, for what a T can't hold:
  /// NaN, an infinity or a number out of range as an integer, a finite number that would become infinite. As in
  /// PyTorch, -n wraps in an unsigned type that holds n, and everything is a truth value.
  template <class T>
  T to(const char* where = "Scalar") const {
    return kind_ == Kind::Real ? detail::checked<T>(where, real_) : detail::checked<T>(where, integer_);
  }
  float toFloat() const { return to<float>(); }
  double toDouble() const { return to<double>(); }
  int toInt() const { return to<int>(); }
  std::int64_t toLong() const { return to<std::int64_t>(); }
  bool toBool() const { return to<bool>(); }
  /// That of the smallest integer is itself.
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

/// The dtype of an operation on operands of two dtypes of which the second, a number or a tensor without dimensions,
/// counts only when it is of a higher kind.
constexpr ScalarType promote_weak(ScalarType dtype, ScalarType weak) {
  return dtype_kind(weak) > dtype_kind(dtype) ? promote_types(dtype, weak) : dtype;
}

/// The dtype of an operation on a tensor of `dtype` and a number: a number keeps a tensor's dtype unless it is of a
/// higher kind; a fraction then gives float32 and an integer int64.
inline ScalarType result_type(ScalarType dtype, const Scalar& number) {
  return promote_weak(dtype, number.default_dtype());
}

}  // namespace backflow

#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <type_traits>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tensor/bfloat16.h>

namespace backflow {

/// Element types, named as in libtorch. The order is that of type promotion: the result of an operation on two dtypes
/// is the larger one.
enum class ScalarType : std::uint8_t { Bool, UInt8, Int32, Int64, BFloat16, Float32, Float64 };
using Dtype = ScalarType;

inline constexpr ScalarType kBool = ScalarType::Bool;
inline constexpr ScalarType kUInt8 = ScalarType::UInt8;
inline constexpr ScalarType kByte = kUInt8;
inline constexpr ScalarType kInt32 = ScalarType::Int32;
inline constexpr ScalarType kInt = kInt32;
inline constexpr ScalarType kInt64 = ScalarType::Int64;
inline constexpr ScalarType kLong = kInt64;
inline constexpr ScalarType kBFloat16 = ScalarType::BFloat16;
inline constexpr ScalarType kFloat32 = ScalarType::Float32;
inline constexpr ScalarType kFloat = kFloat32;
inline constexpr ScalarType kFloat64 = ScalarType::Float64;
inline constexpr ScalarType kDouble = kFloat64;
inline constexpr ScalarType kAllDtypes[] = {kBool, kUInt8, kInt32, kInt64, kBFloat16, kFloat32, kFloat64};

namespace detail {
// Not a table inside of element_size, which would be written to the stack in each call.
inline constexpr std::uint8_t kElementSizes[] = {1, 1, 4, 8, 2, 4, 8};
}  // namespace detail

/// Bytes of one element.
constexpr std::size_t element_size(ScalarType dtype) { return detail::kElementSizes[static_cast<std::size_t>(dtype)]; }

constexpr bool is_floating_point(ScalarType dtype) { return dtype >= ScalarType::BFloat16; }

/// The dtype that holds values of both operands, as torch.promote_types.
constexpr ScalarType promote_types(ScalarType a, ScalarType b) { return a < b ? b : a; }

/// Short name for messages: "f32", "bf16", "i64", "u8", "bool".
const char* short_name(ScalarType dtype);
/// Name as in PyTorch and in files: "float32", "bfloat16", "int64", "uint8", "bool".
const char* name(ScalarType dtype);
/// The dtype of a name as `name()` writes it (or "float", "double", "long"); throws Error for any other.
ScalarType dtype_from_name(const char* name);
/// Prints `name()`.
std::ostream& operator<<(std::ostream& out, ScalarType dtype);

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<bool> {
  static constexpr ScalarType value = kBool;
};
template <>
struct DtypeOf<std::uint8_t> {
  static constexpr ScalarType value = kUInt8;
};
template <>
struct DtypeOf<std::int32_t> {
  static constexpr ScalarType value = kInt32;
};
template <>
struct DtypeOf<std::int64_t> {
  static constexpr ScalarType value = kInt64;
};
template <>
struct DtypeOf<BFloat16> {
  static constexpr ScalarType value = kBFloat16;
};
template <>
struct DtypeOf<float> {
  static constexpr ScalarType value = kFloat32;
};
template <>
struct DtypeOf<double> {
  static constexpr ScalarType value = kFloat64;
};

/// The dtype whose elements are of the C++ type T.
template <class T>
inline constexpr ScalarType dtype_of = DtypeOf<T>::value;

/// The C++ type in which numbers of type T are computed: float for BFloat16, T for all others.
template <class T>
using ComputeType = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;

/// Calls `f(T{})` with the C++ type T of `dtype` and returns its result.
template <class F>
decltype(auto) dispatch(ScalarType dtype, F&& f) {
  switch (dtype) {
    case ScalarType::Bool:
      return f(bool{});
    case ScalarType::UInt8:
      return f(std::uint8_t{});
    case ScalarType::Int32:
      return f(std::int32_t{});
    case ScalarType::Int64:
      return f(std::int64_t{});
    case ScalarType::BFloat16:
      return f(BFloat16{});
    case ScalarType::Float32:
      return f(float{});
    case ScalarType::Float64:
      break;
  }
  return f(double{});
}

/// As `dispatch`, for float32 and float64 only. Throws Error for any other dtype; `where` starts the message.
template <class F>
decltype(auto) dispatch_floating(ScalarType dtype, const char* where, F&& f) {
  if (dtype < ScalarType::Float32) [[unlikely]] {
    fail(where, ": dtype ", short_name(dtype), ": need f32 or f64");
  }
  return dtype == ScalarType::Float32 ? f(float{}) : f(double{});
}

/// As `dispatch`, for all dtypes but bool. Throws Error for bool.
template <class F>
decltype(auto) dispatch_numeric(ScalarType dtype, const char* where, F&& f) {
  if (dtype == ScalarType::Bool) [[unlikely]] {
    fail(where, ": dtype bool: need numbers; to(kInt64) gives them");
  }
  return dispatch(dtype, [&](auto zero) {
    if constexpr (!std::is_same_v<decltype(zero), bool>) {
      f(zero);
    }
  });
}

}  // namespace backflow

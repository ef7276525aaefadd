#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include <backflow/runtime/error.h>

namespace backflow {

/// Element types, named as in libtorch. The order is that of type promotion: the result of an operation on two dtypes
/// is the larger one.
enum class ScalarType : std::uint8_t { UInt8, Int64, Float32, Float64 };
using Dtype = ScalarType;

inline constexpr ScalarType kUInt8 = ScalarType::UInt8;
inline constexpr ScalarType kByte = kUInt8;
inline constexpr ScalarType kInt64 = ScalarType::Int64;
inline constexpr ScalarType kLong = kInt64;
inline constexpr ScalarType kFloat32 = ScalarType::Float32;
inline constexpr ScalarType kFloat = kFloat32;
inline constexpr ScalarType kFloat64 = ScalarType::Float64;
inline constexpr ScalarType kDouble = kFloat64;

/// Bytes of one element.
constexpr std::size_t element_size(ScalarType dtype) {
  constexpr std::size_t kSizes[] = {1, 8, 4, 8};
  return kSizes[static_cast<std::size_t>(dtype)];
}

constexpr bool is_floating_point(ScalarType dtype) { return dtype >= ScalarType::Float32; }

/// The dtype that holds values of both operands, as torch.promote_types.
constexpr ScalarType promote_types(ScalarType a, ScalarType b) { return a < b ? b : a; }

/// Short name for messages: "f32", "f64", "i64", "u8".
const char* short_name(ScalarType dtype);
/// Name as in PyTorch and in files: "float32", "float64", "int64", "uint8".
const char* name(ScalarType dtype);
/// The dtype of a name as `name()` writes it (or "float", "double", "long"); throws Error for any other.
ScalarType dtype_from_name(const char* name);
/// Prints `name()`.
std::ostream& operator<<(std::ostream& out, ScalarType dtype);

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<std::uint8_t> {
  static constexpr ScalarType value = kUInt8;
};
template <>
struct DtypeOf<std::int64_t> {
  static constexpr ScalarType value = kInt64;
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

/// Calls `f(T{})` with the C++ type T of `dtype` and returns its result.
template <class F>
decltype(auto) dispatch(ScalarType dtype, F&& f) {
  switch (dtype) {
    case ScalarType::UInt8:
      return f(std::uint8_t{});
    case ScalarType::Int64:
      return f(std::int64_t{});
    case ScalarType::Float32:
      return f(float{});
    case ScalarType::Float64:
      break;
  }
  return f(double{});
}

/// As `dispatch`, for floating-point dtypes alone; `where` starts the message of the Error that any other dtype is.
template <class F>
decltype(auto) dispatch_floating(ScalarType dtype, const char* where, F&& f) {
  if (!is_floating_point(dtype)) [[unlikely]] {
    fail(where, ": dtype ", short_name(dtype), ": need f32 or f64");
  }
  return dtype == ScalarType::Float32 ? f(float{}) : f(double{});
}

}  // namespace backflow

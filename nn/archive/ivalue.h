#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// A value beside the tensors of an archive, as libtorch's: nothing, a tensor, a number, a truth value or a text.
/// The functions that convert throw Error for another kind of value. A tensor of one element counts as its number:
/// files of formats without numbers hold such.
class IValue {
 public:
  IValue() = default;
  IValue(Tensor value) : value_(std::move(value)) {}           // NOLINT(google-explicit-constructor): as libtorch's
  IValue(double value) : value_(value) {}                      // NOLINT(google-explicit-constructor)
  IValue(std::int64_t value) : value_(value) {}                // NOLINT(google-explicit-constructor)
  IValue(std::int32_t value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  IValue(bool value) : value_(value) {}                        // NOLINT(google-explicit-constructor)
  IValue(std::string value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  IValue(const char* value) : value_(std::string(value)) {}    // NOLINT(google-explicit-constructor)

  // NOLINTBEGIN(readability-identifier-naming): libtorch's names
  bool isNone() const { return value_.index() == 0; }
  bool isTensor() const { return std::holds_alternative<Tensor>(value_); }
  bool isDouble() const { return std::holds_alternative<double>(value_); }
  bool isInt() const { return std::holds_alternative<std::int64_t>(value_); }
  bool isBool() const { return std::holds_alternative<bool>(value_); }
  bool isString() const { return std::holds_alternative<std::string>(value_); }
  const Tensor& toTensor() const;
  double toDouble() const;
  std::int64_t toInt() const;
  bool toBool() const;
  const std::string& toStringRef() const;
  // NOLINTEND(readability-identifier-naming)

  /// "int", "double", "bool", "str", "Tensor" or "None".
  const char* kind() const;
  /// The value as a tensor: a number or truth value as int64, float64 or bool without dimensions. Throws Error for text
  /// and for nothing.
  Tensor as_tensor() const;

 private:
  std::variant<std::monostate, Tensor, double, std::int64_t, bool, std::string> value_;
};

}  // namespace backflow

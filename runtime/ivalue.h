#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <backflow/runtime/tensor.h>

namespace backflow {

/// A value of one of a few types, as libtorch's: what a custom function keeps in `saved_data` between its forward and
/// its backward. Asking for another type than it holds throws Error; a number converts to a double.
class IValue {
 public:
  IValue() = default;
  IValue(Tensor value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  IValue(bool value) : value_(value) {}               // NOLINT(google-explicit-constructor)
  IValue(double value) : value_(value) {}             // NOLINT(google-explicit-constructor)
  IValue(std::int64_t value) : value_(value) {}       // NOLINT(google-explicit-constructor)
  IValue(int value) : value_(std::int64_t{value}) {}  // NOLINT(google-explicit-constructor)
  IValue(const Scalar& value)                         // NOLINT(google-explicit-constructor)
      : IValue(value.is_floating_point() ? IValue(value.toDouble()) : IValue(value.toLong())) {}
  IValue(std::string value) : value_(std::move(value)) {}                // NOLINT(google-explicit-constructor)
  IValue(const char* value) : value_(std::string(value)) {}              // NOLINT(google-explicit-constructor)
  IValue(IntArrayRef value) : value_(value.vec()) {}                     // NOLINT(google-explicit-constructor)
  IValue(std::vector<std::int64_t> value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  IValue(std::vector<double> value) : value_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  IValue(std::vector<Tensor> value) : value_(std::move(value)) {}        // NOLINT(google-explicit-constructor)

  bool isNone() const { return is<std::monostate>(); }
  bool isTensor() const { return is<Tensor>(); }
  bool isBool() const { return is<bool>(); }
  bool isDouble() const { return is<double>(); }
  bool isInt() const { return is<std::int64_t>(); }
  bool isScalar() const { return isInt() || isDouble(); }
  bool isString() const { return is<std::string>(); }
  bool isIntList() const { return is<std::vector<std::int64_t>>(); }
  bool isDoubleList() const { return is<std::vector<double>>(); }
  bool isTensorList() const { return is<std::vector<Tensor>>(); }

  const Tensor& toTensor() const { return get<Tensor>("a tensor"); }
  bool toBool() const { return get<bool>("a bool"); }
  double toDouble() const { return isInt() ? static_cast<double>(toInt()) : get<double>("a double"); }
  Scalar toScalar() const { return isInt() ? Scalar(toInt()) : Scalar(toDouble()); }
  std::int64_t toInt() const { return get<std::int64_t>("an integer"); }
  const std::string& toStringRef() const { return get<std::string>("a string"); }
  const std::vector<std::int64_t>& toIntVector() const { return get<std::vector<std::int64_t>>("a list of integers"); }
  const std::vector<double>& toDoubleVector() const { return get<std::vector<double>>("a list of doubles"); }
  const std::vector<Tensor>& toTensorVector() const { return get<std::vector<Tensor>>("a list of tensors"); }

 private:
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(value_);
  }
  template <class T>
  const T& get(const char* asked) const {
    const T* value = std::get_if<T>(&value_);
    check(value != nullptr, "IValue: asked for ", asked, ", holds ", kNames[value_.index()],
          ": need the type that it was given");
    return *value;
  }

  static constexpr const char* kNames[] = {
      "nothing",           "a tensor",         "a bool", "a double", "an integer", "a string", "a list of integers",
      "a list of doubles", "a list of tensors"};
  std::variant<std::monostate, Tensor, bool, double, std::int64_t, std::string, std::vector<std::int64_t>,
               std::vector<double>, std::vector<Tensor>>
      value_;
};

}  // namespace backflow

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// A value of one of a few types, as libtorch's. A custom function keeps such values in `saved_data` between forward
/// and backward. Reading it as another type than it holds throws Error; but a number converts to a double.
class IValue {
 public:
  IValue() = default;
  IValue(Tensor value);                     // NOLINT(google-explicit-constructor)
  IValue(bool value);                       // NOLINT(google-explicit-constructor)
  IValue(double value);                     // NOLINT(google-explicit-constructor)
  IValue(std::int64_t value);               // NOLINT(google-explicit-constructor)
  IValue(int value);                        // NOLINT(google-explicit-constructor)
  IValue(const Scalar& value);              // NOLINT(google-explicit-constructor)
  IValue(std::string value);                // NOLINT(google-explicit-constructor)
  IValue(const char* value);                // NOLINT(google-explicit-constructor)
  IValue(IntArrayRef value);                // NOLINT(google-explicit-constructor)
  IValue(std::vector<std::int64_t> value);  // NOLINT(google-explicit-constructor)
  IValue(std::vector<double> value);        // NOLINT(google-explicit-constructor)
  IValue(std::vector<Tensor> value);        // NOLINT(google-explicit-constructor)

  bool isNone() const { return held_ == nullptr; }
  bool isTensor() const;
  bool isBool() const;
  bool isDouble() const;
  bool isInt() const;
  bool isScalar() const { return isInt() || isDouble(); }
  bool isString() const;
  bool isIntList() const;
  bool isDoubleList() const;
  bool isTensorList() const;

  const Tensor& toTensor() const;
  bool toBool() const;
  double toDouble() const;
  Scalar toScalar() const;
  std::int64_t toInt() const;
  const std::string& toStringRef() const;
  const std::vector<std::int64_t>& toIntVector() const;
  const std::vector<double>& toDoubleVector() const;
  const std::vector<Tensor>& toTensorVector() const;

 private:
  struct Held;
  template <class T>
  bool is() const;
  template <class T>
  const T& get(const char* asked) const;

  std::shared_ptr<const Held> held_;  // never changes, so copies share it; none for nothing
};

}  // namespace backflow

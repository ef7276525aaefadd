#pragma once

#include <functional>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

/// Braced numbers, nested as deep as the tensor has dimensions: {{1.0, 2.0}, {3.0, 4.0}}. Made by `tensor` alone.
class NestedNumbers {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(T value)  // NOLINT(google-explicit-constructor)
      : values_{static_cast<double>(value)},
        dtype_(std::is_same_v<T, bool>           ? kBool
               : std::is_same_v<T, std::uint8_t> ? kUInt8
               : std::is_integral_v<T>           ? kInt64
               : std::is_same_v<T, double>       ? kFloat32  // PyTorch's default dtype
                                                 : dtype_of<float>) {
    if constexpr (std::is_integral_v<T>) {
      integers_ = {Scalar(value).toLong()};
    }
  }
  NestedNumbers(std::initializer_list<NestedNumbers> list);  // NOLINT(google-explicit-constructor)
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(const std::vector<T>& list)  // NOLINT(google-explicit-constructor)
      : sizes_{static_cast<std::int64_t>(list.size())},
        values_(list.begin(), list.end()),
        dtype_(NestedNumbers(T{}).dtype()) {
    if constexpr (std::is_integral_v<T>) {
      for (const T value : list) {
        integers_.push_back(Scalar(value).toLong());
      }
    }
  }

  const DimVector& sizes() const { return sizes_; }
  const std::vector<double>& values() const { return values_; }
  const std::vector<std::int64_t>& integers() const { return integers_; }
  ScalarType dtype() const { return dtype_; }

 private:
  DimVector sizes_;
  std::vector<double> values_;
  std::vector<std::int64_t> integers_;  // the same when all are integers, exact beyond 2^53
  ScalarType dtype_ = kFloat32;
};

/// A tensor of these numbers. Its dtype is that of the options when they name one, else float32 for fractions, int64
/// for integers and bool for truth values. Throws Error when inner lists differ in length, and for a number that the
/// dtype can't represent.
Tensor tensor(NestedNumbers numbers, TensorOptions options = {});
/// Makes `tensor({1.0, 2.0})` a tensor with one dimension.
Tensor tensor(std::initializer_list<NestedNumbers> numbers, TensorOptions options = {});

/// A tensor over the caller's memory, row-major unless strides, which count elements, are given. The memory must live
/// as long as any tensor over it; `deleter(data)` runs when the last is gone. Throws Error for null unless the tensor
/// is empty, and for negative sizes or strides.
Tensor from_blob(void* data, IntArrayRef sizes, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef sizes, std::function<void(void*)> deleter, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, std::function<void(void*)> deleter,
                 TensorOptions options = {});

}  // namespace backflow

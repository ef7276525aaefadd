#pragma once

#include <functional>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include <backflow/runtime/tensor.h>

namespace backflow {

/// Braced numbers, nested as deep as the tensor has dimensions: {{1.0, 2.0}, {3.0, 4.0}}. Made by `tensor` alone.
class NestedNumbers {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(T value)  // NOLINT(google-explicit-constructor)
      : values_{static_cast<double>(value)},
        dtype_(std::is_same_v<T, std::uint8_t> ? kUInt8
               : std::is_integral_v<T>         ? kInt64
               : std::is_same_v<T, double>     ? kFloat32  // PyTorch's default dtype
                                               : dtype_of<float>) {
    if constexpr (std::is_integral_v<T>) {
      integers_ = {static_cast<std::int64_t>(value)};
    }
  }
  NestedNumbers(std::initializer_list<NestedNumbers> list);  // NOLINT(google-explicit-constructor)
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(const std::vector<T>& list)  // NOLINT(google-explicit-constructor)
      : sizes_{static_cast<std::int64_t>(list.size())},
        values_(list.begin(), list.end()),
        dtype_(std::is_integral_v<T> ? (std::is_same_v<T, std::uint8_t> ? kUInt8 : kInt64) : kFloat32) {
    if constexpr (std::is_integral_v<T>) {
      integers_.assign(list.begin(), list.end());
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

/// A tensor of these numbers. Its dtype is that of the options when they name one, else float32 for fractions and int64
/// for integers. Throws Error when inner lists differ in length.
Tensor tensor(NestedNumbers numbers, TensorOptions options = {});
/// Makes `tensor({1.0, 2.0})` a tensor with one dimension.
Tensor tensor(std::initializer_list<NestedNumbers> numbers, TensorOptions options = {});

/// Uninitialized elements.
Tensor empty(IntArrayRef size, TensorOptions options = {});
Tensor zeros(IntArrayRef size, TensorOptions options = {});
Tensor ones(IntArrayRef size, TensorOptions options = {});
/// Its dtype is int64 for an integer, unless the options name one.
Tensor full(IntArrayRef size, Scalar fill_value, TensorOptions options = {});

/// With the sizes of `input`, and its dtype unless the options name one; row-major and off the tape.
Tensor empty_like(const Tensor& input, TensorOptions options = {});
Tensor ones_like(const Tensor& input, TensorOptions options = {});
Tensor zeros_like(const Tensor& input, TensorOptions options);
Tensor full_like(const Tensor& input, Scalar fill_value, TensorOptions options);

/// The numbers start, start + step, ... before `end`; from 0 and by 1 unless said. Integers give int64 unless the
/// options name a dtype. Throws Error for a step that is 0 or leads away from `end`.
Tensor arange(Scalar end, TensorOptions options = {});
Tensor arange(Scalar start, Scalar end, TensorOptions options = {});
Tensor arange(Scalar start, Scalar end, Scalar step, TensorOptions options = {});
/// `steps` numbers at equal distances, `start` and `end` among them.
Tensor linspace(Scalar start, Scalar end, std::int64_t steps, TensorOptions options = {});
/// The matrix with ones on its diagonal, n by n or n by m.
Tensor eye(std::int64_t n, TensorOptions options = {});
Tensor eye(std::int64_t n, std::int64_t m, TensorOptions options = {});

/// A tensor over the caller's memory, row-major unless strides, which count elements, are given. The memory must live
/// as long as any tensor over it; `deleter(data)` runs when the last is gone.
Tensor from_blob(void* data, IntArrayRef sizes, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef sizes, std::function<void(void*)> deleter, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, std::function<void(void*)> deleter,
                 TensorOptions options = {});

}  // namespace backflow

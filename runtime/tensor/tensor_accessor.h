#pragma once

#include <cstddef>
#include <cstdint>

#include <backflow/runtime/tensor/shape.h>

namespace backflow {

/// Elements of a tensor with N dimensions by their indices, for any strides: `a[i][j]` reads and writes. Made by
/// Tensor::accessor, as libtorch's. Owns nothing: the tensor must outlive it. Indices are not checked, and changes are
/// neither recorded nor counted.
template <class T, std::size_t N>
class TensorAccessor {
 public:
  TensorAccessor(T* data, const std::int64_t* sizes, const std::int64_t* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}

  IntArrayRef sizes() const { return {sizes_, N}; }
  IntArrayRef strides() const { return {strides_, N}; }
  std::int64_t size(std::int64_t dim) const { return sizes_[dim]; }
  std::int64_t stride(std::int64_t dim) const { return strides_[dim]; }
  T* data() const { return data_; }
  /// The element; for N > 1 the accessor of the remaining dimensions.
  decltype(auto) operator[](std::int64_t i) const {
    if constexpr (N == 1) {
      return (data_[i * strides_[0]]);
    } else {
      return TensorAccessor<T, N - 1>(data_ + i * strides_[0], sizes_ + 1, strides_ + 1);
    }
  }

 private:
  T* data_;
  const std::int64_t* sizes_;
  const std::int64_t* strides_;
};

}  // namespace backflow

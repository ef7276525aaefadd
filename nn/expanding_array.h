#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <vector>

#include <backflow/runtime/shape.h>

namespace backflow {

/// `kSize` numbers, as an option for each dimension; a single one stands for all. As libtorch's.
template <std::size_t kSize, class T = std::int64_t>
class ExpandingArray {
 public:
  ExpandingArray(T value) { values_.fill(value); }                                            // NOLINT
  ExpandingArray(std::initializer_list<T> values) { assign(values.begin(), values.size()); }  // NOLINT
  ExpandingArray(const std::vector<T>& values) { assign(values.data(), values.size()); }      // NOLINT
  ExpandingArray(const std::array<T, kSize>& values) : values_(values) {}                     // NOLINT

  std::array<T, kSize>& operator*() { return values_; }
  const std::array<T, kSize>& operator*() const { return values_; }
  std::array<T, kSize>* operator->() { return &values_; }
  const std::array<T, kSize>* operator->() const { return &values_; }
  operator IntArrayRef() const { return {values_.data(), kSize}; }  // NOLINT(google-explicit-constructor)
  std::size_t size() const { return kSize; }

 private:
  /// Throws Error for another number of values.
  void assign(const T* values, std::size_t count) {
    check(count == kSize, "options: ", count, " values: need ", kSize, ", or a single one for all");
    std::copy_n(values, kSize, values_.begin());
  }

  std::array<T, kSize> values_;
};

}  // namespace backflow

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

#include <backflow/runtime/base/error.h>

namespace backflow {

/// Most dimensions that a tensor can have. Shapes and strides are held inline: on the heap beyond eight dimensions, as
/// tried, every small operator took 2% to 7% longer, those of few dimensions too.
inline constexpr std::size_t kMaxDims = 16;

class DimVector;

/// A read-only view of a list of sizes, strides or dimensions; owns nothing. Converts from a braced list, a vector, a
/// DimVector and a single number, as libtorch's.
class IntArrayRef {
 public:
  constexpr IntArrayRef() = default;
  constexpr IntArrayRef(const std::int64_t* data, std::size_t size) : data_(data), size_(size) {}
  constexpr IntArrayRef(const std::int64_t& one) : data_(&one), size_(1) {}  // NOLINT(google-explicit-constructor)
  constexpr IntArrayRef(const std::initializer_list<std::int64_t>& list)     // NOLINT(google-explicit-constructor)
      : data_(std::data(list)), size_(list.size()) {}
  IntArrayRef(const std::vector<std::int64_t>& v) : data_(v.data()), size_(v.size()) {}  // NOLINT
  inline IntArrayRef(const DimVector& v);                                                // NOLINT

  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const std::int64_t* data() const { return data_; }
  constexpr const std::int64_t* begin() const { return data_; }
  constexpr const std::int64_t* end() const { return data_ + size_; }
  constexpr std::int64_t operator[](std::size_t i) const { return data_[i]; }
  constexpr std::int64_t front() const { return data_[0]; }
  constexpr std::int64_t back() const { return data_[size_ - 1]; }
  std::vector<std::int64_t> vec() const { return {begin(), end()}; }

  friend bool operator==(IntArrayRef a, IntArrayRef b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }
  /// Prints "[2, 3]".
  friend std::ostream& operator<<(std::ostream& out, IntArrayRef list);

 private:
  const std::int64_t* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A list of at most kMaxDims sizes, strides or dimensions, held inline. More than kMaxDims is an Error.
class DimVector {
 public:
  DimVector() = default;
  DimVector(std::initializer_list<std::int64_t> list) : DimVector(IntArrayRef(list)) {}
  DimVector(IntArrayRef list) {  // NOLINT(google-explicit-constructor)
    check_size(list.size());
    size_ = static_cast<std::uint32_t>(list.size());
    copy_values(list.data());
  }
  DimVector(const DimVector& other) : size_(other.size_) { copy_values(other.data()); }
  DimVector& operator=(const DimVector& other) {
    size_ = other.size_;
    copy_values(other.data());
    return *this;
  }
  DimVector(std::size_t size, std::int64_t value) { resize(size, value); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::int64_t* data() const { return values_.data(); }
  std::int64_t* begin() { return values_.data(); }
  std::int64_t* end() { return values_.data() + size_; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + size_; }
  std::int64_t& operator[](std::size_t i) { return values_[i]; }
  std::int64_t operator[](std::size_t i) const { return values_[i]; }
  std::int64_t& back() { return values_[size_ - 1]; }
  std::int64_t back() const { return values_[size_ - 1]; }

  void resize(std::size_t size, std::int64_t value = 0) {
    check_size(size);
    for (std::size_t i = size_; i < size; ++i) {
      values_[i] = value;
    }
    size_ = static_cast<std::uint32_t>(size);
  }
  void push_back(std::int64_t value) { resize(size_ + 1, value); }
  void pop_back() { --size_; }
  void insert(std::size_t at, std::int64_t value) {
    resize(size_ + 1);
    std::copy_backward(begin() + at, end() - 1, end());
    values_[at] = value;
  }
  void erase(std::size_t at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --size_;
  }

  friend bool operator==(const DimVector& a, const DimVector& b) { return IntArrayRef(a) == IntArrayRef(b); }
  /// Prints "[2, 3]".
  friend std::ostream& operator<<(std::ostream& out, const DimVector& list) { return out << IntArrayRef(list); }

 private:
  static void check_size(std::size_t size) {
    check(size <= kMaxDims, "tensor: ", size, " dimensions: need at most ", kMaxDims);
  }
  /// A loop: a call of memmove costs more than copying these few numbers.
  void copy_values(const std::int64_t* from) {
    std::uint32_t i = 0;
    do {
      if (i >= size_) {
        return;
      }
      values_[i] = from[i];
    } while (++i < 2);
    std::copy(from + i, from + size_, values_.data() + i);
  }

  // Uninitialized past size_: every operation makes a tensor, and most have few dimensions.
  std::uint32_t size_ = 0;
  std::array<std::int64_t, kMaxDims> values_;
};

inline IntArrayRef::IntArrayRef(const DimVector& v) : data_(v.data()), size_(v.size()) {}

/// The number of elements of a tensor with these sizes: their product, 1 for a scalar. Throws Error on overflow or
/// a negative size.
std::int64_t numel_of(IntArrayRef sizes);

/// Row-major strides of these sizes, in elements.
DimVector contiguous_strides(IntArrayRef sizes);

/// True when `strides` are those of row-major storage; the strides of dimensions of size 1 do not matter.
bool strides_are_contiguous(IntArrayRef sizes, IntArrayRef strides);

/// Whether a tensor of shape `from` broadcasts to shape `to`.
bool is_expandable_to(IntArrayRef from, IntArrayRef to);

/// The common shape of two shapes under PyTorch's broadcasting rule. Throws Error, which `where` starts, when they do
/// not broadcast.
DimVector broadcast_shapes(const char* where, IntArrayRef a, IntArrayRef b);

/// `dim` counted from the end when negative. Throws Error when it is not in [-rank, rank); a scalar counts as rank 1.
std::size_t wrap_dim(const char* where, std::int64_t dim, std::size_t rank);

}  // namespace backflow

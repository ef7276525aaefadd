#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

#include <backflow/runtime/error.h>

namespace backflow {

/// Most dimensions that a tensor can have.
inline constexpr std::size_t kMaxDims = 64;

/// Shapes and strides of so many dimensions are held inline: they cost no heap allocation.
inline constexpr std::size_t kInlineDims = 8;

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

/// A list of at most kMaxDims sizes, strides or dimensions; the first kInlineDims are held inline. More than kMaxDims
/// is an Error.
class DimVector {
 public:
  DimVector() = default;
  DimVector(std::initializer_list<std::int64_t> list) : DimVector(IntArrayRef(list)) {}
  DimVector(IntArrayRef list) { assign(list.data(), list.size()); }  // NOLINT(google-explicit-constructor)
  DimVector(const DimVector& other) { assign(other.data(), other.size_); }
  DimVector& operator=(const DimVector& other) {
    if (this != &other) {
      assign(other.data(), other.size_);
    }
    return *this;
  }
  DimVector(std::size_t size, std::int64_t value) { resize(size, value); }
  ~DimVector() {
    if (is_on_heap()) [[unlikely]] {
      delete[] heap_;
    }
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::int64_t* data() const { return is_on_heap() ? heap_ : inline_; }
  std::int64_t* begin() { return is_on_heap() ? heap_ : inline_; }
  std::int64_t* end() { return begin() + size_; }
  const std::int64_t* begin() const { return data(); }
  const std::int64_t* end() const { return data() + size_; }
  std::int64_t& operator[](std::size_t i) { return begin()[i]; }
  std::int64_t operator[](std::size_t i) const { return data()[i]; }
  std::int64_t& back() { return begin()[size_ - 1]; }
  std::int64_t back() const { return data()[size_ - 1]; }

  void resize(std::size_t size, std::int64_t value = 0) {
    if (size > kInlineDims || is_on_heap()) [[unlikely]] {
      resize_on_heap(size, value);
      return;
    }
    for (std::size_t i = size_; i < size; ++i) {
      inline_[i] = value;
    }
    size_ = static_cast<std::uint32_t>(size);
  }
  void push_back(std::int64_t value) { resize(size_ + 1, value); }
  void pop_back() { resize(size_ - 1); }
  void insert(std::size_t at, std::int64_t value) {
    resize(size_ + 1);
    std::copy_backward(begin() + at, end() - 1, end());
    (*this)[at] = value;
  }
  void erase(std::size_t at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    pop_back();
  }

  friend bool operator==(const DimVector& a, const DimVector& b) { return IntArrayRef(a) == IntArrayRef(b); }
  /// Prints "[2, 3]".
  friend std::ostream& operator<<(std::ostream& out, const DimVector& list) { return out << IntArrayRef(list); }

 private:
  bool is_on_heap() const { return size_ > kInlineDims; }

  /// From or to a size that is not inline.
  void resize_on_heap(std::size_t size, std::int64_t value);

  void assign(const std::int64_t* from, std::size_t size) {
    if (size > kInlineDims || is_on_heap()) [[unlikely]] {
      resize_on_heap(size, 0);
      std::copy(from, from + size, begin());
      return;
    }
    size_ = static_cast<std::uint32_t>(size);
    // Without a call of memmove, which costs more than these few numbers.
    std::uint32_t i = 0;
    do {
      if (i >= size_) {
        return;
      }
      inline_[i] = from[i];
    } while (++i < 2);
    std::copy(from + i, from + size_, inline_ + i);
  }

  // Left uninitialized past size_: a tensor is made for each operation, and most have few dimensions.
  std::uint32_t size_ = 0;
  union {
    std::int64_t inline_[kInlineDims];
    std::int64_t* heap_;  // of kMaxDims values, when there are more than kInlineDims
  };
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

/// The shape of an operation on two shapes under PyTorch's broadcasting rule; `where` starts the message of the Error
/// that shapes which do not broadcast are.
DimVector broadcast_shapes(const char* where, IntArrayRef a, IntArrayRef b);

/// `dim` counted from the end when negative. Throws Error when it is not in [-rank, rank); a scalar counts as rank 1.
std::size_t wrap_dim(const char* where, std::int64_t dim, std::size_t rank);

}  // namespace backflow

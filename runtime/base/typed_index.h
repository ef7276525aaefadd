#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace backflow {

/// The number of one of several things of a kind, from 0. Those of different kinds, told apart by `Tag`, do not mix: a
/// node can't be looked up by the number of an edge. Costs what a std::uint32_t costs. None unless one is given.
template <class Tag>
class TypedIndex {
 public:
  constexpr TypedIndex() = default;
  constexpr explicit TypedIndex(std::integral auto value) : value_(static_cast<std::uint32_t>(value)) {}

  constexpr std::uint32_t value() const { return value_; }
  constexpr bool is_valid() const { return value_ != kNone; }

  constexpr TypedIndex& operator++() {
    ++value_;
    return *this;
  }
  /// The one so many places behind.
  friend constexpr TypedIndex operator+(TypedIndex i, std::uint32_t n) { return TypedIndex(i.value_ + n); }
  friend constexpr auto operator<=>(TypedIndex, TypedIndex) = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::uint32_t value_ = kNone;
};

/// The indices from `first` up to, but not including, `end`; for loops.
template <class I>
class IndexRange {
 public:
  class Iterator {
   public:
    constexpr explicit Iterator(I at) : at_(at) {}
    constexpr I operator*() const { return at_; }
    constexpr Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend constexpr bool operator==(Iterator, Iterator) = default;

   private:
    I at_;
  };

  constexpr IndexRange(I first, I end) : first_(first), end_(end) {}
  constexpr Iterator begin() const { return Iterator(first_); }
  constexpr Iterator end() const { return Iterator(end_); }

 private:
  I first_;
  I end_;
};

/// A vector whose elements are looked up by indices of type `I`.
template <class I, class T>
class IndexedVector : private std::vector<T> {
  using Vector = std::vector<T>;

 public:
  using typename Vector::const_iterator;
  using typename Vector::iterator;
  using typename Vector::value_type;

  using Vector::Vector;
  explicit IndexedVector(Vector elements) : Vector(std::move(elements)) {}

  using Vector::assign;
  using Vector::back;
  using Vector::begin;
  using Vector::capacity;
  using Vector::clear;
  using Vector::data;
  using Vector::emplace_back;
  using Vector::empty;
  using Vector::end;
  using Vector::front;
  using Vector::push_back;
  using Vector::reserve;
  using Vector::resize;
  using Vector::shrink_to_fit;
  using Vector::size;

  T& operator[](I i) { return Vector::operator[](i.value()); }
  const T& operator[](I i) const { return Vector::operator[](i.value()); }

  /// The index behind the last one: that of the next element.
  I end_index() const { return I(size()); }
  /// Of all elements, in their order.
  IndexRange<I> indices() const { return {I(0), end_index()}; }
  /// Appends an element, and returns its index.
  I add(T element) {
    push_back(std::move(element));
    return I(size() - 1);
  }

  friend bool operator==(const IndexedVector&, const IndexedVector&) = default;
};

}  // namespace backflow

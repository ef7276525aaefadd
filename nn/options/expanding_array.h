#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tensor/shape.h>

namespace backflow {

/// D numbers, one for each spatial dimension. Converts from one number, which is for all, or from a list of D:
/// `.stride(2)` or `.stride({2, 1})`. Throws Error for a list of another length.
template <std::size_t D, class T = std::int64_t>
class ExpandingArray {
 public:
  ExpandingArray(std::initializer_list<T> list) : ExpandingArray(list.begin(), list.size()) {}  // NOLINT
  ExpandingArray(T one) { values_.fill(one); }                                                  // NOLINT
  ExpandingArray(const std::array<T, D>& values) : values_(values) {}                           // NOLINT
  ExpandingArray(const std::vector<T>& list) : ExpandingArray(list.data(), list.size()) {}      // NOLINT

  std::array<T, D>& operator*() { return values_; }
  const std::array<T, D>& operator*() const { return values_; }
  std::array<T, D>* operator->() { return &values_; }
  const std::array<T, D>* operator->() const { return &values_; }
  operator IntArrayRef() const {  // NOLINT(google-explicit-constructor)
    return {values_.data(), D};
  }
  std::size_t size() const { return D; }

 protected:
  ExpandingArray(const T* list, std::size_t size) {
    check(size == D, "options: a list of ", size, " numbers: need one number, or ", D);
    for (std::size_t i = 0; i < D; ++i) {
      values_[i] = list[i];
    }
  }

  std::array<T, D> values_{};
};

/// The same for optional numbers: `{5, nullopt}`.
template <std::size_t D>
class ExpandingArrayWithOptionalElem {
 public:
  using Element = std::optional<std::int64_t>;

  ExpandingArrayWithOptionalElem(std::int64_t one) { values_.fill(one); }                    // NOLINT
  ExpandingArrayWithOptionalElem(const std::array<Element, D>& values) : values_(values) {}  // NOLINT
  ExpandingArrayWithOptionalElem(std::initializer_list<Element> list) {                      // NOLINT
    check(list.size() == D, "options: a list of ", list.size(), " numbers: need one number, or ", D);
    std::size_t i = 0;
    for (const Element& element : list) {
      values_[i++] = element;
    }
  }

  const std::array<Element, D>& operator*() const { return values_; }
  const std::array<Element, D>* operator->() const { return &values_; }

 private:
  std::array<Element, D> values_{};
};

}  // namespace backflow

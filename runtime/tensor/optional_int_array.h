#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include <backflow/runtime/tensor/shape.h>

namespace backflow {

/// A list of dimensions, or none, as libtorch's at::OptionalIntArrayRef; owns nothing. Not a std::optional: that does
/// not convert from a braced list, and would refer to a temporary copy of a single number.
class OptionalIntArrayRef {
 public:
  constexpr OptionalIntArrayRef() = default;
  constexpr OptionalIntArrayRef(std::nullopt_t) {}                                          // NOLINT
  constexpr OptionalIntArrayRef(IntArrayRef list) : list_(list), has_value_(true) {}        // NOLINT
  constexpr OptionalIntArrayRef(const std::int64_t& one) : list_(one), has_value_(true) {}  // NOLINT
  constexpr OptionalIntArrayRef(const std::initializer_list<std::int64_t>& list)            // NOLINT
      : list_(list), has_value_(true) {}
  OptionalIntArrayRef(const std::vector<std::int64_t>& list) : list_(list), has_value_(true) {}  // NOLINT
  OptionalIntArrayRef(const DimVector& list) : list_(list), has_value_(true) {}                  // NOLINT

  constexpr bool has_value() const { return has_value_; }
  /// The list, or an empty one.
  constexpr IntArrayRef value() const { return list_; }

 private:
  IntArrayRef list_;
  bool has_value_ = false;
};

}  // namespace backflow

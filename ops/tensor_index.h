#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include <backflow/runtime/tensor.h>

/// What Tensor::index and Tensor::index_put_ take, as libtorch's at::indexing:
///
///   using namespace backflow::indexing;
///   x.index({Slice(1, None), "...", 0});       // a view, as x[1:, ..., 0] in Python
///   x.index({rows, None, mask});               // a copy: rows is an int64 tensor, mask a bool one
///   x.index_put_({x < 0}, 0);                  // x[x < 0] = 0
namespace backflow::indexing {

/// A new dimension of size 1, and in a Slice an end that is left open.
inline constexpr std::nullopt_t None = std::nullopt;  // NOLINT(readability-identifier-naming): libtorch's name

struct EllipsisIndexType {};
/// All dimensions that other indices leave; "..." means the same.
inline constexpr EllipsisIndexType Ellipsis;  // NOLINT(readability-identifier-naming)

/// Every step-th index from start up to stop, which is left out. As in Python, negative ones count from the end.
class Slice {
 public:
  explicit Slice(std::optional<std::int64_t> start = std::nullopt, std::optional<std::int64_t> stop = std::nullopt,
                 std::optional<std::int64_t> step = std::nullopt)
      : start_(start), stop_(stop), step_(step.value_or(1)) {}
  std::optional<std::int64_t> start() const { return start_; }
  std::optional<std::int64_t> stop() const { return stop_; }
  std::int64_t step() const { return step_; }

 private:
  std::optional<std::int64_t> start_;
  std::optional<std::int64_t> stop_;
  std::int64_t step_;
};

/// One of a list of indices: an integer or a slice of a dimension, None, Ellipsis, a truth value, or a tensor. One of
/// int64 or int32 chooses along a dimension; a bool or uint8 mask along as many as it has.
class TensorIndex {
 public:
  using Value = std::variant<std::nullopt_t, EllipsisIndexType, std::int64_t, bool, Slice, Tensor>;

  TensorIndex(std::nullopt_t) : value_(std::nullopt) {}          // NOLINT(google-explicit-constructor)
  TensorIndex(EllipsisIndexType ellipsis) : value_(ellipsis) {}  // NOLINT(google-explicit-constructor)
  TensorIndex(const char* text) : value_(EllipsisIndexType()) {  // NOLINT(google-explicit-constructor)
    check(std::string_view(text) == "...", "index: \"", text, "\": need \"...\", or no text");
  }
  template <std::integral T>
  TensorIndex(T integer) : value_(std::int64_t{}) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::same_as<T, bool>) {
      value_ = integer;
    } else {
      value_ = static_cast<std::int64_t>(integer);
    }
  }
  TensorIndex(Slice slice) : value_(slice) {}                // NOLINT(google-explicit-constructor)
  TensorIndex(Tensor tensor) : value_(std::move(tensor)) {}  // NOLINT(google-explicit-constructor)

  const Value& value() const { return value_; }
  bool is_none() const { return std::holds_alternative<std::nullopt_t>(value_); }
  bool is_ellipsis() const { return std::holds_alternative<EllipsisIndexType>(value_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_boolean() const { return std::holds_alternative<bool>(value_); }
  bool is_slice() const { return std::holds_alternative<Slice>(value_); }
  bool is_tensor() const { return std::holds_alternative<Tensor>(value_); }

 private:
  Value value_;
};

}  // namespace backflow::indexing

#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <backflow/runtime/tensor/tensor.h>

/// The indices of Tensor::index and Tensor::index_put_, as libtorch's at::indexing:
///
///   using namespace backflow::indexing;
///   x.index({Slice(1, None), "...", 0});       // a view, as x[1:, ..., 0] in Python
///   x.index({rows, None, mask});               // a copy: rows is an int64 tensor, mask a bool one
///   x.index_put_({x < 0}, 0);                  // x[x < 0] = 0
///
/// An index of all elements, as "..." or an empty list, gives a new view. Values that are written broadcast to the
/// indexed elements; their leading dimensions of size 1 are ignored.
namespace backflow::indexing {

/// As an index, a new dimension of size 1. In a Slice, an open end.
inline constexpr std::nullopt_t None = std::nullopt;  // NOLINT(readability-identifier-naming): libtorch's name

struct EllipsisIndexType {};
/// All dimensions that no other index is for; "..." means the same.
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

/// One of a list of indices: an integer or a slice of a dimension, None, Ellipsis, a bool, or a tensor. An int64 or
/// int32 tensor indexes one dimension; a bool or uint8 mask indexes as many dimensions as it has.
class TensorIndex {
 public:
  TensorIndex(std::nullopt_t) : kind_(Kind::NewDimension) {}  // NOLINT(google-explicit-constructor)
  TensorIndex(EllipsisIndexType) : kind_(Kind::Rest) {}       // NOLINT(google-explicit-constructor)
  TensorIndex(const char* text) : kind_(Kind::Rest) {         // NOLINT(google-explicit-constructor)
    check(std::string_view(text) == "...", "index: \"", text, "\": need \"...\", or no text");
  }
  template <std::integral T>
  TensorIndex(T integer)  // NOLINT(google-explicit-constructor)
      : kind_(std::same_as<T, bool> ? Kind::Boolean : Kind::Integer), integer_(static_cast<std::int64_t>(integer)) {}
  TensorIndex(Slice slice) : kind_(Kind::Range), slice_(slice) {}  // NOLINT(google-explicit-constructor)
  TensorIndex(Tensor tensor) : kind_(Kind::Elements), tensor_(std::move(tensor)) {}  // NOLINT(google-explicit-*)

  bool is_none() const { return kind_ == Kind::NewDimension; }
  bool is_ellipsis() const { return kind_ == Kind::Rest; }
  bool is_integer() const { return kind_ == Kind::Integer; }
  bool is_boolean() const { return kind_ == Kind::Boolean; }
  bool is_slice() const { return kind_ == Kind::Range; }
  bool is_tensor() const { return kind_ == Kind::Elements; }

  // What it holds, for an index of that kind.
  std::int64_t integer() const { return integer_; }
  bool boolean() const { return integer_ != 0; }
  const Slice& slice() const { return slice_; }
  const Tensor& tensor() const { return tensor_; }

 private:
  enum class Kind : std::uint8_t { NewDimension, Rest, Integer, Boolean, Range, Elements };

  Kind kind_;
  std::int64_t integer_ = 0;
  Slice slice_;
  Tensor tensor_;
};

}  // namespace backflow::indexing

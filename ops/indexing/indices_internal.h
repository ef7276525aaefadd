#pragma once

// What operators with index tensors have in common.

#include <array>
#include <cstdint>
#include <string_view>

#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/indexing/indexed.h>
#include <backflow/ops/operator.h>

namespace backflow::detail {

/// The tensor, or a view with one dimension of one without.
inline Tensor at_least_1d(const Tensor& x) { return x.dim() > 0 ? x : view_of(x, 1, 1, x.storage_offset()); }

/// A row-major copy off the tape.
inline Tensor row_major_copy(const Tensor& x) {
  Tensor y = empty_tensor_like(x, x.scalar_type());
  kernels::copy(y, x);
  return y;
}

/// The index as int64; int32 is taken too. Any other dtype is an Error.
inline Tensor as_int64(const char* where, const Tensor& index) {
  if (index.scalar_type() == kInt64) {
    return index;
  }
  check(index.scalar_type() == kInt32, where, ": index ", describe(index), ": need dtype i64");
  Tensor converted = empty_tensor_like(index, kInt64);
  kernels::copy(converted, index);
  return converted;
}

/// An index of one dimension, or of none for one number, along a dimension of another shape: with stride 0 along all
/// others.
inline Tensor spread_index(const char* where, const Tensor& index, std::size_t dim, IntArrayRef sizes) {
  check(index.dim() <= 1, where, ": index ", describe(index), ": need at most one dimension");
  const Tensor line = at_least_1d(as_int64(where, index));
  DimVector strides(sizes.size(), 0);
  strides[dim] = line.strides()[0];
  return view_of(line, sizes, strides, line.storage_offset());
}

/// `y`, which is off the tape, with x added to the elements that an index chooses; sums of bfloat16 are rounded once.
inline void scatter_into(const char* where, const Tensor& y, std::size_t dim, const Tensor& index, const Tensor& x,
                         kernels::Combine combine) {
  if (combine == kernels::Combine::Replace || y.scalar_type() != kBFloat16) {
    kernels::scatter(kernels::lines_of(where, y, dim, index.sizes()), index, x, combine);
    return;
  }
  const Tensor sum = empty_tensor_like(y, kFloat32);
  const Tensor terms = empty_tensor_like(x, kFloat32);
  kernels::copy(sum, y);
  kernels::copy(terms, x);
  kernels::scatter(kernels::lines_of(where, sum, dim, index.sizes()), index, terms, combine);
  kernels::copy(y, sum);
}

/// The name of the in-place form, which starts its errors.
template <class Op>
inline constexpr auto inplace_name = [] {
  constexpr std::string_view kName = function_name(Op::info.inplace);
  std::array<char, kName.size() + 1> text{};
  kName.copy(text.data(), kName.size());
  return text;
}();

/// An operator that changes elements at an index along a dimension: those of a copy of x, or in place. `Op` does it by
/// `write(where, y, dim, index, args...)`, where args are the values.
template <class Op>
struct WritesAtIndex {
  template <class... Args>
  static Tensor forward(const Tensor& x, std::int64_t dim, const Tensor& index, const Args&... args) {
    Tensor y = row_major_copy(x);
    Op::write(Op::info.name, y, dim, index, args...);
    return y;
  }
  template <class... Args>
  static bool forward_into(const Tensor& y, const Tensor&, std::int64_t dim, const Tensor& index, const Args&... args) {
    if (y.is_alias_of(index) || (shares_memory(y, args) || ...)) {
      return false;
    }
    Op::write(inplace_name<Op>.data(), y, dim, index, args...);
    return true;
  }
};

}  // namespace backflow::detail

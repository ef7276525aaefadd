#pragma once

// Reads the elements of a reduction's operand as the numbers that it computes with.

#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/reductions/fetch_loops.h>
#include <backflow/ops/kernels/reductions/reduce.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::kernels::detail {

inline constexpr std::int64_t kFetch = 1024;  // elements that are converted at a time

/// Elements of any dtype and stride, as numbers of type A.
template <class A>
class Source {
 public:
  /// Dense numbers, as they are.
  explicit Source(const A* data) : data_(data), fetch_(fetch_loop<A>(dtype_of<A>, Map::None)), is_plain_(true) {}
  /// The elements of x, each changed by `map`.
  Source(const Tensor& x, Map map, double power)
      : data_(x.const_data_ptr()), fetch_(fetch_loop<A>(x.scalar_type(), map)), power_(power) {
    const bool is_truth = x.scalar_type() == kBool && std::is_same_v<A, std::uint8_t>;
    is_plain_ =
        (x.scalar_type() == dtype_of<A> && map == Map::None) || (is_truth && (map == Map::None || map == Map::NonZero));
  }

  /// Whether contiguous elements can be read where they are.
  bool is_plain() const { return is_plain_; }
  const A* plain(std::int64_t offset) const { return static_cast<const A*>(data_) + offset; }
  /// n <= kFetch elements, `stride` apart, where they are or in `block`.
  const A* read(std::int64_t offset, std::int64_t stride, std::int64_t n, A* block) const {
    if (is_plain_ && stride == 1) {
      return plain(offset);
    }
    fetch_(data_, offset, stride, n, power_, block);
    return block;
  }

 private:
  const void* data_;
  Fetch<A> fetch_;
  double power_ = 0;
  bool is_plain_ = false;
};

}  // namespace backflow::kernels::detail

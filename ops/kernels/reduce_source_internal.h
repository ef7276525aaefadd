#pragma once

// Reads the elements of a reduction's operand as the numbers that it computes with.

#include <cmath>
#include <cstdint>
#include <type_traits>

#include <backflow/ops/kernels/reduce.h>
#include <backflow/runtime/tensor.h>

namespace backflow::kernels::detail {

inline constexpr std::int64_t kFetch = 1024;  // elements that are converted at a time

/// Elements of any dtype and stride, as numbers of type A.
template <class A>
class Source {
 public:
  /// Dense numbers, as they are.
  explicit Source(const A* data) : data_(data), fetch_(fetch<A, Map::None>), is_plain_(true) {}
  /// The elements of x, each changed by `map`.
  Source(const Tensor& x, Map map, double power) : data_(x.data_ptr()), power_(power) {
    dispatch(x.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      is_plain_ = map == Map::None && (std::is_same_v<T, A> || (std::is_same_v<T, bool> && sizeof(A) == 1));
      fetch_ = fetch_of<T>(map);
    });
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
  using Fetch = void (*)(const void*, std::int64_t, std::int64_t, std::int64_t, double, A*);

  template <class T, Map kMap>
  static A mapped(T x, [[maybe_unused]] double power) {
    if constexpr (kMap == Map::NonZero) {
      return static_cast<A>(static_cast<ComputeType<T>>(x) != ComputeType<T>{0});
    } else if constexpr (!std::is_floating_point_v<A>) {
      return static_cast<A>(x);
    } else {
      const A v = static_cast<A>(static_cast<ComputeType<T>>(x));
      switch (kMap) {
        case Map::Abs:
          return std::abs(v);
        case Map::Square:
          return v * v;
        case Map::AbsPower:
          return std::pow(std::abs(v), static_cast<A>(power));
        default:
          return v;
      }
    }
  }
  template <class T, Map kMap>
  static void fetch(const void* data, std::int64_t offset, std::int64_t stride, std::int64_t n, double power,
                    A* block) {
    const T* x = static_cast<const T*>(data) + offset;
    if (stride == 1) {
      for (std::int64_t i = 0; i < n; ++i) {
        block[i] = mapped<T, kMap>(x[i], power);
      }
    } else {
      for (std::int64_t i = 0; i < n; ++i) {
        block[i] = mapped<T, kMap>(x[i * stride], power);
      }
    }
  }
  template <class T>
  static Fetch fetch_of(Map map) {
    constexpr Fetch kFetches[] = {fetch<T, Map::None>, fetch<T, Map::NonZero>, fetch<T, Map::Abs>,
                                  fetch<T, Map::Square>, fetch<T, Map::AbsPower>};
    return kFetches[static_cast<int>(map)];
  }

  const void* data_;
  Fetch fetch_ = nullptr;
  double power_ = 0;
  bool is_plain_ = false;
};

}  // namespace backflow::kernels::detail

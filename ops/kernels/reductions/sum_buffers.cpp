#include <backflow/ops/kernels/reductions/sum_buffers.h>

#include <cstring>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tensor/bfloat16.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reductions/sum_buffers.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Buffers = std::span<std::byte* const>;

template <class T>
T* at(std::byte* buffer, std::int64_t i) {
  return reinterpret_cast<T*>(buffer) + i;
}

template <class T>
void sum_tail(Buffers x, Buffers y, std::int64_t i, std::int64_t n) {
  for (; i < n; ++i) {
    T sum = *at<T>(x[0], i);
    for (std::size_t k = 1; k < x.size(); ++k) {
      sum = static_cast<T>(sum + *at<T>(x[k], i));
    }
    for (std::byte* to : y) {
      *at<T>(to, i) = sum;
    }
  }
}

/// Two buffers that both get the sum: what two ranks do, with all pointers in registers.
template <class T>
void sum_pair(T* a, T* b, std::int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto s0 = hn::Add(hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    const auto s1 = hn::Add(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
    hn::StoreU(s0, d, a + i);
    hn::StoreU(s1, d, a + i + lanes);
    hn::StoreU(s0, d, b + i);
    hn::StoreU(s1, d, b + i + lanes);
  }
  for (; i < n; ++i) {
    a[i] = b[i] = static_cast<T>(a[i] + b[i]);
  }
}

/// A line of 64 bytes of every buffer at a time, its sum in registers.
template <class T>
void sum_all(Buffers x, Buffers y, std::int64_t n) {
  const hn::CappedTag<T, 16 / sizeof(T) * 4> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t kLine = 64 / sizeof(T);
  std::int64_t i = 0;
  for (; i + kLine <= n; i += kLine) {
    for (std::int64_t j = i; j < i + kLine; j += lanes) {
      auto sum = hn::LoadU(d, at<T>(x[0], j));
      for (std::size_t k = 1; k < x.size(); ++k) {
        sum = hn::Add(sum, hn::LoadU(d, at<T>(x[k], j)));
      }
      for (std::byte* to : y) {
        hn::StoreU(sum, d, at<T>(to, j));
      }
    }
  }
  sum_tail<T>(x, y, i, n);
}

/// Plain loops over pieces whose sums, 4 KiB, stay in the first cache; the compiler makes vectors of them.
void sum_bf16(Buffers x, Buffers y, std::int64_t n) {
  constexpr std::int64_t kPiece = 1024;
  float sums[kPiece];
  for (std::int64_t begin = 0; begin < n; begin += kPiece) {
    const std::int64_t piece = n - begin < kPiece ? n - begin : kPiece;
    const BFloat16* first = at<BFloat16>(x[0], begin);
    for (std::int64_t i = 0; i < piece; ++i) {
      sums[i] = static_cast<float>(first[i]);
    }
    for (std::size_t k = 1; k < x.size(); ++k) {
      const BFloat16* from = at<BFloat16>(x[k], begin);
      for (std::int64_t i = 0; i < piece; ++i) {
        sums[i] += static_cast<float>(from[i]);
      }
    }
    for (std::byte* buffer : y) {
      BFloat16* to = at<BFloat16>(buffer, begin);
      for (std::int64_t i = 0; i < piece; ++i) {
        to[i] = BFloat16(sums[i]);
      }
    }
  }
}

template <class T>
void sum_of(Buffers x, Buffers y, std::int64_t n) {
  const bool is_pair = x.size() == 2 && y.size() == 2 && x[0] == y[0] && x[1] == y[1];
  is_pair ? sum_pair(at<T>(x[0], 0), at<T>(x[1], 0), n) : sum_all<T>(x, y, n);
}

void sum_u8(Buffers x, Buffers y, std::int64_t n) { sum_of<std::uint8_t>(x, y, n); }
void sum_i32(Buffers x, Buffers y, std::int64_t n) { sum_of<std::int32_t>(x, y, n); }
void sum_i64(Buffers x, Buffers y, std::int64_t n) { sum_of<std::int64_t>(x, y, n); }
void sum_f32(Buffers x, Buffers y, std::int64_t n) { sum_of<float>(x, y, n); }
void sum_f64(Buffers x, Buffers y, std::int64_t n) { sum_of<double>(x, y, n); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(sum_u8);
HWY_EXPORT(sum_i32);
HWY_EXPORT(sum_i64);
HWY_EXPORT(sum_bf16);
HWY_EXPORT(sum_f32);
HWY_EXPORT(sum_f64);

bool can_sum(ScalarType dtype) {
  switch (dtype) {
    case kUInt8:
    case kInt32:
    case kInt64:
    case kBFloat16:
    case kFloat32:
    case kFloat64:
      return true;
    default:
      return false;
  }
}

void sum_buffers(ScalarType dtype, std::span<std::byte* const> x, std::span<std::byte* const> y, std::int64_t n) {
  switch (dtype) {
    case kUInt8:
      return HWY_DYNAMIC_DISPATCH(sum_u8)(x, y, n);
    case kInt32:
      return HWY_DYNAMIC_DISPATCH(sum_i32)(x, y, n);
    case kInt64:
      return HWY_DYNAMIC_DISPATCH(sum_i64)(x, y, n);
    case kBFloat16:
      return HWY_DYNAMIC_DISPATCH(sum_bf16)(x, y, n);
    case kFloat32:
      return HWY_DYNAMIC_DISPATCH(sum_f32)(x, y, n);
    case kFloat64:
      return HWY_DYNAMIC_DISPATCH(sum_f64)(x, y, n);
    default:
      fail("sum_buffers: dtype ", short_name(dtype), ": need one that can_sum()");
  }
}

}  // namespace backflow::kernels
#endif

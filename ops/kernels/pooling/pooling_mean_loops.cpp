#include <backflow/ops/kernels/pooling/pooling_loops.h>

#include <cstddef>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/pooling/pooling_mean_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/pooling/pooling_windows.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Sums of what is added in turn to one of eight of them, together.
template <class T>
HWY_INLINE T total_of(const T* s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

template <class T>
HWY_INLINE T mean_of_row(const T* x, std::size_t n) {
  const RowTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  alignas(64) T sums[8] = {};
  std::size_t i = 0;
  if (lanes == 8) {
    auto total = hn::Zero(d);
    for (; i + 8 <= n; i += 8) {
      total = hn::Add(total, hn::LoadU(d, x + i));
    }
    hn::Store(total, d, sums);
  } else {
    for (; i + 8 <= n; i += 8) {
      for (std::size_t j = 0; j < 8; j += lanes) {
        hn::Store(hn::Add(hn::Load(d, sums + j), hn::LoadU(d, x + i + j)), d, sums + j);
      }
    }
  }
  for (; i < n; ++i) {
    sums[i % 8] += x[i];
  }
  return total_of(sums) / static_cast<T>(n);
}

template <class T>
void mean(const T* x, std::size_t n, std::size_t block, T* y, std::size_t lanes) {
  if (block == 1) {
    *y = mean_of_row(x, n);
    return;
  }
  const hn::ScalableTag<T> d;
  for_each_vector(d, lanes, [&](std::size_t c, const auto& load, const auto& store, std::size_t) POOL_INLINE {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    const T* from = x + c;
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8, from += 8 * block) {
      s0 = hn::Add(s0, load(from));
      s1 = hn::Add(s1, load(from + block));
      s2 = hn::Add(s2, load(from + 2 * block));
      s3 = hn::Add(s3, load(from + 3 * block));
      s4 = hn::Add(s4, load(from + 4 * block));
      s5 = hn::Add(s5, load(from + 5 * block));
      s6 = hn::Add(s6, load(from + 6 * block));
      s7 = hn::Add(s7, load(from + 7 * block));
    }
    const auto next = [&](auto& sum) {
      if (i < n) {
        sum = hn::Add(sum, load(from));
        from += block;
        ++i;
      }
    };
    next(s0), next(s1), next(s2), next(s3), next(s4), next(s5), next(s6);
    const auto even = hn::Add(hn::Add(s0, s4), hn::Add(s2, s6));
    const auto odd = hn::Add(hn::Add(s1, s5), hn::Add(s3, s7));
    store(hn::Div(hn::Add(even, odd), hn::Set(d, static_cast<T>(n))), y + c);
  });
}

const MeanLoops<float>* float_mean_loops() {
  static constexpr MeanLoops<float> kLoops = {mean<float>};
  return &kLoops;
}
const MeanLoops<double>* double_mean_loops() {
  static constexpr MeanLoops<double> kLoops = {mean<double>};
  return &kLoops;
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_mean_loops);
HWY_EXPORT(double_mean_loops);

template <>
const MeanLoops<float>& mean_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(float_mean_loops)();
}
template <>
const MeanLoops<double>& mean_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(double_mean_loops)();
}

}  // namespace backflow::kernels
#endif

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include <backflow/ops/kernels/reduce_loops.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reduce_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/vector_math_internal.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The sum of at most kBlock elements, with four independent accumulators.
template <class T>
T sum_block(const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d);
  auto s1 = s0;
  auto s2 = s0;
  auto s3 = s0;
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
  }
  if (i < n) {
    s1 = hn::Add(s1, load_part(d, x + i, n - i));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

/// Pairwise over blocks, so that the rounding error grows with log(n) (Higham, The accuracy of floating point
/// summation, 1993).
template <class T>
T sum(const T* x, std::size_t n) {
  constexpr std::size_t kBlock = 1024;
  if (n <= kBlock) {
    return sum_block(x, n);
  }
  const std::size_t half = (n / kBlock + 1) / 2 * kBlock;
  return sum(x, half) + sum(x + half, n - half);
}

template <class T>
void add_row(const T* x, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::LoadU(d, x + i)), d, y + i);
  }
  for (; i < n; ++i) {
    y[i] += x[i];
  }
}

/// y = x - number
template <class T>
void subtract(const T* x, T number, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, number)), d, y + i);
  }
  for (; i < n; ++i) {
    y[i] = x[i] - number;
  }
}

template <class T>
void log_softmax(const T* x, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  T largest = x[0];
  for (std::size_t i = 1; i < n; ++i) {
    largest = x[i] > largest || std::isnan(x[i]) ? x[i] : largest;
  }
  if (std::isinf(largest) && largest < 0) {
    largest = 0;  // a row of -inf: exp gives zeros, and log(0) - inf is NaN, as in PyTorch
  }
  subtract(x, largest, y, n);
  const std::size_t lanes = hn::Lanes(d);
  auto total = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    total = hn::Add(total, exp_of(d, hn::LoadU(d, y + i)));
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < n; ++i) {
    sum += std::exp(y[i]);
  }
  const T log_sum = std::log(sum);
  subtract(y, log_sum, y, n);
}

const ReduceLoops<float>* float_loops() {
  static constexpr ReduceLoops<float> kLoops = {sum<float>, add_row<float>, log_softmax<float>};
  return &kLoops;
}

const ReduceLoops<double>* double_loops() {
  static constexpr ReduceLoops<double> kLoops = {sum<double>, add_row<double>, log_softmax<double>};
  return &kLoops;
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_loops);
HWY_EXPORT(double_loops);

template <>
const ReduceLoops<float>& reduce_loops<float>() {
  static const ReduceLoops<float>& loops = *HWY_DYNAMIC_DISPATCH(float_loops)();
  return loops;
}

template <>
const ReduceLoops<double>& reduce_loops<double>() {
  static const ReduceLoops<double>& loops = *HWY_DYNAMIC_DISPATCH(double_loops)();
  return loops;
}

}  // namespace backflow::kernels
#endif

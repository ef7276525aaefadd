// Loops for maxima with their indices: plain ones, which the compiler turns into vectors for each instruction set.
#include <backflow/ops/kernels/reductions/extreme_loops.h>

#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reductions/extreme_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <class T>
std::size_t find(const T* x, std::size_t n, T value) {
  constexpr std::size_t kBlock = 64;
  const auto is_it = [value](T v) { return (v == value) | ((v != v) & (value != value)); };
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    unsigned found = 0;
    for (std::size_t k = 0; k < kBlock; ++k) {
      found |= static_cast<unsigned>(is_it(x[i + k]));
    }
    if (found != 0) {
      break;
    }
  }
  while (i < n && !is_it(x[i])) {
    ++i;
  }
  return i;
}

template <bool kLargest, class T>
void update(const T* HWY_RESTRICT x, std::int64_t row, T* HWY_RESTRICT values, std::int64_t* HWY_RESTRICT indices,
            std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    const T v = x[j];
    const T best = values[j];
    const bool beyond = (kLargest ? v > best : v < best) | ((v != v) & (best == best));
    values[j] = beyond ? v : best;
    indices[j] = beyond ? row : indices[j];
  }
}

template <class T>
const ExtremeLoops<T>* loops_of() {
  static constexpr ExtremeLoops<T> kLoops = {find<T>, update<true, T>, update<false, T>};
  return &kLoops;
}

const ExtremeLoops<std::uint8_t>* u8_extremes() { return loops_of<std::uint8_t>(); }
const ExtremeLoops<std::int32_t>* i32_extremes() { return loops_of<std::int32_t>(); }
const ExtremeLoops<std::int64_t>* i64_extremes() { return loops_of<std::int64_t>(); }
const ExtremeLoops<float>* f32_extremes() { return loops_of<float>(); }
const ExtremeLoops<double>* f64_extremes() { return loops_of<double>(); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(u8_extremes);
HWY_EXPORT(i32_extremes);
HWY_EXPORT(i64_extremes);
HWY_EXPORT(f32_extremes);
HWY_EXPORT(f64_extremes);

template <>
const ExtremeLoops<std::uint8_t>& extreme_loops<std::uint8_t>() {
  return *HWY_DYNAMIC_DISPATCH(u8_extremes)();
}
template <>
const ExtremeLoops<std::int32_t>& extreme_loops<std::int32_t>() {
  return *HWY_DYNAMIC_DISPATCH(i32_extremes)();
}
template <>
const ExtremeLoops<std::int64_t>& extreme_loops<std::int64_t>() {
  return *HWY_DYNAMIC_DISPATCH(i64_extremes)();
}
template <>
const ExtremeLoops<float>& extreme_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(f32_extremes)();
}
template <>
const ExtremeLoops<double>& extreme_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(f64_extremes)();
}

}  // namespace backflow::kernels
#endif

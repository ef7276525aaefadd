// Loops of running sums and products: plain ones, which the compiler turns into vectors for each instruction set.
#include <backflow/ops/kernels/reductions/scan_loops.h>

#include <algorithm>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reductions/scan_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {

template <Scan kF, class A>
HWY_INLINE A apply(A a, A x) {
  return kF == Scan::Sum ? a + x : a * x;
}

/// Four lines side by side, since each step of a line waits for the one before.
template <Scan kF, class T>
void lines(const T* const* x, T* const* y, const ScanType<T>* start, std::size_t n, std::ptrdiff_t step) {
  using A = ScanType<T>;
  A a0 = start[0];
  A a1 = start[1];
  A a2 = start[2];
  A a3 = start[3];
  std::ptrdiff_t at = 0;
  for (std::size_t i = 0; i < n; ++i, at += step) {
    a0 = apply<kF>(a0, static_cast<A>(x[0][at]));
    a1 = apply<kF>(a1, static_cast<A>(x[1][at]));
    a2 = apply<kF>(a2, static_cast<A>(x[2][at]));
    a3 = apply<kF>(a3, static_cast<A>(x[3][at]));
    y[0][at] = static_cast<T>(a0);
    y[1][at] = static_cast<T>(a1);
    y[2][at] = static_cast<T>(a2);
    y[3][at] = static_cast<T>(a3);
  }
}

template <Scan kF, class T>
ScanType<T> total(const T* x, std::size_t n) {
  using A = ScanType<T>;
  constexpr std::size_t kLanes = 16;  // whatever the width of a vector: the bits do not depend on the instruction set
  A lanes[kLanes];
  for (A& lane : lanes) {
    lane = static_cast<A>(kF == Scan::Prod);
  }
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      lanes[k] = apply<kF>(lanes[k], static_cast<A>(x[i + k]));
    }
  }
  for (std::size_t k = 0; i < n; ++i, ++k) {
    lanes[k] = apply<kF>(lanes[k], static_cast<A>(x[i]));
  }
  A result = lanes[0];
  for (std::size_t k = 1; k < kLanes; ++k) {
    result = apply<kF>(result, lanes[k]);
  }
  return result;
}

template <Scan kF, class T>
HWY_INLINE void row(const T* HWY_RESTRICT x, ScanType<T>* HWY_RESTRICT running, T* HWY_RESTRICT y, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    running[j] = apply<kF>(running[j], static_cast<ScanType<T>>(x[j]));
    y[j] = static_cast<T>(running[j]);
  }
}

template <Scan kF, class T>
void rows(const T* x, ScanType<T>* running, T* y, std::size_t count, std::ptrdiff_t step, std::size_t n) {
  constexpr std::size_t kFew = 16;  // columns whose running values stay in registers: what many threads get
  if (n == kFew) {
    ScanType<T> few[kFew];
    std::copy_n(running, kFew, few);
    for (std::size_t i = 0; i < count; ++i, x += step, y += step) {
      row<kF>(x, few, y, kFew);
    }
    std::copy_n(few, kFew, running);
    return;
  }
  for (std::size_t i = 0; i < count; ++i, x += step, y += step) {
    row<kF>(x, running, y, n);
  }
}

template <class T>
const ScanLoops<T>* loops_of(Scan f) {
  static constexpr ScanLoops<T> kSum = {lines<Scan::Sum, T>, total<Scan::Sum, T>, rows<Scan::Sum, T>};
  static constexpr ScanLoops<T> kProd = {lines<Scan::Prod, T>, total<Scan::Prod, T>, rows<Scan::Prod, T>};
  return f == Scan::Sum ? &kSum : &kProd;
}

const ScanLoops<std::int64_t>* i64_scans(Scan f) { return loops_of<std::int64_t>(f); }
const ScanLoops<float>* f32_scans(Scan f) { return loops_of<float>(f); }
const ScanLoops<double>* f64_scans(Scan f) { return loops_of<double>(f); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(i64_scans);
HWY_EXPORT(f32_scans);
HWY_EXPORT(f64_scans);

template <>
const ScanLoops<std::int64_t>& scan_loops<std::int64_t>(Scan f) {
  return *HWY_DYNAMIC_DISPATCH(i64_scans)(f);
}
template <>
const ScanLoops<float>& scan_loops<float>(Scan f) {
  return *HWY_DYNAMIC_DISPATCH(f32_scans)(f);
}
template <>
const ScanLoops<double>& scan_loops<double>(Scan f) {
  return *HWY_DYNAMIC_DISPATCH(f64_scans)(f);
}

}  // namespace backflow::kernels
#endif

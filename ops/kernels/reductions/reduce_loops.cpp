#include <backflow/ops/kernels/reductions/reduce_loops.h>

#include <array>
#include <cstddef>
#include <limits>
#include <type_traits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/reductions/reduce_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <Fold kF, class T>
constexpr T identity_of() {
  using Limits = std::numeric_limits<T>;
  switch (kF) {
    case Fold::Sum:
      return T{0};
    case Fold::Prod:
      return T{1};
    case Fold::Max:
      return Limits::has_infinity ? static_cast<T>(-Limits::infinity()) : Limits::lowest();
    default:
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
}

/// Once `a` is NaN it stays so; a NaN in `x` is taken over.
template <Fold kF, class D, class V>
HWY_INLINE V apply(D, V a, V x) {
  if constexpr (kF == Fold::Sum) {
    return hn::Add(a, x);
  } else if constexpr (kF == Fold::Prod) {
    return hn::Mul(a, x);
  } else if constexpr (!std::is_floating_point_v<hn::TFromD<D>>) {
    return kF == Fold::Max ? hn::Max(a, x) : hn::Min(a, x);
  } else {
    const auto beyond = kF == Fold::Max ? hn::Gt(x, a) : hn::Lt(x, a);
    return hn::IfThenElse(hn::Or(beyond, hn::IsNaN(x)), x, a);
  }
}

/// The fold of all lanes.
template <Fold kF, class D, class V, class T = hn::TFromD<D>>
HWY_INLINE T across(D d, V v) {
  if constexpr (kF == Fold::Sum) {
    return hn::GetLane(hn::SumOfLanes(d, v));
  } else if constexpr (kF != Fold::Prod && std::is_floating_point_v<T>) {
    if (!hn::AllFalse(d, hn::IsNaN(v))) {
      return std::numeric_limits<T>::quiet_NaN();
    }
    return hn::GetLane(kF == Fold::Max ? hn::MaxOfLanes(d, v) : hn::MinOfLanes(d, v));
  } else {
    alignas(64) T lanes[hn::MaxLanes(d)];
    hn::Store(v, d, lanes);
    const hn::CappedTag<T, 1> one;
    auto result = hn::Load(one, lanes);
    for (std::size_t i = 1; i < hn::Lanes(d); ++i) {
      result = apply<kF>(one, result, hn::LoadU(one, lanes + i));
    }
    return hn::GetLane(result);
  }
}

template <Fold kF, class T>
HWY_INLINE T combine(T a, T x) {
  const hn::CappedTag<T, 1> one;
  return hn::GetLane(apply<kF>(one, hn::Set(one, a), hn::Set(one, x)));
}

/// The fold of at most kBlock elements, with four independent accumulators: a single one would wait for each addition.
template <Fold kF, class T>
HWY_INLINE T fold_block(const T* x, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto neutral = hn::Set(d, identity_of<kF, T>());
  auto a0 = neutral;
  auto a1 = neutral;
  auto a2 = neutral;
  auto a3 = neutral;
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    a0 = apply<kF>(d, a0, hn::LoadU(d, x + i));
    a1 = apply<kF>(d, a1, hn::LoadU(d, x + i + lanes));
    a2 = apply<kF>(d, a2, hn::LoadU(d, x + i + 2 * lanes));
    a3 = apply<kF>(d, a3, hn::LoadU(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) {
    a0 = apply<kF>(d, a0, hn::LoadU(d, x + i));
  }
  if (i < n) {
    a1 = apply<kF>(d, a1, hn::IfThenElse(hn::FirstN(d, n - i), load_part(d, x + i, n - i), neutral));
  }
  return across<kF>(d, apply<kF>(d, apply<kF>(d, a0, a1), apply<kF>(d, a2, a3)));
}

/// Pairwise over blocks, so that the rounding error grows with log(n) (Higham, The accuracy of floating point
/// summation, 1993).
template <Fold kF, class T>
T fold_row(const T* x, std::size_t n) {
  constexpr std::size_t kBlock = 1024;
  if (n <= kBlock) {
    return fold_block<kF>(x, n);
  }
  const std::size_t half = (n / kBlock + 1) / 2 * kBlock;
  const T left = fold_row<kF>(x, half);
  return combine<kF>(left, fold_row<kF>(x + half, n - half));
}

template <Fold kF, class T>
void fold_rows(const T* x, std::size_t rows, std::size_t ld, std::size_t n, T* y) {
  for (std::size_t r = 0; r < rows; ++r) {
    y[r] = fold_row<kF>(x + r * ld, n);
  }
}

/// Four rows at a time, so that y is read and written a quarter as often as x.
template <Fold kF, class T>
void fold_columns(const T* x, std::size_t rows, std::size_t ld, std::size_t n, T* y, bool first) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t r = 0; r < rows;) {
    const std::size_t count = rows - r >= 4 ? 4 : rows - r;
    const T* p = x + r * ld;
    const auto of_rows = [&](auto load, std::size_t j) {
      auto v = load(p + j);
      if (count == 4) {
        const auto low = apply<kF>(d, v, load(p + ld + j));
        return apply<kF>(d, low, apply<kF>(d, load(p + 2 * ld + j), load(p + 3 * ld + j)));
      }
      for (std::size_t k = 1; k < count; ++k) {
        v = apply<kF>(d, v, load(p + k * ld + j));
      }
      return v;
    };
    std::size_t j = 0;
    for (; j + lanes <= n; j += lanes) {
      const auto v = of_rows([&](const T* at) { return hn::LoadU(d, at); }, j);
      hn::StoreU(first ? v : apply<kF>(d, hn::LoadU(d, y + j), v), d, y + j);
    }
    if (j < n) {
      const auto v = of_rows([&](const T* at) { return load_part(d, at, n - j); }, j);
      store_part(first ? v : apply<kF>(d, load_part(d, y + j, n - j), v), d, y + j, n - j);
    }
    first = false;
    r += count;
  }
}

template <Fold kF, class T>
const FoldLoops<T>* loops_of() {
  static constexpr FoldLoops<T> kLoops = {fold_rows<kF, T>, fold_columns<kF, T>};
  return &kLoops;
}

template <class T>
const FoldLoops<T>* choose(Fold f) {
  if constexpr (sizeof(T) == 8 || std::is_floating_point_v<T>) {
    if (f == Fold::Sum || f == Fold::Prod) {
      return f == Fold::Sum ? loops_of<Fold::Sum, T>() : loops_of<Fold::Prod, T>();
    }
  }
  return f == Fold::Max ? loops_of<Fold::Max, T>() : loops_of<Fold::Min, T>();
}

// The second pass subtracts what rounding left in the mean (Chan, Golub and LeVeque, Algorithms for computing the
// sample variance, 1983).
template <class T>
void moments_row(const T* x, std::size_t n, double* mean, double* m2) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const T center = fold_row<Fold::Sum>(x, n) / static_cast<T>(n);
  const auto c = hn::Set(d, center);
  auto s0 = hn::Zero(d);
  auto s1 = s0;
  auto q0 = s0;
  auto q1 = s0;
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto v0 = hn::Sub(hn::LoadU(d, x + i), c);
    const auto v1 = hn::Sub(hn::LoadU(d, x + i + lanes), c);
    s0 = hn::Add(s0, v0);
    s1 = hn::Add(s1, v1);
    q0 = hn::MulAdd(v0, v0, q0);
    q1 = hn::MulAdd(v1, v1, q1);
  }
  for (; i < n; i += lanes) {
    const std::size_t left = n - i < lanes ? n - i : lanes;
    const auto v = hn::IfThenElseZero(hn::FirstN(d, left),
                                      hn::Sub(left == lanes ? hn::LoadU(d, x + i) : load_part(d, x + i, left), c));
    s0 = hn::Add(s0, v);
    q0 = hn::MulAdd(v, v, q0);
  }
  const double off = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1))));
  const double squares = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(q0, q1))));
  const double shift = off / static_cast<double>(n);
  *mean = static_cast<double>(center) + shift;
  const double corrected = squares - off * shift;
  *m2 = corrected < 0 ? 0 : corrected;
}

template <class T>
void moments_columns(const T* x, std::size_t rows, std::size_t ld, std::size_t n, double* mean, double* m2,
                     T* scratch) {
  fold_columns<Fold::Sum>(x, rows, ld, n, scratch, true);
  T* HWY_RESTRICT center = scratch;
  T* HWY_RESTRICT squares = scratch + n;
  for (std::size_t j = 0; j < n; ++j) {
    center[j] /= static_cast<T>(rows);
    squares[j] = 0;
    mean[j] = 0;
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const T* HWY_RESTRICT row = x + r * ld;
    for (std::size_t j = 0; j < n; ++j) {
      const T v = row[j] - center[j];
      squares[j] += v * v;
      mean[j] += static_cast<double>(v);
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    const double shift = mean[j] / static_cast<double>(rows);
    const double corrected = static_cast<double>(squares[j]) - mean[j] * shift;
    mean[j] = static_cast<double>(center[j]) + shift;
    m2[j] = corrected < 0 ? 0 : corrected;
  }
}

template <class T>
const MomentsLoops<T>* moments_of() {
  static constexpr MomentsLoops<T> kLoops = {moments_row<T>, moments_columns<T>};
  return &kLoops;
}

const FoldLoops<std::uint8_t>* u8_folds(Fold f) { return choose<std::uint8_t>(f); }
const FoldLoops<std::int32_t>* i32_folds(Fold f) { return choose<std::int32_t>(f); }
const FoldLoops<std::int64_t>* i64_folds(Fold f) { return choose<std::int64_t>(f); }
const FoldLoops<float>* f32_folds(Fold f) { return choose<float>(f); }
const FoldLoops<double>* f64_folds(Fold f) { return choose<double>(f); }
const MomentsLoops<float>* f32_moments() { return moments_of<float>(); }
const MomentsLoops<double>* f64_moments() { return moments_of<double>(); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(u8_folds);
HWY_EXPORT(i32_folds);
HWY_EXPORT(i64_folds);
HWY_EXPORT(f32_folds);
HWY_EXPORT(f64_folds);
HWY_EXPORT(f32_moments);
HWY_EXPORT(f64_moments);

template <>
const FoldLoops<std::uint8_t>& fold_loops<std::uint8_t>(Fold f) {
  return *HWY_DYNAMIC_DISPATCH(u8_folds)(f);
}
template <>
const FoldLoops<std::int32_t>& fold_loops<std::int32_t>(Fold f) {
  return *HWY_DYNAMIC_DISPATCH(i32_folds)(f);
}
template <>
const FoldLoops<std::int64_t>& fold_loops<std::int64_t>(Fold f) {
  return *HWY_DYNAMIC_DISPATCH(i64_folds)(f);
}
template <>
const FoldLoops<float>& fold_loops<float>(Fold f) {
  return *HWY_DYNAMIC_DISPATCH(f32_folds)(f);
}
template <>
const FoldLoops<double>& fold_loops<double>(Fold f) {
  return *HWY_DYNAMIC_DISPATCH(f64_folds)(f);
}
template <>
const MomentsLoops<float>& moments_loops<float>() {
  return *HWY_DYNAMIC_DISPATCH(f32_moments)();
}
template <>
const MomentsLoops<double>& moments_loops<double>() {
  return *HWY_DYNAMIC_DISPATCH(f64_moments)();
}

}  // namespace backflow::kernels
#endif

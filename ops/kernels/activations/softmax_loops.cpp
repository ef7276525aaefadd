#include <backflow/ops/kernels/activations/softmax_loops.h>

#include <algorithm>
#include <cmath>
#include <limits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/activations/softmax_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls f(vector loader, vector storer, offset) on pieces of n elements; what lies beyond n is loaded as `neutral` and
/// not stored.
template <class T, class F>
HWY_INLINE void for_each_vector(std::size_t n, const F& f) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    f(
        i, [d](const T* p, auto) { return hn::LoadU(d, p); }, [d](auto v, T* p) { hn::StoreU(v, d, p); });
  }
  if (i < n) {
    const std::size_t left = n - i;
    f(
        i,
        [d, left](const T* p, auto neutral) {
          return hn::IfThenElse(hn::FirstN(d, left), load_part(d, p, left), neutral);
        },
        [d, left](auto v, T* p) { store_part(v, d, p, left); });
  }
}

/// Whether all are finite or infinitely small, and not all are that; and the largest.
template <class T>
HWY_INLINE bool find_largest(const T* x, std::size_t n, T& largest) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto m0 = lowest;
  auto m1 = lowest;
  auto nan = hn::Zero(d);  // not zero where a number was NaN
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto v0 = hn::LoadU(d, x + i);
    const auto v1 = hn::LoadU(d, x + i + lanes);
    m0 = hn::Max(v0, m0);
    m1 = hn::Max(v1, m1);
    nan = hn::IfThenElse(hn::Or(hn::IsNaN(v0), hn::IsNaN(v1)), hn::Set(d, T{1}), nan);
  }
  for_each_vector<T>(n - i, [&](std::size_t k, auto load, auto) {
    const auto v = load(x + i + k, lowest);
    m0 = hn::Max(v, m0);
    nan = hn::IfThenElse(hn::IsNaN(v), hn::Set(d, T{1}), nan);
  });
  largest = hn::GetLane(hn::MaxOfLanes(d, hn::Max(m0, m1)));
  return hn::AllTrue(d, hn::Eq(nan, hn::Zero(d))) && std::isfinite(largest);
}

/// Whether the largest of n elements, `stride` apart, is infinite and alone: then the softmax has a limit.
template <class T>
bool one_is_largest(const T* x, std::size_t n, std::size_t stride, T largest) {
  std::size_t equal = 0;
  bool has_nan = false;
  for (std::size_t i = 0; i < n; ++i) {
    equal += x[i * stride] == largest ? 1 : 0;
    has_nan = has_nan || std::isnan(x[i * stride]);
  }
  return equal == 1 && !has_nan;
}

/// The limit of a softmax or its logarithm whose largest element is not finite; NaN where there is none.
template <Softmax kKind, class T>
void limit(const T* x, T* y, std::size_t n, std::size_t stride, T largest) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const bool exists = one_is_largest(x, n, stride, largest);
  for (std::size_t i = 0; i < n; ++i) {
    const T of_largest = kKind == Softmax::Plain ? T{1} : T{0};
    const T of_others = kKind == Softmax::Plain ? T{0} : -kInfinity;
    y[i * stride] = !exists ? std::numeric_limits<T>::quiet_NaN() : x[i * stride] == largest ? of_largest : of_others;
  }
}

/// Calls each(i, e^(x - largest), store) on the pieces of a row, and returns the sum of these powers.
template <class T, class F>
HWY_INLINE T sum_of_powers(const T* x, T largest, std::size_t n, const F& each) {
  const hn::ScalableTag<T> d;
  const auto m = hn::Set(d, largest);
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto total = hn::Zero(d);
  for_each_vector<T>(n, [&](std::size_t i, auto load, auto store) {
    // Never positive nor NaN, so that Highway's polynomial needs no guard.
    const auto e = hn::Exp(d, hn::Sub(load(x + i, lowest), m));
    total = hn::Add(total, e);
    each(i, e, store);
  });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

template <class T>
RowStatistics<T> statistics(const T* x, std::size_t n) {
  T largest;
  if (!find_largest(x, n, largest)) {
    constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
    return one_is_largest(x, n, 1, largest) ? RowStatistics<T>{largest, 0} : RowStatistics<T>{kNan, kNan};
  }
  return {largest, std::log(sum_of_powers(x, largest, n, [](std::size_t, auto, auto) {}))};
}

template <class T>
T sum_beyond(const T* x, T from, std::size_t n) {
  if (std::isinf(from)) {
    return n > 1 ? -from : 0;
  }
  const hn::ScalableTag<T> d;
  const auto start = hn::Set(d, from);
  auto total = hn::Zero(d);
  for_each_vector<T>(
      n, [&](std::size_t i, auto load, auto) { total = hn::Add(total, hn::Sub(load(x + i, start), start)); });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

template <class T>
void scaled_row(const T* x, const RowStatistics<T>& of_x, T scale, T shift, T* dx, std::size_t n) {
  if (std::isinf(of_x.largest)) {
    std::transform(x, x + n, dx, [&](T v) { return (v == of_x.largest ? scale : 0) - shift; });
    return;
  }
  const hn::ScalableTag<T> d;
  const auto m = hn::Set(d, of_x.largest);
  const auto log_sum = hn::Set(d, of_x.log_sum);
  const auto factor = hn::Set(d, scale);
  const auto less = hn::Set(d, shift);
  for_each_vector<T>(n, [&](std::size_t i, auto load, auto store) {
    const auto p = exp_of(d, hn::Sub(hn::Sub(load(x + i, m), m), log_sum));
    store(hn::MulSub(p, factor, less), dx + i);
  });
}

/// The sum of e^(x - largest), which become y for Softmax::Plain.
template <Softmax kKind, class T>
HWY_INLINE T put_powers(const T* x, T* y, T largest, std::size_t n) {
  return sum_of_powers(x, largest, n, [&](std::size_t i, auto e, auto store) {
    if constexpr (kKind == Softmax::Plain) {
      store(e, y + i);
    }
  });
}

template <Softmax kKind, class T>
void finish_piece(const T* x, T* y, std::size_t n, T largest, T number) {
  const hn::ScalableTag<T> d;
  const auto m = hn::Set(d, largest);
  const auto v = hn::Set(d, number);
  for_each_vector<T>(n, [&](std::size_t i, auto load, auto store) {
    if constexpr (kKind == Softmax::Plain) {
      store(hn::Mul(load(y + i, v), v), y + i);
    } else {
      store(hn::Sub(hn::Sub(load(x + i, m), m), v), y + i);
    }
  });
}

template <Softmax kKind, class T>
void row(const T* x, T* y, std::size_t n) {
  T largest;
  if (!find_largest(x, n, largest)) {
    limit<kKind>(x, y, n, 1, largest);
    return;
  }
  const T sum = put_powers<kKind>(x, y, largest, n);
  finish_piece<kKind>(x, y, n, largest, kKind == Softmax::Plain ? T{1} / sum : std::log(sum));
}

template <Softmax kKind, class T>
PieceStatistics<T> piece(const T* x, T* y, std::size_t n) {
  T largest;
  if (find_largest(x, n, largest)) {
    return {largest, put_powers<kKind>(x, y, largest, n)};
  }
  const bool has_nan = std::any_of(x, x + n, [](T v) { return std::isnan(v); });
  if (kKind == Softmax::Plain && !has_nan && largest < 0) {  // all are infinitely small; other rows need x once more
    std::fill_n(y, n, T{0});
  }
  return {has_nan ? std::numeric_limits<T>::quiet_NaN() : largest, 0};
}

/// The gradient from the sum that is meant for the kind.
template <Softmax kKind, class D, class V>
HWY_INLINE V gradient(D d, V dy, V y, V sum) {
  if constexpr (kKind == Softmax::Plain) {
    return hn::Mul(y, hn::Sub(dy, sum));
  } else {
    return hn::NegMulAdd(exp_of(d, y), sum, dy);
  }
}

template <Softmax kKind, class T>
T sum_backward(const T* dy, const T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  auto total = zero;
  for_each_vector<T>(n, [&](std::size_t i, auto load, auto) {
    const auto g = load(dy + i, zero);
    total = kKind == Softmax::Plain ? hn::MulAdd(g, load(y + i, zero), total) : hn::Add(total, g);
  });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

template <Softmax kKind, class T>
void piece_backward(const T* dy, const T* y, T* dx, std::size_t n, T sum) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  const auto of_row = hn::Set(d, sum);
  for_each_vector<T>(n, [&](std::size_t i, auto load, auto store) {
    store(gradient<kKind>(d, load(dy + i, zero), load(y + i, zero), of_row), dx + i);
  });
}

template <Softmax kKind, class T>
void row_backward(const T* dy, const T* y, T* dx, std::size_t n) {
  piece_backward<kKind>(dy, y, dx, n, sum_backward<kKind>(dy, y, n));
}

template <Softmax kKind, class T>
void columns(const T* x, T* y, std::size_t rows, std::size_t ld, std::size_t columns, T* scratch) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  T* const largest = scratch;
  T* const sums = scratch + columns;
  std::copy_n(x, columns, largest);
  std::fill_n(sums, columns, T{0});
  for (std::size_t r = 1; r < rows; ++r) {
    for_each_vector<T>(columns, [&](std::size_t j, auto load, auto store) {
      const auto v = load(x + r * ld + j, zero);
      const auto m = load(largest + j, zero);
      store(hn::IfThenElse(hn::Or(hn::Gt(v, m), hn::IsNaN(v)), v, m), largest + j);
    });
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for_each_vector<T>(columns, [&](std::size_t j, auto load, auto store) {
      const auto e = exp_of(d, hn::Sub(load(x + r * ld + j, zero), load(largest + j, zero)));
      store(hn::Add(load(sums + j, zero), e), sums + j);
      if constexpr (kKind == Softmax::Plain) {
        store(e, y + r * ld + j);
      }
    });
  }
  for (std::size_t j = 0; j < columns; ++j) {
    sums[j] = kKind == Softmax::Plain ? T{1} / sums[j] : std::log(sums[j]);
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for_each_vector<T>(columns, [&](std::size_t j, auto load, auto store) {
      const auto s = load(sums + j, zero);
      if constexpr (kKind == Softmax::Plain) {
        store(hn::Mul(load(y + r * ld + j, zero), s), y + r * ld + j);
      } else {
        store(hn::Sub(hn::Sub(load(x + r * ld + j, zero), load(largest + j, zero)), s), y + r * ld + j);
      }
    });
  }
  for (std::size_t j = 0; j < columns; ++j) {
    if (!std::isfinite(largest[j])) {
      limit<kKind>(x + j, y + j, rows, ld, largest[j]);
    }
  }
}

template <Softmax kKind, class T>
void columns_backward(const T* dy, const T* y, T* dx, std::size_t rows, std::size_t ld, std::size_t columns,
                      T* scratch) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  std::fill_n(scratch, columns, T{0});
  for (std::size_t r = 0; r < rows; ++r) {
    for_each_vector<T>(columns, [&](std::size_t j, auto load, auto store) {
      const auto g = load(dy + r * ld + j, zero);
      const auto sum = load(scratch + j, zero);
      store(kKind == Softmax::Plain ? hn::MulAdd(g, load(y + r * ld + j, zero), sum) : hn::Add(sum, g), scratch + j);
    });
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for_each_vector<T>(columns, [&](std::size_t j, auto load, auto store) {
      const std::size_t at = r * ld + j;
      store(gradient<kKind>(d, load(dy + at, zero), load(y + at, zero), load(scratch + j, zero)), dx + at);
    });
  }
}

template <Softmax kKind, class T>
const SoftmaxLoops<T>* loops_of() {
  static constexpr SoftmaxLoops<T> kLoops = {row<kKind, T>,
                                             piece<kKind, T>,
                                             finish_piece<kKind, T>,
                                             statistics<T>,
                                             sum_beyond<T>,
                                             scaled_row<T>,
                                             row_backward<kKind, T>,
                                             sum_backward<kKind, T>,
                                             piece_backward<kKind, T>,
                                             columns<kKind, T>,
                                             columns_backward<kKind, T>};
  return &kLoops;
}

const SoftmaxLoops<float>* float_softmax(Softmax kind) {
  return kind == Softmax::Plain ? loops_of<Softmax::Plain, float>() : loops_of<Softmax::Log, float>();
}
const SoftmaxLoops<double>* double_softmax(Softmax kind) {
  return kind == Softmax::Plain ? loops_of<Softmax::Plain, double>() : loops_of<Softmax::Log, double>();
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_softmax);
HWY_EXPORT(double_softmax);

template <>
const SoftmaxLoops<float>& softmax_loops<float>(Softmax kind) {
  return *HWY_DYNAMIC_DISPATCH(float_softmax)(kind);
}
template <>
const SoftmaxLoops<double>& softmax_loops<double>(Softmax kind) {
  return *HWY_DYNAMIC_DISPATCH(double_softmax)(kind);
}

}  // namespace backflow::kernels
#endif

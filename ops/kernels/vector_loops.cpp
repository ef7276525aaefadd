#include <backflow/ops/kernels/vector_loops.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/vector_loops.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After foreach_target.h: it is compiled for each instruction set too.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Applies a function of numbers to each lane: for what has no vector form.
template <class D, class V, class F>
V by_lane(D d, V a, V b, F f) {
  using T = hn::TFromD<D>;
  alignas(64) T la[hn::MaxLanes(d)];
  alignas(64) T lb[hn::MaxLanes(d)];
  hn::Store(a, d, la);
  hn::Store(b, d, lb);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    la[i] = f(la[i], lb[i]);
  }
  return hn::Load(d, la);
}

/// e^x. Highway's polynomial gives finite numbers for NaN, and zero far beyond the largest x whose result is finite.
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  using T = hn::TFromD<D>;
  const V infinite = hn::Set(d, sizeof(T) == 4 ? T{100} : T{720});
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, hn::Min(x, infinite)));
}

/// Sine or cosine. Highway's reduction of the argument holds up to 39000; beyond that, and for NaN, the library's.
template <Unary kF, class D, class V>
HWY_INLINE V sine_of(D d, V x) {
  const auto near = hn::Le(hn::Abs(x), hn::Set(d, hn::TFromD<D>{30000}));
  const V y = kF == Unary::Sin ? hn::Sin(d, x) : hn::Cos(d, x);
  if (hn::AllTrue(d, near)) {
    return y;
  }
  return hn::IfThenElse(near, y,
                        by_lane(d, x, x, [](auto a, auto) { return kF == Unary::Sin ? std::sin(a) : std::cos(a); }));
}

template <Unary kF, class D, class V>
HWY_INLINE V apply(D d, V x) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  if constexpr (kF == Unary::Neg) {
    return hn::Neg(x);
  } else if constexpr (kF == Unary::Abs) {
    return hn::Abs(x);
  } else if constexpr (kF == Unary::Sign) {
    return hn::Sub(hn::IfThenElseZero(hn::Gt(x, zero), one), hn::IfThenElseZero(hn::Lt(x, zero), one));
  } else if constexpr (kF == Unary::Exp) {
    return exp_of(d, x);
  } else if constexpr (kF == Unary::Log) {
    return by_lane(d, x, x, [](auto a, auto) { return std::log(a); });
  } else if constexpr (kF == Unary::Sqrt) {
    return hn::Sqrt(x);
  } else if constexpr (kF == Unary::Sin || kF == Unary::Cos) {
    return sine_of<kF>(d, x);
  } else if constexpr (kF == Unary::Relu) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Max(x, zero));
  } else if constexpr (kF == Unary::Tanh) {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Tanh(d, x));
  } else {
    return hn::Div(one, hn::Add(one, exp_of(d, hn::Neg(x))));
  }
}

template <Binary kF, class D, class V>
HWY_INLINE V apply(D d, V a, V b) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  if constexpr (kF == Binary::Add) {
    return hn::Add(a, b);
  } else if constexpr (kF == Binary::Sub) {
    return hn::Sub(a, b);
  } else if constexpr (kF == Binary::Mul) {
    return hn::Mul(a, b);
  } else if constexpr (kF == Binary::Maximum) {
    return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Max(a, b));
  } else if constexpr (kF == Binary::Minimum) {
    return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Min(a, b));
  } else if constexpr (kF == Binary::Div) {
    return hn::Div(a, b);
  } else if constexpr (kF == Binary::Pow) {
    return by_lane(d, a, b, [](auto x, auto y) { return std::pow(x, y); });
  } else if constexpr (kF == Binary::Xlogy) {
    return by_lane(d, a, b, [](auto x, auto y) { return x == 0 && !std::isnan(y) ? x : x * std::log(y); });
  } else if constexpr (kF == Binary::Equal) {
    return hn::IfThenElseZero(hn::Eq(a, b), one);
  } else if constexpr (kF == Binary::GreaterEqual) {
    return hn::IfThenElseZero(hn::Ge(a, b), one);
  } else if constexpr (kF == Binary::LessEqual) {
    return hn::IfThenElseZero(hn::Le(a, b), one);
  } else if constexpr (kF == Binary::ReluBackward) {
    return hn::IfThenElse(hn::Le(b, zero), zero, a);
  } else if constexpr (kF == Binary::TanhBackward) {
    return hn::Mul(a, hn::Sub(one, hn::Mul(b, b)));
  } else {
    return hn::Mul(a, hn::Mul(b, hn::Sub(one, b)));
  }
}

/// The first `n` elements at p in the lowest lanes, n < Lanes; the others are zero.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE auto load_part(D d, const T* p, std::size_t n) {
#if !HWY_MEM_OPS_MIGHT_FAULT
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#else
  alignas(64) T lanes[hn::MaxLanes(d)] = {};
  for (std::size_t i = 0; i < n; ++i) {
    lanes[i] = p[i];
  }
  return hn::Load(d, lanes);
#endif
}

template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void store_part(V v, D d, T* p, std::size_t n) {
#if !HWY_MEM_OPS_MIGHT_FAULT
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  alignas(64) T lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  for (std::size_t i = 0; i < n; ++i) {
    p[i] = lanes[i];
  }
#endif
}

template <Unary kF, class T>
void unary_loop(const T* x, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(apply<kF>(d, hn::LoadU(d, x + i)), d, y + i);
  }
  if (i < n) {
    store_part(apply<kF>(d, load_part(d, x + i, n - i)), d, y + i, n - i);
  }
}

template <Binary kF, Stride kA, Stride kB, class T>
void binary_row(const T* a, const T* b, T* y, std::size_t n) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const std::size_t lanes = hn::Lanes(d);
  const V first_a = n != 0 ? hn::Set(d, *a) : hn::Zero(d);
  const V first_b = n != 0 ? hn::Set(d, *b) : hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const V va = kA == Stride::Zero ? first_a : hn::LoadU(d, a + i);
    const V vb = kB == Stride::Zero ? first_b : hn::LoadU(d, b + i);
    hn::StoreU(apply<kF>(d, va, vb), d, y + i);
  }
  if (i < n) {
    const V va = kA == Stride::Zero ? first_a : load_part(d, a + i, n - i);
    const V vb = kB == Stride::Zero ? first_b : load_part(d, b + i, n - i);
    store_part(apply<kF>(d, va, vb), d, y + i, n - i);
  }
}

template <Binary kF, class T>
void binary_loop(const T* a, Stride stride_a, const T* b, Stride stride_b, T* y, std::size_t n) {
  if (stride_a == Stride::One) {
    stride_b == Stride::One ? binary_row<kF, Stride::One, Stride::One>(a, b, y, n)
                            : binary_row<kF, Stride::One, Stride::Zero>(a, b, y, n);
  } else {
    stride_b == Stride::One ? binary_row<kF, Stride::Zero, Stride::One>(a, b, y, n)
                            : binary_row<kF, Stride::Zero, Stride::Zero>(a, b, y, n);
  }
}

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
  binary_row<Binary::Add, Stride::One, Stride::One>(y, x, y, n);
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
  binary_row<Binary::Sub, Stride::One, Stride::Zero>(x, &largest, y, n);
  const std::size_t lanes = hn::Lanes(d);
  auto total = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    total = hn::Add(total, apply<Unary::Exp>(d, hn::LoadU(d, y + i)));
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; i < n; ++i) {
    sum += std::exp(y[i]);
  }
  const T log_sum = std::log(sum);
  binary_row<Binary::Sub, Stride::One, Stride::Zero>(y, &log_sum, y, n);
}

template <class T, std::size_t... kFs>
constexpr std::array<UnaryLoop<T>, sizeof...(kFs)> all_unary(std::index_sequence<kFs...>) {
  return {unary_loop<static_cast<Unary>(kFs), T>...};
}

template <class T, std::size_t... kFs>
constexpr std::array<BinaryLoop<T>, sizeof...(kFs)> all_binary(std::index_sequence<kFs...>) {
  return {binary_loop<static_cast<Binary>(kFs), T>...};
}

template <class T>
constexpr VectorLoops<T> make_loops() {
  return {all_unary<T>(std::make_index_sequence<static_cast<std::size_t>(Unary::Count)>()),
          all_binary<T>(std::make_index_sequence<static_cast<std::size_t>(Binary::Count)>()), sum<T>, add_row<T>,
          log_softmax<T>};
}

const VectorLoops<float>* float_loops() {
  static constexpr VectorLoops<float> kLoops = make_loops<float>();
  return &kLoops;
}

const VectorLoops<double>* double_loops() {
  static constexpr VectorLoops<double> kLoops = make_loops<double>();
  return &kLoops;
}

const char* target() { return hwy::TargetName(HWY_TARGET); }

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(float_loops);
HWY_EXPORT(double_loops);
HWY_EXPORT(target);

template <>
const VectorLoops<float>& vector_loops<float>() {
  static const VectorLoops<float>& loops = *HWY_DYNAMIC_DISPATCH(float_loops)();
  return loops;
}

template <>
const VectorLoops<double>& vector_loops<double>() {
  static const VectorLoops<double>& loops = *HWY_DYNAMIC_DISPATCH(double_loops)();
  return loops;
}

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target)(); }

}  // namespace backflow::kernels
#endif

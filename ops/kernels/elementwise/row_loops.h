// Loops of a function of vectors over operands that may each be one element for all; compiled once for each instruction
// set. The function is a type with `of(d, params, vectors...)`.
#if defined(BACKFLOW_ROW_LOOPS_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_ROW_LOOPS_TOGGLE
#undef BACKFLOW_ROW_LOOPS_TOGGLE
#else
#define BACKFLOW_ROW_LOOPS_TOGGLE
#endif

#include <cstddef>

#include <backflow/ops/kernels/elementwise/loops.h>
#include <backflow/ops/kernels/elementwise/vector_math.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A vector of an operand from element i on, where `left` elements are left.
template <Stride kStride, class D, class T = hn::TFromD<D>>
HWY_INLINE auto load(D d, const T* x, std::size_t i, std::size_t left) {
  if constexpr (kStride == Stride::Zero) {
    return hn::Set(d, *x);
  } else {
    return left >= hn::Lanes(d) ? hn::LoadU(d, x + i) : load_part(d, x + i, left);
  }
}

/// y = f(operands...), where operand number k has stride kStrides[k].
template <class F, Stride... kStrides, class T, class... Operands>
HWY_INLINE void row(T* y, std::size_t n, const T* params, Operands... operands) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(F::of(d, params, load<kStrides>(d, operands, i, lanes)...), d, y + i);
  }
  if (i < n) {
    store_part(F::of(d, params, load<kStrides>(d, operands, i, n - i)...), d, y + i, n - i);
  }
}

template <class F, class T>
void binary_row(Operand<T> a, Operand<T> b, T* y, std::size_t n, const T* params) {
  constexpr Stride kOne = Stride::One;
  constexpr Stride kZero = Stride::Zero;
  if (a.stride == kOne) {
    b.stride == kOne ? row<F, kOne, kOne>(y, n, params, a.data, b.data)
                     : row<F, kOne, kZero>(y, n, params, a.data, b.data);
  } else {
    b.stride == kOne ? row<F, kZero, kOne>(y, n, params, a.data, b.data)
                     : row<F, kZero, kZero>(y, n, params, a.data, b.data);
  }
}

/// Operands that are one for all are written out, piece by piece: that is rare, and eight loops a function are many.
template <class F, class T>
void ternary_row(Operand<T> a, Operand<T> b, Operand<T> c, T* y, std::size_t n, const T* params) {
  constexpr Stride kOne = Stride::One;
  if (a.stride == kOne && b.stride == kOne && c.stride == kOne) {
    row<F, kOne, kOne, kOne>(y, n, params, a.data, b.data, c.data);
    return;
  }
  constexpr std::size_t kPiece = 256;
  T pieces[3][kPiece];
  for (std::size_t i = 0; i < n; i += kPiece) {
    const std::size_t m = n - i < kPiece ? n - i : kPiece;
    const auto spread = [&](const Operand<T>& x, T* piece) {
      if (x.stride == kOne) {
        return x.data + i;
      }
      for (std::size_t j = 0; j < m; ++j) {
        piece[j] = x.data[0];
      }
      return static_cast<const T*>(piece);
    };
    row<F, kOne, kOne, kOne>(y + i, m, params, spread(a, pieces[0]), spread(b, pieces[1]), spread(c, pieces[2]));
  }
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

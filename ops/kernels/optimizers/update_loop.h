// The loop of all updates; compiled once for each instruction set.
#if defined(BACKFLOW_FUSED_UPDATE_TOGGLE) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKFLOW_FUSED_UPDATE_TOGGLE
#undef BACKFLOW_FUSED_UPDATE_TOGGLE
#else
#define BACKFLOW_FUSED_UPDATE_TOGGLE
#endif

#include <algorithm>
#include <array>
#include <cstddef>

#include <hwy/highway.h>

#include <backflow/ops/kernels/optimizers/fused_update.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T, class D>
HWY_INLINE hn::Vec<D> load_if(bool used, D d, const T* from, std::size_t i) {
  return used ? hn::LoadU(d, from + i) : hn::Zero(d);
}

/// One vector of elements from `i` on.
template <class Step, class T, class D>
HWY_INLINE void update_vector(D d, const UpdatePiece<T>& x, std::size_t i, const Step& step) {
  using V = hn::Vec<D>;
  V p = hn::LoadU(d, x.p + i);
  const V g = hn::LoadU(d, x.g + i);
  V s0 = load_if(Step::kReads[0], d, x.s[0], i);
  V s1 = load_if(Step::kReads[1], d, x.s[1], i);
  V s2 = load_if(Step::kReads[2], d, x.s[2], i);
  step(d, p, g, s0, s1, s2);
  hn::StoreU(p, d, x.p + i);
  if constexpr (Step::kWrites[0]) {
    hn::StoreU(s0, d, x.s[0] + i);
  }
  if constexpr (Step::kWrites[1]) {
    hn::StoreU(s1, d, x.s[1] + i);
  }
  if constexpr (Step::kWrites[2]) {
    hn::StoreU(s2, d, x.s[2] + i);
  }
}

/// The last elements, fewer than a vector has: as a vector whose other lanes nobody looks at.
template <class Step, class T, class D>
HWY_NOINLINE void update_rest(D d, const UpdatePiece<T>& x, std::size_t i, const Step& step) {
  constexpr std::size_t kMost = hn::MaxLanes(D());
  const std::size_t n = x.n - i;
  alignas(64) T p[kMost] = {};
  alignas(64) T g[kMost] = {};
  alignas(64) T s[kUpdateStates][kMost] = {};
  std::copy_n(x.p + i, n, p);
  std::copy_n(x.g + i, n, g);
  for (std::size_t k = 0; k < kUpdateStates; ++k) {
    if (Step::kReads[k]) {
      std::copy_n(x.s[k] + i, n, s[k]);
    }
  }
  update_vector(d, UpdatePiece<T>{p, g, {s[0], s[1], s[2]}, kMost}, 0, step);
  std::copy_n(p, n, x.p + i);
  for (std::size_t k = 0; k < kUpdateStates; ++k) {
    if (Step::kWrites[k]) {
      std::copy_n(s[k], n, x.s[k] + i);
    }
  }
}

/// Updates all elements. `step(d, p, g, s0, s1, s2)` changes vectors of parameter and state in place; Step::kReads and
/// Step::kWrites say which states it reads and writes.
template <class Step, class T>
HWY_INLINE void update_loop(const UpdatePiece<T>& x, const Step& step) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= x.n; i += lanes) {
    update_vector(d, x, i, step);
  }
  if (i < x.n) {
    update_rest(d, x, i, step);
  }
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif

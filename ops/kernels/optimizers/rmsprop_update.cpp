#include <backflow/ops/kernels/optimizers/rmsprop_update.h>

#include <limits>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/optimizers/rmsprop_update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <backflow/ops/kernels/optimizers/update_loop.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// RmspropNumbers in the dtype of the parameters.
template <class T>
struct RmspropFactors {
  T minus_lr;
  T alpha;
  T one_minus_alpha;
  T eps;
  T weight_decay;
  T momentum;
};

template <bool kMomentum, bool kCentered, class T>
struct RmspropStep {
  static constexpr std::array<bool, kUpdateStates> kReads = {true, kMomentum, kCentered};
  static constexpr auto kWrites = kReads;
  RmspropFactors<T> f;

  template <class D, class V>
  HWY_INLINE void operator()(D d, V& p, V g, V& v, V& b, V& a) const {
    if (f.weight_decay != 0) {
      g = hn::Add(g, hn::Mul(hn::Set(d, f.weight_decay), p));
    }
    const V alpha = hn::Set(d, f.alpha);
    const V part = hn::Mul(hn::Set(d, f.one_minus_alpha), g);
    v = hn::Add(hn::Mul(v, alpha), hn::Mul(part, g));
    V square = v;
    if constexpr (kCentered) {
      a = hn::Add(hn::Mul(a, alpha), part);
      // No less than one unit of v's rounding, which a difference of rounded numbers cannot tell from 0.
      square = hn::Max(hn::Sub(v, hn::Mul(a, a)), hn::Mul(v, hn::Set(d, std::numeric_limits<T>::epsilon())));
    }
    const V root = hn::Add(hn::Sqrt(square), hn::Set(d, f.eps));
    const V minus_lr = hn::Set(d, f.minus_lr);
    if constexpr (kMomentum) {
      b = hn::Add(hn::Mul(b, hn::Set(d, f.momentum)), hn::Div(g, root));
      p = hn::Add(p, hn::Mul(minus_lr, b));
    } else {
      p = hn::Add(p, hn::Div(hn::Mul(minus_lr, g), root));
    }
  }
};

template <class T>
void rmsprop_piece(const UpdatePiece<T>& x, const RmspropFactors<T>& f) {
  const bool centered = x.s[2] != nullptr;
  if (x.s[1] != nullptr) {
    centered ? update_loop(x, RmspropStep<true, true, T>{f}) : update_loop(x, RmspropStep<true, false, T>{f});
  } else {
    centered ? update_loop(x, RmspropStep<false, true, T>{f}) : update_loop(x, RmspropStep<false, false, T>{f});
  }
}

void rmsprop(std::span<const UpdateOperand> operands, const RmspropNumbers& numbers) {
  for_each_piece(operands, "rmsprop_update", [&]<class T>(const UpdateOperand&, const UpdatePiece<T>& piece) {
    rmsprop_piece(piece, RmspropFactors<T>{static_cast<T>(-numbers.lr), static_cast<T>(numbers.alpha),
                                           static_cast<T>(1 - numbers.alpha), static_cast<T>(numbers.eps),
                                           static_cast<T>(numbers.weight_decay), static_cast<T>(numbers.momentum)});
  });
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(rmsprop);

void rmsprop_update(std::span<const UpdateOperand> operands, const RmspropNumbers& numbers) {
  HWY_DYNAMIC_DISPATCH(rmsprop)(operands, numbers);
}

}  // namespace backflow::kernels
#endif

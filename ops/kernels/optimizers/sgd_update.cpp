#include <backflow/ops/kernels/optimizers/sgd_update.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/optimizers/sgd_update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <backflow/ops/kernels/optimizers/update_loop.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// SgdNumbers in the dtype of the parameters.
template <class T>
struct SgdFactors {
  T minus_lr;
  T momentum;
  T one_minus_dampening;
  T weight_decay;
};

enum class Momentum { None, First, Classic, FirstNesterov, Nesterov };

template <Momentum kMomentum, class T>
struct SgdStep {
  static constexpr bool kFirst = kMomentum == Momentum::First || kMomentum == Momentum::FirstNesterov;
  static constexpr bool kNesterov = kMomentum == Momentum::Nesterov || kMomentum == Momentum::FirstNesterov;
  static constexpr std::array<bool, kUpdateStates> kReads = {kMomentum != Momentum::None && !kFirst, false, false};
  static constexpr std::array<bool, kUpdateStates> kWrites = {kMomentum != Momentum::None, false, false};
  SgdFactors<T> f;

  template <class D, class V>
  HWY_INLINE void operator()(D d, V& p, V g, V& b, V& /*none*/, V& /*none*/) const {
    if (f.weight_decay != 0) {
      g = hn::Add(g, hn::Mul(hn::Set(d, f.weight_decay), p));
    }
    const V momentum = hn::Set(d, f.momentum);
    if constexpr (kFirst) {
      b = g;
    } else if constexpr (kMomentum != Momentum::None) {
      b = hn::Add(hn::Mul(b, momentum), hn::Mul(hn::Set(d, f.one_minus_dampening), g));
    }
    if constexpr (kNesterov) {
      g = hn::Add(g, hn::Mul(momentum, b));
    } else if constexpr (kMomentum != Momentum::None) {
      g = b;
    }
    p = hn::Add(p, hn::Mul(hn::Set(d, f.minus_lr), g));
  }
};

template <class T>
void sgd_piece(const UpdatePiece<T>& x, const SgdFactors<T>& f, Momentum momentum) {
  switch (momentum) {
    case Momentum::None:
      return update_loop(x, SgdStep<Momentum::None, T>{f});
    case Momentum::First:
      return update_loop(x, SgdStep<Momentum::First, T>{f});
    case Momentum::Classic:
      return update_loop(x, SgdStep<Momentum::Classic, T>{f});
    case Momentum::FirstNesterov:
      return update_loop(x, SgdStep<Momentum::FirstNesterov, T>{f});
    case Momentum::Nesterov:
      return update_loop(x, SgdStep<Momentum::Nesterov, T>{f});
  }
}

Momentum momentum_of(const UpdateOperand& operand, const SgdNumbers& numbers) {
  if (!operand.state[0].defined()) {
    return Momentum::None;
  }
  if (operand.new_state) {
    return numbers.nesterov ? Momentum::FirstNesterov : Momentum::First;
  }
  return numbers.nesterov ? Momentum::Nesterov : Momentum::Classic;
}

void sgd(std::span<const UpdateOperand> operands, const SgdNumbers& numbers) {
  for_each_piece(operands, "sgd_update", [&]<class T>(const UpdateOperand& operand, const UpdatePiece<T>& piece) {
    const SgdFactors<T> factors = {static_cast<T>(-numbers.lr), static_cast<T>(numbers.momentum),
                                   static_cast<T>(1 - numbers.dampening), static_cast<T>(numbers.weight_decay)};
    sgd_piece(piece, factors, momentum_of(operand, numbers));
  });
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(sgd);

void sgd_update(std::span<const UpdateOperand> operands, const SgdNumbers& numbers) {
  HWY_DYNAMIC_DISPATCH(sgd)(operands, numbers);
}

}  // namespace backflow::kernels
#endif

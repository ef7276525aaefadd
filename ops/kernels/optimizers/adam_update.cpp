#include <backflow/ops/kernels/optimizers/adam_update.h>

#include <cmath>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/optimizers/adam_update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <backflow/ops/kernels/optimizers/update_loop.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The numbers of one parameter's step, in its dtype.
template <class T>
struct AdamFactors {
  T decay;  ///< added to the gradient, or multiplied with the parameter
  T beta1;
  T one_minus_beta1;
  T beta2;
  T one_minus_beta2;
  T root_of_correction;
  T eps;
  T minus_step_size;
};

enum class Decay { None, OfGradient, OfParameter };

template <Decay kDecay, bool kAmsgrad, class T>
struct AdamStep {
  static constexpr std::array<bool, kUpdateStates> kReads = {true, true, kAmsgrad};
  static constexpr auto kWrites = kReads;
  AdamFactors<T> f;

  template <class D, class V>
  HWY_INLINE void operator()(D d, V& p, V g, V& m, V& v, V& u) const {
    if constexpr (kDecay == Decay::OfGradient) {
      g = hn::Add(g, hn::Mul(hn::Set(d, f.decay), p));
    } else if constexpr (kDecay == Decay::OfParameter) {
      p = hn::Mul(p, hn::Set(d, f.decay));
    }
    m = hn::Add(hn::Mul(m, hn::Set(d, f.beta1)), hn::Mul(hn::Set(d, f.one_minus_beta1), g));
    v = hn::Add(hn::Mul(v, hn::Set(d, f.beta2)), hn::Mul(hn::Mul(hn::Set(d, f.one_minus_beta2), g), g));
    if constexpr (kAmsgrad) {
      u = hn::IfThenElse(hn::Or(hn::Lt(u, v), hn::IsNaN(v)), v, u);
    }
    const V root = hn::Sqrt(kAmsgrad ? u : v);
    const V denominator = hn::Add(hn::Div(root, hn::Set(d, f.root_of_correction)), hn::Set(d, f.eps));
    p = hn::Add(p, hn::Div(hn::Mul(hn::Set(d, f.minus_step_size), m), denominator));
  }
};

template <bool kAmsgrad, class T>
void adam_piece(const UpdatePiece<T>& x, const AdamFactors<T>& f, Decay decay) {
  switch (decay) {
    case Decay::None:
      return update_loop(x, AdamStep<Decay::None, kAmsgrad, T>{f});
    case Decay::OfGradient:
      return update_loop(x, AdamStep<Decay::OfGradient, kAmsgrad, T>{f});
    case Decay::OfParameter:
      return update_loop(x, AdamStep<Decay::OfParameter, kAmsgrad, T>{f});
  }
}

template <class T>
AdamFactors<T> factors_of(const AdamNumbers& n, std::int64_t step) {
  const auto t = static_cast<double>(step);
  const double decay = n.decay == WeightDecay::OfGradient ? n.weight_decay : 1 - n.lr * n.weight_decay;
  return {static_cast<T>(decay),       static_cast<T>(n.beta1),
          static_cast<T>(1 - n.beta1), static_cast<T>(n.beta2),
          static_cast<T>(1 - n.beta2), static_cast<T>(std::sqrt(1 - std::pow(n.beta2, t))),
          static_cast<T>(n.eps),       static_cast<T>(-(n.lr / (1 - std::pow(n.beta1, t))))};
}

void adam(std::span<const UpdateOperand> operands, const AdamNumbers& numbers) {
  const Decay decay = numbers.weight_decay == 0                  ? Decay::None
                      : numbers.decay == WeightDecay::OfGradient ? Decay::OfGradient
                                                                 : Decay::OfParameter;
  for_each_piece(operands, "adam_update", [&]<class T>(const UpdateOperand& operand, const UpdatePiece<T>& piece) {
    const auto factors = factors_of<T>(numbers, operand.step);
    piece.s[2] != nullptr ? adam_piece<true>(piece, factors, decay) : adam_piece<false>(piece, factors, decay);
  });
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(adam);

void adam_update(std::span<const UpdateOperand> operands, const AdamNumbers& numbers) {
  HWY_DYNAMIC_DISPATCH(adam)(operands, numbers);
}

}  // namespace backflow::kernels
#endif

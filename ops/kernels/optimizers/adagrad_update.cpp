#include <backflow/ops/kernels/optimizers/adagrad_update.h>

// Highway compiles this file once for each instruction set and chooses among the results at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backflow/ops/kernels/optimizers/adagrad_update.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <backflow/ops/kernels/optimizers/update_loop.h>

HWY_BEFORE_NAMESPACE();
namespace backflow::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The numbers of one parameter's step, in its dtype.
template <class T>
struct AdagradFactors {
  T minus_lr;
  T eps;
  T weight_decay;
};

template <class T>
struct AdagradStep {
  static constexpr std::array<bool, kUpdateStates> kReads = {true, false, false};
  static constexpr auto kWrites = kReads;
  AdagradFactors<T> f;

  template <class D, class V>
  HWY_INLINE void operator()(D d, V& p, V g, V& s, V& /*none*/, V& /*none*/) const {
    if (f.weight_decay != 0) {
      g = hn::Add(g, hn::Mul(hn::Set(d, f.weight_decay), p));
    }
    s = hn::Add(s, hn::Mul(g, g));
    const V root = hn::Add(hn::Sqrt(s), hn::Set(d, f.eps));
    p = hn::Add(p, hn::Div(hn::Mul(hn::Set(d, f.minus_lr), g), root));
  }
};

template <class T>
void adagrad_piece(const UpdatePiece<T>& x, const AdagradFactors<T>& f) {
  update_loop(x, AdagradStep<T>{f});
}

void adagrad(std::span<const UpdateOperand> operands, const AdagradNumbers& numbers) {
  for_each_piece(operands, "adagrad_update", [&]<class T>(const UpdateOperand& operand, const UpdatePiece<T>& piece) {
    const double lr = numbers.lr / (1 + static_cast<double>(operand.step - 1) * numbers.lr_decay);
    adagrad_piece(piece, AdagradFactors<T>{static_cast<T>(-lr), static_cast<T>(numbers.eps),
                                           static_cast<T>(numbers.weight_decay)});
  });
}

}  // namespace backflow::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backflow::kernels {

HWY_EXPORT(adagrad);

void adagrad_update(std::span<const UpdateOperand> operands, const AdagradNumbers& numbers) {
  HWY_DYNAMIC_DISPATCH(adagrad)(operands, numbers);
}

}  // namespace backflow::kernels
#endif

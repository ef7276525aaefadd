// Losses of the difference between an input and a target.
#include <backflow/ops/elementwise/masks_internal.h>
#include <backflow/ops/losses/loss_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Loss;

/// The difference goes against the target.
template <class Op>
struct DifferenceLoss : PairLoss<Op> {
  Tensor target_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    return neg(static_cast<const Op&>(*this).input_gradient(g, value, t));
  }
};

struct MseLoss : DifferenceLoss<MseLoss> {
  static constexpr OperatorInfo info = {
      .signature = "mse_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula = "y = (x - t)^2, reduced over all elements;  dx = 2 (x - t) dy / n for the mean, dt = -dx",
      .doc = "Squared error of two tensors of one shape and floating-point dtype; reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "MseLossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, std::int64_t reduction) {
    return value(Loss::Squared, x, t, reduction);
  }
  void save(Needs, const Tensor& x_, const Tensor& t, std::int64_t reduction_, const Tensor&) {
    keep(Loss::Squared, x_, t, reduction_);
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const { return (value - t) * (g * 2); }
};

struct L1Loss : DifferenceLoss<L1Loss> {
  static constexpr OperatorInfo info = {
      .signature = "l1_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula = "y = |x - t|, reduced over all elements;  dx = sign(x - t) dy / n for the mean, dt = -dx",
      .doc = "Absolute error of two tensors of one shape and floating-point dtype; reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "L1LossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, std::int64_t reduction) {
    return value(Loss::Absolute, x, t, reduction);
  }
  void save(Needs, const Tensor& x_, const Tensor& t, std::int64_t reduction_, const Tensor&) {
    keep(Loss::Absolute, x_, t, reduction_);
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    return slope_of_abs(value - t) * g;
  }
};

struct SmoothL1Loss : DifferenceLoss<SmoothL1Loss> {
  static constexpr OperatorInfo info = {
      .signature = "smooth_l1_loss(Tensor input, Tensor target, int reduction=1, float beta=1.0) -> Tensor",
      .formula =
          "y = (x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2, reduced;  dx = dy min(max((x - t) / "
          "beta, -1), 1) / n for the mean, dt = -dx",
      .doc =
          "Absolute error that is squared near 0 (Girshick, Fast R-CNN, 2015), of two tensors of one shape and "
          "floating-point dtype; for beta = 0 l1_loss. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "SmoothL1LossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, std::int64_t reduction, double beta) {
    check(beta >= 0, "smooth_l1_loss: beta ", beta, ": need at least 0");
    return value(Loss::Smooth, x, t, reduction, {beta});
  }
  void save(Needs, const Tensor& x_, const Tensor& t, std::int64_t reduction_, double beta, const Tensor&) {
    keep(Loss::Smooth, x_, t, reduction_, {beta});
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    const Tensor difference = value - t;
    return (params[0] == 0 ? sign(difference) : clamp(difference / params[0], -1, 1)) * g;
  }
};

struct HuberLoss : DifferenceLoss<HuberLoss> {
  static constexpr OperatorInfo info = {
      .signature = "huber_loss(Tensor input, Tensor target, int reduction=1, float delta=1.0) -> Tensor",
      .formula =
          "y = (x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta / 2), reduced;  dx = dy min(max(x - "
          "t, -delta), delta) / n for the mean, dt = -dx",
      .doc =
          "Squared error that is linear far from 0 (Huber, 1964), of two tensors of one shape and floating-point "
          "dtype; "
          "delta must be positive. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "HuberLossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, std::int64_t reduction, double delta) {
    check(delta > 0, "huber_loss: delta ", delta, ": need a positive number");
    return value(Loss::Huber, x, t, reduction, {delta});
  }
  void save(Needs, const Tensor& x_, const Tensor& t, std::int64_t reduction_, double delta, const Tensor&) {
    keep(Loss::Huber, x_, t, reduction_, {delta});
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    return clamp(value - t, -params[0], params[0]) * g;
  }
};

}  // namespace

#include <backflow/ops/difference_losses_functions.inc>

OperatorFamily difference_losses_operators() {
  return family<MseLoss, L1Loss, SmoothL1Loss, HuberLoss>("difference_losses");
}

}  // namespace backflow

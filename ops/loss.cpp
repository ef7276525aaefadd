// Losses.
#include <algorithm>

#include <backflow/ops/kernels/elementwise.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/reduction.h>

namespace backflow {
namespace {

using Needs = std::span<const bool>;

/// Checks log-probabilities [rows, classes] and the class of each row.
void check_targets(const char* where, const Tensor& x, const Tensor& target) {
  check(x.dim() == 2 && target.dim() == 1 && x.size(0) == target.size(0), where, ": input ", describe(x), ", target ",
        describe(target), ": need an input [rows, classes] and a target [rows]");
  check(target.scalar_type() == kInt64, where, ": target ", describe(target), ": need int64 class indices");
  check(x.is_floating_point(), where, ": input ", describe(x), ": need a floating-point tensor");
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    const std::int64_t c = target.data_ptr<std::int64_t>()[i * target.stride(0)];
    check(c >= 0 && c < x.size(1), where, ": target ", c, " in row ", i, ": need a class in [0, ", x.size(1), ")");
  }
}

/// Calls f(row, offset of the row's class in x).
template <class F>
void for_each_target(const Tensor& x, const Tensor& target, const F& f) {
  const std::int64_t* classes = target.data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < target.numel(); ++i) {
    f(i, i * x.stride(0) + classes[i * target.stride(0)] * x.stride(1));
  }
}

struct NllLoss {
  static constexpr OperatorInfo info = {
      .name = "nll_loss",
      .signature = "nll_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula = "y = -x[i, target[i]], reduced over rows i;  dx[i, target[i]] = -dy / n for the mean",
      .doc =
          "Negative log-likelihood of log-probabilities [rows, classes] and int64 classes [rows]; reduction is None, "
          "Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "NllLossBackward0",
  };
  SavedTensor target;
  DimVector sizes;
  std::int64_t reduction_;
  static Tensor forward(const Tensor& x, const Tensor& target, std::int64_t reduction) {
    check_targets("nll_loss", x, target);
    if (x.scalar_type() == kBFloat16) {
      return to(forward(to(x, kFloat32), target, reduction), kBFloat16);
    }
    const Tensor rows = empty_tensor_like(target, x.scalar_type());
    dispatch_floating(x.scalar_type(), "nll_loss", [&](auto zero) {
      using T = decltype(zero);
      for_each_target(x, target, [from = x.data_ptr<T>(), to = rows.data_ptr<T>()](std::int64_t i, std::int64_t at) {
        to[i] = -from[at];
      });
    });
    return reduce("nll_loss", rows, reduction);
  }
  void save(Needs, const Tensor& x, const Tensor& target_, std::int64_t reduction, const Tensor&) {
    target.save(target_);
    sizes = x.sizes();
    reduction_ = reduction;
  }
  void backward(Backward& b) const { b.dx(0) = nll_loss_backward(b.dy(), b(target), sizes, reduction_); }
};

struct NllLossGradient {
  static constexpr OperatorInfo info = {
      .name = "nll_loss_backward",
      .signature = "nll_loss_backward(Tensor grad, Tensor target, int[] input_sizes, int reduction) -> Tensor",
      .formula = "dx = zeros with -dy (/ n for the mean) at [i, target[i]];  its own gradient is nll_loss(g)",
      .doc = "The gradient of nll_loss; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "NllLossBackwardBackward0",
  };
  SavedTensor target;
  std::int64_t reduction_;
  static Tensor forward(const Tensor& dy, const Tensor& target, IntArrayRef sizes, std::int64_t reduction) {
    if (dy.scalar_type() == kBFloat16) {
      return to(forward(to(dy, kFloat32), target, sizes, reduction), kBFloat16);
    }
    Tensor dx = empty_tensor(sizes, dy.scalar_type());
    check_targets("nll_loss_backward", dx, target);
    check(reduction == Reduction::None ? dy.sizes() == target.sizes() : dy.dim() == 0, "nll_loss_backward: gradient ",
          describe(dy), ", target ", describe(target), ": need one number, or one for each row for Reduction::None");
    kernels::fill(dx, 0);
    const auto rows = static_cast<double>(std::max<std::int64_t>(target.numel(), 1));
    const std::int64_t step = dy.dim() == 0 ? 0 : dy.stride(0);
    dispatch_floating(dy.scalar_type(), "nll_loss_backward", [&](auto zero) {
      using T = decltype(zero);
      const T scale = reduction == Reduction::Mean ? static_cast<T>(rows) : T{1};
      const T* from = dy.data_ptr<T>();
      for_each_target(dx, target, [&, to = dx.data_ptr<T>()](std::int64_t i, std::int64_t at) {
        to[at] = -from[i * step] / scale;
      });
    });
    return dx;
  }
  void save(Needs, const Tensor&, const Tensor& target_, IntArrayRef, std::int64_t reduction, const Tensor&) {
    target.save(target_);
    reduction_ = reduction;
  }
  void backward(Backward& b) const { b.dx(0) = nll_loss(b.dy(), b(target), reduction_); }
};

struct CrossEntropyLoss {
  static constexpr OperatorInfo info = {
      .name = "cross_entropy_loss",
      .signature = "cross_entropy_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula = "y = nll_loss(log_softmax(x, 1), target)",
      .doc =
          "Cross-entropy of scores (logits) [rows, classes] and int64 classes [rows]; reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& target, std::int64_t reduction) {
    check(x.dim() == 2, "cross_entropy: input ", describe(x), ": need scores [rows, classes]");
    return nll_loss(log_softmax(x, 1), target, reduction);
  }
};

struct MseLoss {
  static constexpr OperatorInfo info = {
      .name = "mse_loss",
      .signature = "mse_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula = "y = (x - w)^2, reduced over all elements;  dx = 2 (x - w) dy / n for the mean, dw = -dx",
      .doc = "Squared error of two tensors of one shape and floating-point dtype; reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "MseLossBackward0",
  };
  SavedTensor x;
  SavedTensor w;
  std::int64_t reduction_;
  static Tensor forward(const Tensor& x, const Tensor& w, std::int64_t reduction) {
    check(x.sizes() == w.sizes() && x.scalar_type() == w.scalar_type() && x.is_floating_point(), "mse_loss: input ",
          describe(x), ", target ", describe(w), ": need one shape and one floating-point dtype");
    return reduce("mse_loss", pow(sub(x, w), 2), reduction);
  }
  void save(Needs, const Tensor& x_, const Tensor& w_, std::int64_t reduction, const Tensor&) {
    x.save(x_);
    w.save(w_);
    reduction_ = reduction;
  }
  void backward(Backward& b) const {
    const Tensor difference = b(x) - b(w);
    const double factor = reduction_ == Reduction::Mean ? 2.0 / static_cast<double>(difference.numel()) : 2.0;
    const Tensor dx = difference * (b.dy() * factor);
    if (b.wants(0)) {
      b.dx(0) = dx;
    }
    if (b.wants(1)) {
      b.dx(1) = neg(dx);
    }
  }
};

}  // namespace

Tensor reduce(const char* where, const Tensor& losses, std::int64_t reduction) {
  check(reduction >= Reduction::None && reduction <= Reduction::Sum, where, ": reduction ", reduction,
        ": need Reduction::None, Mean or Sum");
  if (reduction == Reduction::None) {
    return losses;
  }
  return reduction == Reduction::Mean ? mean(losses) : sum(losses);
}

#include <backflow/ops/loss_functions.inc>

OperatorFamily loss_operators() { return family<NllLoss, NllLossGradient, CrossEntropyLoss, MseLoss>("loss"); }

}  // namespace backflow

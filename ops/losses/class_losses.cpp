// Negative log-likelihood of classes.
#include <backflow/ops/losses/class_losses_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// The loss of log-probabilities, of any of the shapes.
Tensor nll_of(const char* where, const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
              std::int64_t ignored) {
  check_reduction(where, reduction);
  const ClassPositions positions(where, x.sizes(), target, ignored);
  check_scores(where, x, weight, positions.at().classes);
  const ScalarType wide = computed(x.scalar_type());
  const Tensor losses = reduction == Reduction::None ? empty_tensor(target.sizes(), wide) : Tensor();
  const kernels::ClassSums sums = kernels::nll(positions.at(), losses, dense(x, wide), class_weight(weight, wide));
  positions.check_none_bad(sums.bad);
  return reduce_classes(losses, sums, reduction, x.scalar_type());
}

/// What both forms of the loss have in common.
struct NllState {
  SavedTensor target;
  SavedTensor weight;
  DimVector sizes;
  std::int64_t reduction_;
  std::int64_t ignored;

  void save(Needs needs, const Tensor& x, const Tensor& target_, const Tensor& weight_, std::int64_t reduction,
            std::int64_t ignore_index, const Tensor&) {
    check_constant("nll_loss", "weight", needs[2]);
    target.save(target_);
    if (weight_.defined()) {
      weight.save(weight_);
    }
    sizes = x.sizes();
    reduction_ = reduction;
    ignored = ignore_index;
  }
  void backward(Backward& b) const {
    b.dx(0) = nll_loss_backward(b.dy(), b(target), weight.defined() ? b(weight) : Tensor(), sizes, reduction_, ignored);
  }
  static Cost cost(const Tensor& x, const Tensor&, const Tensor&, std::int64_t, std::int64_t) {
    return elementwise_cost(x, 1);
  }
};

struct NllLoss : NllState {
  static constexpr OperatorInfo info = {
      .signature =
          "nll_loss(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> "
          "Tensor",
      .formula =
          "y = -w[t] x[i, t] for t = target[i], reduced over rows i; the mean is the sum / sum of w[t];  dx[i, t] = "
          "-w[t] dy / sum of w[t] for the mean",
      .doc =
          "Negative log-likelihood of log-probabilities [classes] or [rows, classes] and int64 classes [] or [rows]. "
          "Rows of class ignore_index are skipped; any other class out of range is an Error that names the row. weight "
          "has one number for each class, in the input's dtype, and no gradient. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "NllLossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                        std::int64_t ignore_index) {
    check(x.dim() <= 2, "nll_loss: input ", describe(x),
          ": need log-probabilities [classes] or [rows, classes]; nll_loss_nd takes more dimensions");
    return nll_of(info.name, x, target, weight, reduction, ignore_index);
  }
};

struct NllLoss2d : NllState {
  static constexpr OperatorInfo info = {
      .signature =
          "nll_loss2d(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> "
          "Tensor",
      .formula = "y = -w[t] x[i, t, j] for t = target[i, j], reduced over i and j as nll_loss",
      .doc =
          "nll_loss of log-probabilities [rows, classes, d1, ...] and classes [rows, d1, ...], with one or more "
          "dimensions after the classes.",
      .dtypes = kFloatingDtypes,
      .node = "NllLoss2DBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                        std::int64_t ignore_index) {
    check(x.dim() >= 3, "nll_loss2d: input ", describe(x), ": need log-probabilities [rows, classes, d1, ...]");
    return nll_of(info.name, x, target, weight, reduction, ignore_index);
  }
};

struct NllLossNd {
  static constexpr OperatorInfo info = {
      .signature =
          "nll_loss_nd(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100) -> "
          "Tensor",
      .formula = "y = nll_loss, or nll_loss2d where the input has more than two dimensions",
      .doc = "Negative log-likelihood of log-probabilities [classes], [rows, classes] or [rows, classes, d1, ...].",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                        std::int64_t ignore_index) {
    return x.dim() <= 2 ? nll_loss(x, target, weight, reduction, ignore_index)
                        : nll_loss2d(x, target, weight, reduction, ignore_index);
  }
};

struct NllLossGradient {
  static constexpr OperatorInfo info = {
      .signature =
          "nll_loss_backward(Tensor grad, Tensor target, Tensor? weight, int[] input_sizes, int reduction, int "
          "ignore_index) -> Tensor",
      .formula =
          "dx = zeros with -w[t] dy (/ sum of w[t] for the mean) at the class t of each position;  its own gradient is "
          "nll_loss_nd(g)",
      .doc = "The gradient of nll_loss_nd; linear in the first operand.",
      .dtypes = kFloatingDtypes,
      .node = "NllLossBackwardBackward0",
  };
  SavedTensor target;
  SavedTensor weight;
  std::int64_t reduction_;
  std::int64_t ignored;
  static Tensor forward(const Tensor& dy, const Tensor& target, const Tensor& weight, IntArrayRef sizes,
                        std::int64_t reduction, std::int64_t ignore_index) {
    const char* const where = info.name;
    check_reduction(where, reduction);
    const ClassPositions positions(where, sizes, target, ignore_index);
    check_scores(where, dy, weight, positions.at().classes);
    check(reduction == Reduction::None ? dy.sizes() == target.sizes() : dy.dim() == 0, where, ": gradient ",
          describe(dy), ", target ", describe(target), ": need one number, or one for each row for Reduction::None");
    const ScalarType wide = computed(dy.scalar_type());
    const Tensor w = class_weight(weight, wide);
    const double divisor = reduction == Reduction::Mean ? kernels::sum_weights(positions.at(), w).weight : 1;
    const Tensor dx = empty_tensor(sizes, wide);
    positions.check_none_bad(kernels::nll_backward(positions.at(), dx, dense(dy, wide), w, divisor));
    return converted(dx, dy.scalar_type());
  }
  void save(Needs, const Tensor&, const Tensor& target_, const Tensor& weight_, IntArrayRef, std::int64_t reduction,
            std::int64_t ignore_index, const Tensor&) {
    target.save(target_);
    if (weight_.defined()) {
      weight.save(weight_);
    }
    reduction_ = reduction;
    ignored = ignore_index;
  }
  void backward(Backward& b) const {
    b.dx(0) = nll_loss_nd(b.dy(), b(target), weight.defined() ? b(weight) : Tensor(), reduction_, ignored);
  }
};

}  // namespace

#include <backflow/ops/class_losses_functions.inc>

OperatorFamily class_losses_operators() {
  return family<NllLoss, NllLoss2d, NllLossNd, NllLossGradient>("class_losses");
}

}  // namespace backflow

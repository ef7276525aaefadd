// Losses of probabilities, and of what they are computed from.
#include <cmath>

#include <backflow/ops/elementwise/masks_internal.h>
#include <backflow/ops/losses/loss_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::Loss;

/// Throws Error when an input is not in [0, 1], which made NaN of its loss.
void check_probabilities(const Tensor& x, const Tensor& losses) {
  if (!std::isnan(sum(losses).item<double>())) {
    return;
  }
  const Tensor values = to(x, kFloat64).contiguous();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const double p = values.const_data_ptr<double>()[i];
    check(p >= 0 && p <= 1, "binary_cross_entropy: input ", p, " in element ", i,
          ": need probabilities in [0, 1]; binary_cross_entropy_with_logits takes any numbers");
  }
}

struct BinaryCrossEntropy : PairLoss<BinaryCrossEntropy> {
  static constexpr OperatorInfo info = {
      .signature = "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor",
      .formula =
          "y = -w (t log(x) + (1 - t) log(1 - x)) with logarithms of at least -100, reduced;  dx = w dy ((1 - t) / "
          "max(1 - x, 1e-12) - t / max(x, 1e-12)) / n for the mean, dt = w dy (log(1 - x) - log(x)) / n",
      .doc =
          "Cross-entropy of probabilities and targets of one floating-point dtype. An Error for an input outside of "
          "[0, 1]. Dimensions of size 1 are ignored: a target [200] fits an input [200, 1]. The weight has their "
          "dtype, broadcasts to their shape, and has no gradient. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "BinaryCrossEntropyBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, const Tensor& weight, std::int64_t reduction) {
    Tensor y = value(Loss::CrossEntropy, x, t, reduction, {}, weight);
    check_probabilities(x, y);
    return y;
  }
  void save(Needs needs, const Tensor& x_, const Tensor& t, const Tensor& weight_, std::int64_t reduction_,
            const Tensor&) {
    check_constant(info.name, "weight", needs[2]);
    keep(Loss::CrossEntropy, x_, t, reduction_, {}, weight_);
  }
  static Tensor fitted(const Tensor& t, const Tensor& x) {
    if (!t.defined() || !x.defined() || t.sizes() == x.sizes()) {
      return t;
    }
    const Tensor squeezed = squeeze(t);
    const DimVector sizes(squeeze(x).sizes());
    check(is_expandable_to(squeezed.sizes(), sizes), info.name, ": input ", describe(x), ", target ", describe(t),
          ": need one shape and one floating-point dtype, apart from dimensions of size 1");
    return reshape(expand(squeezed, sizes), x.sizes());
  }
  static Tensor unfitted(const Tensor& dt, const Tensor& t) {
    return dt.sizes() == t.sizes() ? dt : reshape(sum_to_size(squeeze(dt), squeeze(t).sizes()), t.sizes());
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    return ((1 - t) / clamp_min(1 - value, 1e-12) - t / clamp_min(value, 1e-12)) * g;
  }
  Tensor target_gradient(const Tensor& g, const Tensor& value, const Tensor&) const {
    return (clamp_min(log1p(neg(value)), -100) - clamp_min(log(value), -100)) * g;
  }
};

struct BinaryCrossEntropyWithLogits : PairLoss<BinaryCrossEntropyWithLogits> {
  static constexpr OperatorInfo info = {
      .signature =
          "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, "
          "int reduction=1) -> Tensor",
      .formula =
          "y = -w (p t log(s) + (1 - t) log(1 - s)) with s = sigmoid(x), reduced;  dx = w dy ((1 - t) s - p t (1 - s)) "
          "/ n for the mean, dt = w dy (log(1 - s) - p log(s)) / n",
      .doc =
          "Cross-entropy of logits and targets of one shape and floating-point dtype, without overflow. weight w and "
          "pos_weight p, that of the positive class, have their dtype and broadcast to their shape; they have no "
          "gradient. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "BinaryCrossEntropyWithLogitsBackward0",
  };
  SavedTensor pos_weight;
  static Tensor forward(const Tensor& x, const Tensor& t, const Tensor& weight, const Tensor& positive,
                        std::int64_t reduction) {
    if (!positive.defined()) {
      return value(Loss::Logits, x, t, reduction, {}, weight);
    }
    check_pair(info.name, x, t);
    check_weight(info.name, "pos_weight", positive, x);
    check_weight(info.name, "weight", weight, x);
    if (x.scalar_type() == kBFloat16) {
      return to(forward(widened(x), widened(t), widened(weight), widened(positive), reduction), kBFloat16);
    }
    Tensor y = empty_tensor_like(x, x.scalar_type());
    kernels::weighted_logits(y, x, t, positive);
    return reduce(info.name, weight.defined() ? y * weight : y, reduction);
  }
  void save(Needs needs, const Tensor& x_, const Tensor& t, const Tensor& weight_, const Tensor& positive,
            std::int64_t reduction_, const Tensor&) {
    check_constant(info.name, "weight", needs[2]);
    check_constant(info.name, "pos_weight", needs[3]);
    keep(Loss::Logits, x_, t, reduction_, {}, weight_);
    if (positive.defined()) {
      pos_weight.save(positive);
    }
  }
  void backward(Backward& b) const {
    if (!pos_weight.defined()) {
      PairLoss::backward(b);
      return;
    }
    const Tensor value = b(x);
    const Tensor t = b(target);
    const Tensor more = b(pos_weight) - 1;
    const Tensor g = (weight.defined() ? b.dy() * b(weight) : b.dy()) /
                     (reduction == Reduction::Mean ? static_cast<double>(value.numel()) : 1);
    b.set_dx(0, [&] { return ((more * t + 1) * sigmoid(value) - more * t - t) * g; });
    b.set_dx(1, [&] { return neg((value + more * log_sigmoid(value)) * g); });
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    return (sigmoid(value) - t) * g;
  }
  Tensor target_gradient(const Tensor& g, const Tensor& value, const Tensor&) const { return neg(value * g); }
};

struct KlDiv : PairLoss<KlDiv> {
  static constexpr OperatorInfo info = {
      .signature = "kl_div(Tensor input, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor",
      .formula =
          "y = t (log(t) - x), 0 where t = 0, or e^t (t - x) with log_target, reduced;  dx = -t dy / n for the mean, "
          "dt "
          "= dy (log(t) + 1 - x) / n, or dx = -e^t dy / n, dt = dy e^t (t + 1 - x) / n",
      .doc =
          "Kullback-Leibler divergence of log-probabilities x from probabilities t, or with log_target their "
          "logarithms, of one shape and floating-point dtype. reduction is None, Mean over all elements, or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "KlDivBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, std::int64_t reduction, bool log_target) {
    return value(loss_of(log_target), x, t, reduction);
  }
  void save(Needs, const Tensor& x_, const Tensor& t, std::int64_t reduction_, bool log_target, const Tensor&) {
    keep(loss_of(log_target), x_, t, reduction_);
  }
  Tensor input_gradient(const Tensor& g, const Tensor&, const Tensor& t) const {
    return neg((f == Loss::LogDivergence ? exp(t) : t) * g);
  }
  Tensor target_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    // e^t is 0 far above the bound.
    return (f == Loss::LogDivergence ? exp(t) * (clamp_min(t, -1e4) - value + 1) : log(t) - value + 1) * g;
  }

 private:
  static Loss loss_of(bool log_target) { return log_target ? Loss::LogDivergence : Loss::Divergence; }
};

struct PoissonNllLoss : PairLoss<PoissonNllLoss> {
  static constexpr OperatorInfo info = {
      .signature =
          "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> "
          "Tensor",
      .formula =
          "y = e^x - t x, or x - t log(x + eps) without log_input; with full plus t log(t) - t + log(2 pi t) / 2 where "
          "t > 1",
      .doc =
          "Negative log-likelihood of counts t for a Poisson distribution with the mean e^x, or x: two tensors of one "
          "shape and floating-point dtype. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "PoissonNllLossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, bool log_input, bool full, double eps,
                        std::int64_t reduction) {
    return value(loss_of(log_input), x, t, reduction, {eps, 0, full ? 1.0 : 0.0});
  }
  void save(Needs, const Tensor& x_, const Tensor& t, bool log_input, bool full, double eps, std::int64_t reduction_,
            const Tensor&) {
    keep(loss_of(log_input), x_, t, reduction_, {eps, 0, full ? 1.0 : 0.0});
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    if (f == Loss::LogCounts) {
      return (exp(value) - t) * g;
    }
    const Tensor mean = value + params[0];
    return (1 - t / masked_fill(mean, logical_and(t.detach() == 0, mean.detach() == 0), 1)) * g;
  }
  Tensor target_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    if (value.scalar_type() == kBFloat16) {  // logarithms that cancel are not to be rounded first
      return to(target_gradient(widened(g), widened(value), widened(t)), kBFloat16);
    }
    const Tensor dt = neg(f == Loss::LogCounts ? value : log(value + params[0]));
    if (params[2] == 0) {
      return dt * g;
    }
    const Tensor many = clamp_min(t, 1);
    return (dt + relu_backward(log(many) + 0.5 / many, where_holds(functions::Greater{}, t, 1))) * g;
  }

 private:
  static Loss loss_of(bool log_input) { return log_input ? Loss::LogCounts : Loss::Counts; }
};

}  // namespace

#include <backflow/ops/probability_losses_functions.inc>

OperatorFamily probability_losses_operators() {
  return family<BinaryCrossEntropy, BinaryCrossEntropyWithLogits, KlDiv, PoissonNllLoss>("probability_losses");
}

}  // namespace backflow

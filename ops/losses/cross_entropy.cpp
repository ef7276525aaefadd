// Cross-entropy of scores and classes, or probabilities of classes.
#include <algorithm>
#include <cmath>

#include <backflow/ops/elementwise/masks_internal.h>
#include <backflow/ops/losses/class_losses_internal.h>

namespace backflow {
namespace {

using namespace detail;

constexpr const char* kName = "cross_entropy_loss";

bool any_of(const Tensor& mask) {
  const bool* const first = mask.const_data_ptr<bool>();
  return std::find(first, first + mask.numel(), true) != first + mask.numel();
}

/// The scores with zeros at positions that are ignored, so that nothing of these, not even NaN, is left in gradients.
Tensor without_ignored(const Tensor& x, const Tensor& target, std::int64_t ignored) {
  DimVector sizes(x.sizes());
  sizes[static_cast<std::size_t>(class_dim(x))] = 1;
  const Tensor mask = unsqueeze(where_holds(functions::Equal{}, target, ignored), class_dim(x));
  const bool fits = mask.sizes() == IntArrayRef(sizes);  // else the loss says what is wrong
  return fits && any_of(mask.contiguous()) ? masked_fill(x, mask, 0) : x;
}

/// The loss of rows of scores, from the logarithm of the sum of the powers of each: no log-probability but the wanted
/// one is ever written.
struct RowsCrossEntropy {
  static constexpr OperatorInfo info = {
      .signature =
          "_cross_entropy(Tensor input, Tensor target, Tensor? weight, int reduction, int ignore_index, float "
          "label_smoothing) -> (Tensor, Tensor)",
      .formula =
          "y = w[t] ((1 - s) l[t] + s mean(l)) with l = -log_softmax(x), reduced as nll_loss;  dx = w[t] dy "
          "(softmax(x) - (1 - s) onehot(t) - s / classes), / sum of w[t] for the mean",
      .doc =
          "cross_entropy_loss of scores [rows, classes] and int64 classes [rows]. The second result, [rows, 2], is for "
          "its gradient. The weight has no gradient.",
      .dtypes = kFloatingDtypes,
      .node = "NllLossBackward0",
  };
  SavedTensor x;
  SavedTensor target;
  SavedTensor weight;
  SavedTensor statistics;
  std::int64_t reduction_;
  std::int64_t ignored;
  double smoothing_;

  static std::tuple<Tensor, Tensor> forward(const Tensor& x, const Tensor& target, const Tensor& weight,
                                            std::int64_t reduction, std::int64_t ignore_index, double smoothing) {
    check(x.dim() == 2, kName, ": input ", describe(x), ": need scores [rows, classes]");
    check_reduction(kName, reduction);
    const ClassPositions positions(kName, x.sizes(), target, ignore_index);
    check_scores(kName, x, weight, x.size(1));
    const ScalarType wide = computed(x.scalar_type());
    const Tensor losses = reduction == Reduction::None ? empty_tensor(target.sizes(), wide) : Tensor();
    Tensor statistics = empty_tensor({x.size(0), 2}, wide);
    const kernels::ClassSums sums = kernels::cross_entropy(positions.at(), losses, statistics, dense(x, wide),
                                                           class_weight(weight, wide), smoothing);
    positions.check_none_bad(sums.bad);
    return {reduce_classes(losses, sums, reduction, x.scalar_type()), statistics};
  }
  void save(Needs needs, const Tensor& x_, const Tensor& target_, const Tensor& weight_, std::int64_t reduction,
            std::int64_t ignore_index, double smoothing, const std::tuple<Tensor, Tensor>& result) {
    check_constant(kName, "weight", needs[2]);
    x.save(x_);
    target.save(target_);
    if (weight_.defined()) {
      weight.save(weight_);
    }
    statistics.save(std::get<1>(result));
    reduction_ = reduction;
    ignored = ignore_index;
    smoothing_ = smoothing;
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    const ClassPositions positions(kName, value.sizes(), b(target), ignored);
    const ScalarType wide = computed(value.scalar_type());
    const Tensor w = class_weight(weight.defined() ? b(weight) : Tensor(), wide);
    const double divisor = reduction_ == Reduction::Mean ? kernels::sum_weights(positions.at(), w).weight : 1;
    if (GradMode::is_enabled()) {
      b.dx(0) = recorded(b.dy(), value, positions, w, divisor);
      return;
    }
    const Tensor dx = empty_tensor(value.sizes(), wide);
    positions.check_none_bad(kernels::cross_entropy_backward(
        positions.at(), dx, dense(b.dy(), wide), dense(value, wide), b(statistics), w, smoothing_, divisor));
    b.dx(0) = converted(dx, value.scalar_type());
  }
  template <class... Args>
  static Cost cost(const Tensor& x, const Args&...) {
    return elementwise_cost(x, 2);
  }
  template <class... Args>
  static Cost forward_cost(const Tensor& x, const Args&...) {
    return elementwise_cost(x, 1);
  }

 private:
  /// dy (softmax(x) - the wanted probabilities) factor, by rows.
  Tensor recorded(const Tensor& dy, const Tensor& value, const ClassPositions& positions, const Tensor& w,
                  double divisor) const {
    const std::int64_t rows = value.size(0);
    const std::int64_t classes = value.size(1);
    Tensor wanted;
    Tensor factors;
    Tensor left_out;
    {
      const NoGradGuard constants;
      wanted = full(value.sizes(), smoothing_ / static_cast<double>(classes), kFloat64);
      factors = zeros({rows, 1}, kFloat64);
      left_out = ones({rows, 1}, kBool);
      const Tensor weights = w.defined() ? to(w, kFloat64) : ones({classes}, kFloat64);
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t c = positions.at().target[i];
        if (c != ignored) {
          wanted.mutable_data_ptr<double>()[i * classes + c] += 1 - smoothing_;
          factors.mutable_data_ptr<double>()[i] = weights.const_data_ptr<double>()[c] / divisor;
          left_out.mutable_data_ptr<bool>()[i] = weights.const_data_ptr<double>()[c] == 0;
        }
      }
    }
    const ScalarType dtype = value.scalar_type();
    const Tensor by_row = dy.dim() == 0 ? dy : reshape(dy, {rows, 1});
    const Tensor scores = any_of(left_out) ? masked_fill(value, left_out, 0) : value;
    return (softmax(scores, 1) - to(wanted, dtype)) * (by_row * to(factors, dtype));
  }
};

/// -the sum over classes of the log-probabilities, times their weights, at positions that are not ignored; reduced.
Tensor smooth_loss(const Tensor& log_p, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                   std::int64_t ignored) {
  const ClassPositions positions(kName, log_p.sizes(), target, ignored);
  Tensor weighted = log_p;
  if (weight.defined()) {  // without classes of weight 0, whose logarithms may be infinite
    const Tensor w = along_classes(weight, log_p);
    weighted = masked_fill(log_p, w == 0, 0) * w;
  }
  const Tensor losses = masked_fill(neg(sum(weighted, class_dim(log_p))), target == ignored, 0);
  if (reduction != Reduction::Mean) {
    return reduce(kName, losses, reduction);
  }
  const Tensor w = class_weight(weight, computed(log_p.scalar_type()));
  return sum(losses) / kernels::sum_weights(positions.at(), w).weight;
}

/// -the sum over classes of the products, reduced.
Tensor reduce_products(const Tensor& products, std::int64_t reduction) {
  const std::int64_t dim = class_dim(products);
  if (reduction == Reduction::None) {
    return neg(sum(products, dim));
  }
  Tensor total = neg(sum(products));
  if (reduction == Reduction::Sum) {
    return total;
  }
  if (std::isinf(total.item<double>())) {  // the mean may be finite
    return mean(neg(sum(products, dim)));
  }
  return total / (static_cast<double>(products.numel()) / static_cast<double>(products.size(dim)));
}

bool has_nan(const Tensor& x) {
  const Tensor number = x.dim() == 0 ? x.detach() : sum(x.detach());
  return std::isnan(number.item<double>());
}

/// The loss of probabilities of the classes, in the shape of the scores. Where that comes out NaN, zero probabilities
/// of classes with infinite logarithms are left out.
Tensor of_probabilities(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                        double smoothing) {
  check(target.scalar_type() == x.scalar_type(), kName, ": input ", describe(x), ", target ", describe(target),
        ": need probabilities of the input's dtype, or int64 class indices in its shape without the classes");
  const std::int64_t dim = class_dim(x);
  const auto classes = static_cast<double>(x.size(dim));
  const Tensor wanted = smoothing > 0 ? target * (1 - smoothing) + smoothing / classes : target;
  const Tensor weighted = weight.defined() ? wanted * along_classes(weight, x) : wanted;
  const Tensor log_p = log_softmax(x, dim);
  Tensor y = reduce_products(log_p * weighted, reduction);
  if (!has_nan(y)) {
    return y;
  }
  const Tensor is_nothing = logical_and(isinf(log_p), weighted == 0);
  return reduce_products(masked_fill(log_p, is_nothing, 0) * weighted, reduction);
}

struct CrossEntropyLoss {
  static constexpr OperatorInfo info = {
      .signature =
          "cross_entropy_loss(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int "
          "ignore_index=-100, float label_smoothing=0.0) -> Tensor",
      .formula =
          "y = (1 - s) nll_loss_nd(log_softmax(x), target, w) - s / classes (sum of w log_softmax(x) over classes); "
          "for "
          "probabilities q of classes y = -sum of w q log_softmax(x)",
      .doc =
          "Cross-entropy of scores (logits) [classes], [rows, classes] or [rows, classes, d1, ...]. Targets are int64 "
          "classes in that shape without the dimension of classes, as for nll_loss; or probabilities in the same shape "
          "and dtype, whose mean is over positions. label_smoothing s in [0, 1] mixes the target probabilities with "
          "uniform ones. reduction is None, Mean or Sum. The gradient is computed from the scores, so scores [rows, "
          "classes] must not be changed in place before backward.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                        std::int64_t ignore_index, double smoothing) {
    check(x.dim() >= 1 && x.is_floating_point() && target.defined(), kName, ": input ", describe(x), ", target ",
          describe(target), ": need floating-point scores [classes], [rows, classes] or [rows, classes, ...]");
    check(smoothing >= 0 && smoothing <= 1, kName, ": label_smoothing ", smoothing, ": need a number in [0, 1]");
    check_reduction(kName, reduction);
    check_scores(kName, x, weight, x.size(class_dim(x)));
    const bool of_classes = target.sizes() != x.sizes();
    if (of_classes && x.dim() <= 2 && (smoothing == 0 || !weight.defined())) {
      return of_rows(x, target, weight, reduction, ignore_index, smoothing);
    }
    if (x.scalar_type() == kBFloat16 && (of_classes || target.scalar_type() == kBFloat16)) {
      const Tensor wanted = of_classes ? target : widened(target);
      return to(forward(widened(x), wanted, widened(weight), reduction, ignore_index, smoothing), kBFloat16);
    }
    if (!of_classes) {
      return of_probabilities(x, target, weight, reduction, smoothing);
    }
    const Tensor log_p = log_softmax(without_ignored(x, target, ignore_index), class_dim(x));
    Tensor y = nll_loss_nd(log_p, target, weight, reduction, ignore_index);
    if (smoothing == 0) {
      return y;
    }
    const double share = smoothing / static_cast<double>(x.size(class_dim(x)));
    const Tensor smooth = smooth_loss(log_p, target, weight, reduction, ignore_index) * share;
    return smoothing == 1 ? smooth : y * (1 - smoothing) + smooth;
  }

 private:
  static Tensor of_rows(const Tensor& x, const Tensor& target, const Tensor& weight, std::int64_t reduction,
                        std::int64_t ignore_index, double smoothing) {
    if (x.dim() == 2) {
      return std::get<0>(_cross_entropy(x, target, weight, reduction, ignore_index, smoothing));
    }
    const ClassPositions one(kName, x.sizes(), target, ignore_index);
    const Tensor y =
        std::get<0>(_cross_entropy(unsqueeze(x, 0), unsqueeze(target, 0), weight, reduction, ignore_index, smoothing));
    return reduction == Reduction::None ? reshape(y, {}) : y;
  }
};

}  // namespace

#include <backflow/ops/cross_entropy_functions.inc>

OperatorFamily cross_entropy_operators() { return family<RowsCrossEntropy, CrossEntropyLoss>("cross_entropy"); }

}  // namespace backflow

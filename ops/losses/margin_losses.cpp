// Losses that want scores apart by a margin.
#include <algorithm>
#include <vector>

#include <backflow/ops/losses/class_losses_internal.h>
#include <backflow/runtime/threads/cuts.h>

namespace backflow {
namespace {

using namespace detail;

/// Throws Error unless x is floating-point and all are of one shape.
void check_shapes(const char* where, const Tensor& x, const Tensor& target) {
  check(x.is_floating_point() && target.defined() && x.sizes() == target.sizes(), where, ": input ", describe(x),
        ", target ", describe(target), ": need a floating-point input and a target of its shape");
}

struct SoftMarginLoss : PairLoss<SoftMarginLoss> {
  static constexpr OperatorInfo info = {
      .signature = "soft_margin_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula =
          "y = log(1 + e^(-t x)), reduced;  dx = -t dy sigmoid(-t x) / n for the mean, dt = -x dy sigmoid(-t x) / n",
      .doc =
          "Logistic loss of scores and targets, 1 or -1, of one shape and floating-point dtype, without overflow. "
          "reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "SoftMarginLossBackward0",
  };
  static Tensor forward(const Tensor& x, const Tensor& t, std::int64_t reduction) {
    return value(kernels::Loss::SoftMargin, x, t, reduction);
  }
  void save(Needs, const Tensor& x_, const Tensor& t, std::int64_t reduction_, const Tensor&) {
    keep(kernels::Loss::SoftMargin, x_, t, reduction_);
  }
  Tensor input_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const { return slope(value, t) * t * g; }
  Tensor target_gradient(const Tensor& g, const Tensor& value, const Tensor& t) const {
    const Tensor s = sigmoid(neg(t * value));
    return neg(s * relu_backward(value, s)) * g;  // where s is 0 the value may be infinite
  }

 private:
  static Tensor slope(const Tensor& value, const Tensor& t) { return neg(sigmoid(neg(t * value))); }
};

struct HingeEmbeddingLoss {
  static constexpr OperatorInfo info = {
      .signature = "hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, int reduction=1) -> Tensor",
      .formula = "y = x where t = 1, max(margin - x, 0) where t = -1, their sum elsewhere; reduced",
      .doc =
          "Hinge loss of floating-point distances and targets of their shape: 1 for similar, -1 for different. "
          "reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& t, double margin, std::int64_t reduction) {
    check_shapes(info.name, x, t);
    const Tensor apart = masked_fill(clamp_min(margin - x, 0), t == 1, 0);
    return reduce(info.name, apart + masked_fill(x, t == -1, 0), reduction);
  }
};

struct MarginRankingLoss {
  static constexpr OperatorInfo info = {
      .signature =
          "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=1) -> "
          "Tensor",
      .formula = "y = max(margin - t (x1 - x2), 0), reduced",
      .doc =
          "Ranking loss of two scores and targets of one floating-point dtype, which broadcast. A target is 1 where "
          "the first score should be larger, -1 where the second. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x1, const Tensor& x2, const Tensor& t, double margin, std::int64_t reduction) {
    check(x1.is_floating_point() && x1.scalar_type() == x2.scalar_type() && x1.scalar_type() == t.scalar_type(),
          info.name, ": inputs ", describe(x1), " and ", describe(x2), ", target ", describe(t),
          ": need one floating-point dtype");
    return reduce(info.name, clamp_min(margin - t * (x1 - x2), 0), reduction);
  }
};

struct MultiMarginLoss {
  static constexpr OperatorInfo info = {
      .signature =
          "multi_margin_loss(Tensor input, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int "
          "reduction=1) -> Tensor",
      .formula =
          "y = w[t] (sum over classes c other than t of max(margin - x[t] + x[c], 0)^p) / classes, by rows, reduced",
      .doc =
          "Hinge loss of scores [classes] or [rows, classes] and int64 classes [] or [rows]; p is 1 or 2. The mean is "
          "over rows. weight, one number of the input's dtype for each class, has no gradient. reduction is None, Mean "
          "or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& target, const Scalar& p, const Scalar& margin,
                        const Tensor& weight, std::int64_t reduction) {
    const char* const where = info.name;
    check(x.dim() == 1 || x.dim() == 2, where, ": input ", describe(x), ": need scores [classes] or [rows, classes]");
    check(p.toDouble() == 1 || p.toDouble() == 2, where, ": p ", p.toDouble(), ": need 1 or 2");
    check_reduction(where, reduction);
    const ClassPositions positions(where, x.sizes(), target, -1);
    check_scores(where, x, weight, positions.at().classes);
    positions.check_none_bad(first_bad(positions.at()));
    const std::int64_t dim = class_dim(x);
    const Tensor at = unsqueeze(target, dim);
    // The own class is left out first: where its score is infinite, z is NaN there.
    const Tensor own = scatter(zeros(x.sizes(), kBool), dim, at, 1);
    Tensor z = masked_fill(relu(margin - gather(x, dim, at) + x), own, 0);
    if (p.toDouble() == 2) {
      z = z * z;
    }
    if (weight.defined()) {
      z = z * reshape(index_select(weight, 0, reshape(target, {-1})), at.sizes());
    }
    const Tensor losses = sum(z, dim) / positions.at().classes;
    return reduce(where, losses, reduction);
  }

 private:
  /// No class is ignored here.
  static std::int64_t first_bad(const kernels::ClassTargets& at) {
    for (std::int64_t i = 0; i < at.positions(); ++i) {
      if (!at.is_class(at.target[i])) {
        return i;
      }
    }
    return -1;
  }
};

/// Rows of scores, and for each row the classes that it has, up to the first -1.
class LabeledRows {
 public:
  LabeledRows(const char* where, const Tensor& x, const Tensor& target)
      : x_(dense(x, kFloat64)), target_(target.contiguous()), classes_(x.size(-1)) {
    rows_ = x.dim() == 2 ? x.size(0) : 1;
    for (std::int64_t i = 0; i < target_.numel(); ++i) {
      const std::int64_t c = target_.const_data_ptr<std::int64_t>()[i];
      check(c >= -1 && c < classes_, where, ": target ", c, " in row ", i / classes_, ": need classes in [0, ",
            classes_, "), or -1 behind the last");
    }
  }
  std::int64_t rows() const { return rows_; }
  std::int64_t classes() const { return classes_; }

  /// Calls each(row, label, class, z) for every label of a row and every class that is none of its labels, where z = 1
  /// - x[label] + x[class] is positive.
  template <class F>
  void for_each_violation(const F& each) const {
    // Each row is added up by one thread: the cut is free.
    const double nanoseconds = 0.5 * static_cast<double>(rows_ * classes_ * classes_);
    parallel_ranges(rows_, nanoseconds, [&](std::int64_t begin, std::int64_t end) {
      std::vector<char> is_label(static_cast<std::size_t>(classes_));
      for (std::int64_t row = begin; row < end; ++row) {
        violations_of(row, is_label, each);
      }
    });
  }

 private:
  template <class F>
  void violations_of(std::int64_t row, std::vector<char>& is_label, const F& each) const {
    const double* const x = x_.const_data_ptr<double>() + row * classes_;
    const std::int64_t* const labels = target_.const_data_ptr<std::int64_t>() + row * classes_;
    const auto num_labels = std::find(labels, labels + classes_, -1) - labels;
    std::fill(is_label.begin(), is_label.end(), char{0});
    for (std::int64_t j = 0; j < num_labels; ++j) {
      is_label[static_cast<std::size_t>(labels[j])] = 1;
    }
    for (std::int64_t j = 0; j < num_labels; ++j) {
      for (std::int64_t c = 0; c < classes_; ++c) {
        const double z = 1 - x[labels[j]] + x[c];
        if (is_label[static_cast<std::size_t>(c)] == 0 && !(z <= 0)) {  // NaN counts
          each(row, labels[j], c, z);
        }
      }
    }
  }

  Tensor x_;
  Tensor target_;
  std::int64_t classes_;
  std::int64_t rows_;
};

struct MultilabelMarginLoss {
  static constexpr OperatorInfo info = {
      .signature = "multilabel_margin_loss(Tensor input, Tensor target, int reduction=1) -> Tensor",
      .formula =
          "y = (sum over labels t and classes c that are none of max(1 - x[t] + x[c], 0)) / classes, by rows, reduced; "
          " dx[t] -= dy / classes and dx[c] += dy / classes where positive, / rows for the mean",
      .doc =
          "Hinge loss of scores [classes] or [rows, classes] and int64 labels in their shape: the labels of a row in "
          "any order, then -1. Computed in float64. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
      .node = "MultilabelMarginLossBackward0",
  };
  SavedTensor x;
  SavedTensor target;
  std::int64_t reduction_;
  static Tensor forward(const Tensor& x, const Tensor& target, std::int64_t reduction) {
    check_shapes(info.name, x, target);
    check((x.dim() == 1 || x.dim() == 2) && target.scalar_type() == kInt64, info.name, ": input ", describe(x),
          ", target ", describe(target), ": need scores [classes] or [rows, classes] and int64 labels");
    check_reduction(info.name, reduction);
    const LabeledRows labeled(info.name, x, target);
    const Tensor losses = zeros(x.dim() == 2 ? DimVector{labeled.rows()} : DimVector{}, kFloat64);
    if (x.numel() > 0) {
      double* const to = losses.mutable_data_ptr<double>();
      const auto classes = static_cast<double>(labeled.classes());
      labeled.for_each_violation(
          [&](std::int64_t row, std::int64_t, std::int64_t, double z) { to[row] += z / classes; });
    }
    return converted(reduce(info.name, losses, reduction), x.scalar_type());
  }
  void save(Needs, const Tensor& x_, const Tensor& target_, std::int64_t reduction, const Tensor&) {
    x.save(x_);
    target.save(target_);
    reduction_ = reduction;
  }
  void backward(Backward& b) const {
    const Tensor value = b(x);
    const Tensor slopes = slopes_of(value.detach(), b(target));
    const bool by_row = b.dy().dim() == 1;
    b.dx(0) = (by_row ? unsqueeze(b.dy(), 1) : b.dy()) * slopes;
  }

 private:
  /// Constant where no margin is met exactly.
  Tensor slopes_of(const Tensor& value, const Tensor& labels) const {
    const NoGradGuard constants;
    const LabeledRows labeled(info.name, value, labels);
    const Tensor slopes = zeros(value.sizes(), kFloat64);
    if (value.numel() > 0) {
      double* const to = slopes.mutable_data_ptr<double>();
      const auto classes = static_cast<double>(labeled.classes());
      const double share = 1 / classes / (reduction_ == Reduction::Mean ? static_cast<double>(labeled.rows()) : 1);
      labeled.for_each_violation([&](std::int64_t row, std::int64_t label, std::int64_t c, double) {
        to[row * labeled.classes() + label] -= share;
        to[row * labeled.classes() + c] += share;
      });
    }
    return converted(slopes, value.scalar_type());
  }
};

struct MultilabelSoftMarginLoss {
  static constexpr OperatorInfo info = {
      .signature =
          "multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor",
      .formula =
          "y = the mean over classes of -w (t log(s) + (1 - t) log(1 - s)) with s = sigmoid(x), by rows, reduced",
      .doc =
          "Binary cross-entropy of logits [..., classes] and targets of one shape and floating-point dtype, averaged "
          "over classes. The weight has their dtype and broadcasts to their shape. reduction is None, Mean or Sum.",
      .dtypes = kFloatingDtypes,
  };
  static Tensor forward(const Tensor& x, const Tensor& t, const Tensor& weight, std::int64_t reduction) {
    check(x.dim() > 0, info.name, ": input ", describe(x), ": need scores [..., classes]");
    check_pair(info.name, x, t);
    check_weight(info.name, "weight", weight, x);
    const Tensor losses = binary_cross_entropy_with_logits(x, t, weight, {}, Reduction::None);
    return reduce(info.name, mean(losses, -1), reduction);
  }
};

}  // namespace

#include <backflow/ops/margin_losses_functions.inc>

OperatorFamily margin_losses_operators() {
  return family<SoftMarginLoss, HingeEmbeddingLoss, MarginRankingLoss, MultiMarginLoss, MultilabelMarginLoss,
                MultilabelSoftMarginLoss>("margin_losses");
}

}  // namespace backflow

#pragma once

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// The options of RMSprop, as RMSpropOptions(0.01).momentum(0.9); the argument is the learning rate.
class RMSpropOptions : public OptimizerOptions {
 public:
  RMSpropOptions(double lr = 1e-2) : lr_(lr) {}  // NOLINT(google-explicit-constructor): as libtorch's
  RMSpropOptions& lr(double lr) {
    lr_ = lr;
    return *this;
  }
  RMSpropOptions& alpha(double alpha) {
    alpha_ = alpha;
    return *this;
  }
  RMSpropOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  RMSpropOptions& weight_decay(double weight_decay) {
    weight_decay_ = weight_decay;
    return *this;
  }
  RMSpropOptions& momentum(double momentum) {
    momentum_ = momentum;
    return *this;
  }
  RMSpropOptions& centered(bool centered) {
    centered_ = centered;
    return *this;
  }
  double lr() const { return lr_; }
  double alpha() const { return alpha_; }
  double eps() const { return eps_; }
  double weight_decay() const { return weight_decay_; }
  double momentum() const { return momentum_; }
  bool centered() const { return centered_; }

  std::unique_ptr<OptimizerOptions> clone() const override;
  double get_lr() const override { return lr_; }
  void set_lr(double lr) override { lr_ = lr; }
  void serialize(serialize::OutputArchive& archive) const override;
  void serialize(serialize::InputArchive& archive) override;

 private:
  double lr_;
  double alpha_ = 0.99;
  double eps_ = 1e-8;
  double weight_decay_ = 0;
  double momentum_ = 0;
  bool centered_ = false;
};

/// RMSprop, PyTorch's: for parameter p, gradient g, averages v ("square_avg") and a ("grad_avg") and buffer b
/// ("momentum_buffer"),
///
///   g = g + weight_decay p
///   v = alpha v + (1 - alpha) g g
///   a = alpha a + (1 - alpha) g                          when centered
///   r = sqrt(max(v - a a, e v)) + eps when centered, else sqrt(v) + eps
///   b = momentum b + g / r,  p = p - lr b                with momentum
///   p = p - lr g / r                                     else
///
/// in one pass, in the parameters' dtype, with the same bits on any number of threads. v - a a is a variance; the
/// dtype's epsilon e keeps it positive after rounding. State: the tensors named above, those that are used, and "step".
/// Tieleman and Hinton: "Lecture 6.5 - RMSProp", COURSERA: Neural Networks for Machine Learning, 2012.
class RMSprop final : public Optimizer {
 public:
  /// Throws Error for a negative or undefined number.
  explicit RMSprop(std::vector<OptimizerParamGroup> groups, RMSpropOptions defaults = {});
  explicit RMSprop(std::vector<Tensor> params, RMSpropOptions defaults = {});

 protected:
  void check_options(const OptimizerOptions& options) const override;
  StateKept state_kept(const OptimizerOptions& options) const override;
  void update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const override;
};

}  // namespace backflow::optim

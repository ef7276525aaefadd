#pragma once

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// The options of Adagrad, as AdagradOptions(0.01).lr_decay(1e-4); the argument is the learning rate.
class AdagradOptions : public OptimizerOptions {
 public:
  AdagradOptions(double lr = 1e-2) : lr_(lr) {}  // NOLINT(google-explicit-constructor): as libtorch's
  AdagradOptions& lr(double lr) {
    lr_ = lr;
    return *this;
  }
  AdagradOptions& lr_decay(double lr_decay) {
    lr_decay_ = lr_decay;
    return *this;
  }
  AdagradOptions& weight_decay(double weight_decay) {
    weight_decay_ = weight_decay;
    return *this;
  }
  AdagradOptions& initial_accumulator_value(double value) {
    initial_accumulator_value_ = value;
    return *this;
  }
  AdagradOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  double lr() const { return lr_; }
  double lr_decay() const { return lr_decay_; }
  double weight_decay() const { return weight_decay_; }
  double initial_accumulator_value() const { return initial_accumulator_value_; }
  double eps() const { return eps_; }

  std::unique_ptr<OptimizerOptions> clone() const override;
  double get_lr() const override { return lr_; }
  void set_lr(double lr) override { lr_ = lr; }
  void serialize(serialize::OutputArchive& archive) const override;
  void serialize(serialize::InputArchive& archive) override;

 private:
  double lr_;
  double lr_decay_ = 0;
  double weight_decay_ = 0;
  double initial_accumulator_value_ = 0;
  double eps_ = 1e-10;
};

/// Adagrad, exactly PyTorch's: for parameter p, gradient g, sum s ("sum") and its step t,
///
///   g = g + weight_decay p
///   s = s + g g
///   p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
///
/// in one pass over the elements, in the parameters' dtype, with the same bits on any number of threads. State: "sum",
/// which starts with initial_accumulator_value, and "step". Duchi, Hazan and Singer: "Adaptive subgradient methods for
/// online learning and stochastic optimization", JMLR 12, 2011.
class Adagrad final : public Optimizer {
 public:
  /// Throws Error for a negative or undefined number.
  explicit Adagrad(std::vector<OptimizerParamGroup> groups, AdagradOptions defaults = {});
  explicit Adagrad(std::vector<Tensor> params, AdagradOptions defaults = {});

 protected:
  void check_options(const OptimizerOptions& options) const override;
  StateKept state_kept(const OptimizerOptions& options) const override;
  void update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const override;
};

}  // namespace backflow::optim

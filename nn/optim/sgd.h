#pragma once

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

/// The options of SGD, as SGDOptions(0.1).momentum(0.9); the argument is the learning rate.
class SGDOptions : public OptimizerOptions {
 public:
  SGDOptions(double lr) : lr_(lr) {}  // NOLINT(google-explicit-constructor): as libtorch's
  SGDOptions& lr(double lr) {
    lr_ = lr;
    return *this;
  }
  SGDOptions& momentum(double momentum) {
    momentum_ = momentum;
    return *this;
  }
  SGDOptions& dampening(double dampening) {
    dampening_ = dampening;
    return *this;
  }
  SGDOptions& weight_decay(double weight_decay) {
    weight_decay_ = weight_decay;
    return *this;
  }
  SGDOptions& nesterov(bool nesterov) {
    nesterov_ = nesterov;
    return *this;
  }
  double lr() const { return lr_; }
  double momentum() const { return momentum_; }
  double dampening() const { return dampening_; }
  double weight_decay() const { return weight_decay_; }
  bool nesterov() const { return nesterov_; }

  std::unique_ptr<OptimizerOptions> clone() const override { return std::make_unique<SGDOptions>(*this); }
  double get_lr() const override { return lr_; }
  void set_lr(double lr) override { lr_ = lr; }
  void serialize(serialize::OutputArchive& archive) const override;
  void serialize(serialize::InputArchive& archive) override;

 private:
  double lr_;
  double momentum_ = 0;
  double dampening_ = 0;
  double weight_decay_ = 0;
  bool nesterov_ = false;
};

/// Stochastic gradient descent with momentum, exactly PyTorch's: for parameter p, gradient g and buffer b,
///
///   g = g + weight_decay p
///   b = momentum b + (1 - dampening) g        (b = g in the first step of a parameter)
///   g = g + momentum b with Nesterov, else b
///   p = p - lr g
///
/// in one pass over the elements, in the parameters' dtype, with the same bits on any number of threads. State:
/// "momentum_buffer", when there is momentum. Sutskever et al.: "On the importance of initialization and momentum in
/// deep learning", ICML 2013.
class SGD final : public Optimizer {
 public:
  /// Throws Error for a negative or undefined number, and for Nesterov without momentum or with dampening.
  SGD(std::vector<OptimizerParamGroup> groups, SGDOptions defaults);
  SGD(std::vector<Tensor> params, SGDOptions defaults);

 protected:
  void check_options(const OptimizerOptions& options) const override;
  StateKept state_kept(const OptimizerOptions& options) const override;
  void update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const override;
};

}  // namespace backflow::optim

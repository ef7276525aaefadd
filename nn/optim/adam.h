#pragma once

#include <cstdint>
#include <tuple>

#include <backflow/nn/optim/optimizer.h>

namespace backflow::optim {

namespace detail {

/// The options of Adam and AdamW; `Self` is what a setter returns.
template <class Self>
class AdamOptionsOf : public OptimizerOptions {
 public:
  using betas_t = std::tuple<double, double>;  // NOLINT(readability-identifier-naming): libtorch's name

  Self& lr(double lr) {
    lr_ = lr;
    return self();
  }
  Self& betas(const betas_t& betas) {
    betas_ = betas;
    return self();
  }
  Self& eps(double eps) {
    eps_ = eps;
    return self();
  }
  Self& weight_decay(double weight_decay) {
    weight_decay_ = weight_decay;
    return self();
  }
  Self& amsgrad(bool amsgrad) {
    amsgrad_ = amsgrad;
    return self();
  }
  double lr() const { return lr_; }
  const betas_t& betas() const { return betas_; }
  double eps() const { return eps_; }
  double weight_decay() const { return weight_decay_; }
  bool amsgrad() const { return amsgrad_; }

  std::unique_ptr<OptimizerOptions> clone() const override;
  double get_lr() const override { return lr_; }
  void set_lr(double lr) override { lr_ = lr; }
  void serialize(serialize::OutputArchive& archive) const override;
  void serialize(serialize::InputArchive& archive) override;

 protected:
  AdamOptionsOf(double lr, double weight_decay) : lr_(lr), weight_decay_(weight_decay) {}

 private:
  Self& self() { return static_cast<Self&>(*this); }

  double lr_;
  betas_t betas_ = {0.9, 0.999};
  double eps_ = 1e-8;
  double weight_decay_;
  bool amsgrad_ = false;
};

}  // namespace detail

/// The options of Adam, as AdamOptions(1e-3).betas({0.9, 0.99}); the argument is the learning rate.
class AdamOptions : public detail::AdamOptionsOf<AdamOptions> {
 public:
  AdamOptions(double lr = 1e-3) : AdamOptionsOf(lr, 0) {}  // NOLINT(google-explicit-constructor): as libtorch's
};

/// The state of a parameter in Adam and AdamW, read from Optimizer::state(parameter) after its first step.
class AdamParamState {
 public:
  /// Throws Error for the state of another optimizer, and for an empty one.
  explicit AdamParamState(const Optimizer::NamedTensors& state);

  std::int64_t step() const { return step_; }  ///< updates so far
  const Tensor& exp_avg() const { return exp_avg_; }
  const Tensor& exp_avg_sq() const { return exp_avg_sq_; }
  const Tensor& max_exp_avg_sq() const { return max_exp_avg_sq_; }  ///< undefined without AMSGrad

 private:
  std::int64_t step_;
  Tensor exp_avg_;
  Tensor exp_avg_sq_;
  Tensor max_exp_avg_sq_;
};

/// Adam, exactly PyTorch's: for parameter p, gradient g, averages m ("exp_avg") and v ("exp_avg_sq") and its step t,
///
///   g = g + weight_decay p
///   m = beta1 m + (1 - beta1) g
///   v = beta2 v + (1 - beta2) g g
///   u = max(u, v) with AMSGrad ("max_exp_avg_sq"), else v
///   p = p - lr / (1 - beta1^t) m / (sqrt(u) / sqrt(1 - beta2^t) + eps)
///
/// in one pass over the elements, in the parameters' dtype, with the same bits on any number of threads. State: the
/// tensors named above and "step". Kingma and Ba: "Adam: A method for stochastic optimization", ICLR 2015; Reddi et
/// al.: "On the convergence of Adam and beyond", ICLR 2018.
class Adam final : public Optimizer {
 public:
  /// Throws Error for a negative or undefined number, and for a beta outside [0, 1).
  explicit Adam(std::vector<OptimizerParamGroup> groups, AdamOptions defaults = {});
  explicit Adam(std::vector<Tensor> params, AdamOptions defaults = {});

 protected:
  void check_options(const OptimizerOptions& options) const override;
  StateKept state_kept(const OptimizerOptions& options) const override;
  void update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const override;
};

}  // namespace backflow::optim

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/training_step.h>
#include <backflow/nn/models.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/sgd.h>
#include <backflow/nn/utils/clip_grad.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

namespace backflow::test {

/// What a run of 20 steps is made with.
struct Setup {
  std::string name;
  optim::SGDOptions sgd{0.05};
  std::optional<optim::AdamOptions> adam = {};  ///< in place of SGD
  distributed::TrainingStepOptions options = {};
  int micro_batches = 1;
  ScalarType dtype = kFloat32;
  bool two_groups = false;
};

/// A perceptron, in several buckets where there are several ranks, with an optimizer. The same for the same setup.
struct Trainee {
  Setup setup;
  nn::MLP model{40, 300, 60, 7};
  distributed::DataParallel parallel;
  std::unique_ptr<optim::Optimizer> optimizer;
  int steps_done = 0;

  explicit Trainee(const Setup& s, const std::shared_ptr<distributed::Communicator>& ranks = world())
      : setup(s),
        parallel(filled(model, s.dtype), ranks, {.limits = {4000, 30'000}, .names = names()}),
        optimizer(make_optimizer()) {}

  std::vector<std::string> names() const { return model->named_parameters().keys(); }

  std::unique_ptr<optim::Optimizer> make_optimizer() const {
    if (setup.adam) {
      return std::make_unique<optim::Adam>(groups(), *setup.adam);
    }
    return std::make_unique<optim::SGD>(groups(), setup.sgd);
  }

  std::vector<optim::OptimizerParamGroup> groups() const {
    const auto all = model->parameters();
    std::vector<optim::OptimizerParamGroup> result;
    if (setup.two_groups) {
      const auto options = setup.adam ? optim::AdamOptions(0.02).clone() : optim::SGDOptions(0.01).clone();
      result.emplace_back(std::vector<Tensor>{all[4], all[0], all[3]}, options->clone());
      result.emplace_back(std::vector<Tensor>{all[5], all[2], all[1]});
    } else {
      result.emplace_back(all);
    }
    return result;
  }

  static std::vector<Tensor> filled(nn::MLP& model, ScalarType dtype) {
    model->to(dtype);
    const NoGradGuard guard;
    for (const auto& p : model->named_parameters()) {
      p.value().copy_(random_tensor({p.value().sizes().begin(), p.value().sizes().end()}, p.key(), dtype, -0.2, 0.2));
    }
    return model->parameters();
  }

  /// This rank's part of the loss of micro-batch `part` of the current step.
  Tensor loss(int part = 0) const {
    const std::string key = to_text("x", steps_done, ",", part, ",", world()->rank());
    const Tensor y = model(random_tensor({6, 40}, key, setup.dtype));
    return (y * y).sum() * 0.01;
  }

  /// The learning rate changes between steps.
  void schedule() {
    for (auto& group : optimizer->param_groups()) {
      group.options().set_lr(group.options().get_lr() * 0.97);
    }
    ++steps_done;
  }

  /// Backward with the reductions as its only tasks.
  void backward(const Tensor& loss, distributed::GradientSync sync = distributed::GradientSync::Now) {
    parallel.begin_backward(sync);
    const std::vector<PassTask> tasks = parallel.reductions();
    const bool now = sync == distributed::GradientSync::Now;
    autograd::backward({loss}, {}, {.tasks = now ? tasks : std::span<const PassTask>()});
  }

  /// Backward, clipping and the update one after the other; returns the norm.
  double separate_phases() {
    parallel.zero_grad();
    for (int part = 0; part < setup.micro_batches; ++part) {
      const bool last = part + 1 == setup.micro_batches;
      backward(loss(part), last ? distributed::GradientSync::Now : distributed::GradientSync::Later);
    }
    const double max_norm = setup.options.clip_grad_norm;
    const double norm = max_norm > 0 ? nn::utils::clip_grad_norm_(parallel.parameters(), max_norm) : 0;
    optimizer->step();
    schedule();
    return norm;
  }

  double step_graph(distributed::TrainingStep& step) {
    parallel.zero_grad();
    for (int part = 0; part < setup.micro_batches; ++part) {
      step.backward(loss(part), part + 1 == setup.micro_batches ? distributed::GradientSync::Now
                                                                : distributed::GradientSync::Later);
    }
    schedule();
    return step.grad_norm();
  }

  /// Parameters and optimizer state.
  std::vector<Tensor> result() const {
    std::vector<Tensor> all = copies();
    for (const auto& item : optimizer->state()) {
      all.push_back(item.value());
    }
    return all;
  }
  std::vector<Tensor> copies() const {
    std::vector<Tensor> all;
    for (const Tensor& p : parallel.parameters()) {
      all.push_back(p.detach().clone());
    }
    return all;
  }
  std::vector<Tensor> gradients() const {
    std::vector<Tensor> all;
    for (const Tensor& p : parallel.parameters()) {
      all.push_back(p.grad().defined() ? p.grad().detach().clone() : Tensor());
    }
    return all;
  }
};

}  // namespace backflow::test

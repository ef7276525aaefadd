#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/distributed/sharded_step.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/dropout.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pooling.h>
#include <backflow/nn/optim/adam.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/support/arrays.h>

namespace backflow::test {

/// A small LeNet with batch norm and dropout. The same for every object.
struct ShardedLeNet : nn::Module {
  explicit ShardedLeNet(ScalarType dtype = kFloat32) {
    register_module("body", body);
    to(dtype);
    const NoGradGuard guard;
    for (const auto& p : named_parameters()) {
      p.value().copy_(random_tensor({p.value().sizes().begin(), p.value().sizes().end()}, p.key(), dtype, -0.3, 0.3));
    }
  }
  Tensor forward(const Tensor& x) { return body->forward(x); }

  nn::Sequential body{nn::Conv2d(nn::Conv2dOptions(1, 6, 3).padding(1)),
                      nn::BatchNorm2d(6),
                      nn::ReLU(),
                      nn::MaxPool2d(2),
                      nn::Conv2d(nn::Conv2dOptions(6, 12, 3)),
                      nn::BatchNorm2d(12),
                      nn::ReLU(),
                      nn::Flatten(),
                      nn::Dropout(0.3),
                      nn::Linear(12 * 2 * 2, 20),
                      nn::ReLU(),
                      nn::Linear(20, 5)};
};

/// All that a run of some steps computes.
struct ShardedRun {
  std::vector<double> losses;
  std::vector<Tensor> tensors;  ///< gradients of each step, then parameters, buffers and optimizer state

  friend bool operator==(const ShardedRun& a, const ShardedRun& b) {
    return a.losses == b.losses && bitwise_equal(a.tensors, b.tensors);
  }
};

/// Samples in each global batch of 1,003 samples in batches of 256, and one with fewer samples than shards.
inline const std::vector<std::int64_t> kBatches = {256, 256, 256, 235, 3};

/// Trains `model` on the batches with Adam.
inline ShardedRun train_sharded(nn::Module& model, const std::function<Tensor(const Tensor&)>& forward,
                                const std::shared_ptr<distributed::Communicator>& ranks,
                                distributed::ShardedStepOptions options, ScalarType dtype = kFloat32,
                                const std::vector<std::int64_t>& batches = kBatches) {
  optim::Adam optimizer(model.parameters(), optim::AdamOptions(0.003));
  options.keep_gradients = true;
  options.seed = 7;
  distributed::ShardedStep step(model, optimizer, ranks, options);
  ShardedRun run;
  for (std::size_t t = 0; t < batches.size(); ++t) {
    const std::int64_t n = batches[t];
    const Tensor x = random_tensor({n, 1, 8, 8}, to_text("x", t), dtype);
    const Tensor target = random_tensor({n, 5}, to_text("target", t), dtype);
    run.losses.push_back(step.run(static_cast<std::int64_t>(t), n, [&](const distributed::Shard& shard) {
      const Tensor error = forward(x.slice(0, shard.begin, shard.end)) - target.slice(0, shard.begin, shard.end);
      return (error * error).sum() / static_cast<double>(shard.global_n);
    }));
    for (const Tensor& p : model.parameters()) {
      run.tensors.push_back(p.grad().defined() ? p.grad().detach().clone() : Tensor());
    }
    run.losses.push_back(step.grad_norm());
  }
  for (const auto& item : model.state_dict()) {
    run.tensors.push_back(item.value().detach().clone());
  }
  for (const auto& item : optimizer.state()) {
    run.tensors.push_back(item.value());
  }
  return run;
}

inline ShardedRun train_sharded(const std::shared_ptr<distributed::Communicator>& ranks,
                                const distributed::ShardedStepOptions& options) {
  ShardedLeNet model;
  return train_sharded(
      model, [&](const Tensor& x) { return model.forward(x); }, ranks, options);
}

}  // namespace backflow::test

#include <backflow/train/batch_step.h>

#include <algorithm>
#include <string>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::train {
namespace {

/// Keeps the random streams of steps apart from others of the same seed.
constexpr std::uint64_t kStepStream = std::uint64_t{0x57e9} << 48;

std::vector<std::string> parameter_names(const nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& parameter : module.named_parameters()) {
    names.push_back(parameter.key());
  }
  return names;
}

}  // namespace

BatchStep::BatchStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
                     std::shared_ptr<distributed::Communicator> world)
    : experiment_(experiment),
      model_(model),
      data_(data),
      world_(std::move(world)),
      parallel_(model.module->parameters(), world_, 
                {.limits = experiment.distributed.limits(),
                 .names = parameter_names(*model.module),
                 .compression = experiment.distributed.compression}),
      optimizer_(experiment.optimizer.make(model.module->parameters())),
      training_step_(
          parallel_, *optimizer_,
          {.clip_grad_norm = experiment.train.clip_grad_norm, .check_gradients = experiment.train.check_gradients}) {}

double BatchStep::run(std::int64_t step, const distributed::LocalBatch& local) {
  seed(step);
  parallel_.zero_grad();
  if (local.indices.empty()) {
    training_step_.reduce_now();
    return 0;
  }
  const std::int64_t n = local.local_n();
  const std::int64_t parts = std::min(experiment_.train.micro_batches, n);
  double total = 0;
  for (std::int64_t part = 0; part < parts; ++part) {
    const auto begin = local.indices.begin() + part * n / parts;
    const auto end = local.indices.begin() + (part + 1) * n / parts;
    const Batch batch = make_batch({begin, end});
    const Tensor loss = forward(batch, local.global_n);
    total += loss.item<double>();
    const bool last = part + 1 == parts;
    const trace::Span span("backward");
    training_step_.backward(loss, last ? distributed::GradientSync::Now : distributed::GradientSync::Later);
  }
  return total;
}

/// A run that goes on from a dump draws what one without a break does.
void BatchStep::seed(std::int64_t step) const {
  PhiloxStream random(static_cast<std::uint64_t>(experiment_.seed), kStepStream | static_cast<std::uint64_t>(step));
  manual_seed(random.next64() + static_cast<std::uint64_t>(world_->rank()));
}

Batch BatchStep::make_batch(const std::vector<std::int64_t>& indices) const {
  const trace::Span span("data");
  return data_.make(indices);
}

/// This rank's part of the mean loss over a global batch of `global_n` samples.
Tensor BatchStep::forward(const Batch& batch, std::int64_t global_n) const {
  const trace::Span span("forward");
  return cross_entropy_loss(model_.forward(batch.x), batch.target, {}, Reduction::Sum) / static_cast<double>(global_n);
}

}  // namespace backflow::train

#include <backflow/train/batch_step.h>

#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/fast_step.h>
#include <backflow/train/model/model_dump.h>
#include <backflow/train/reproducible_step.h>
#include <backflow/train/run/planted_fault.h>
#include <backflow/train/run/resume.h>

namespace backflow::train {

std::unique_ptr<BatchStep> BatchStep::make(const Experiment& experiment, const Model& model, const BatchMaker& data,
                                           const std::shared_ptr<distributed::Communicator>& world) {
  if (experiment.distributed.reduction == GradientReduction::Reproducible) {
    return std::make_unique<ReproducibleStep>(experiment, model, data, world);
  }
  return std::make_unique<FastStep>(experiment, model, data, world);
}

BatchStep::BatchStep(const Experiment& experiment, const Model& model, const BatchMaker& data,
                     std::shared_ptr<distributed::Communicator> world)
    : experiment_(experiment),
      model_(model),
      data_(data),
      world_(std::move(world)),
      optimizer_(experiment.optimizer.make(model.module->parameters())) {}

io::NamedTensors BatchStep::optimizer_state() { return train::optimizer_state(*optimizer_, *model_.module); }

io::Dump BatchStep::replica() const {
  io::Dump dump = make_dump(*model_.module, *optimizer_);
  if (experiment_.distributed.shard_optimizer) {
    dump.optimizer.clear();
  }
  return dump;
}

void BatchStep::load_state(const io::Dump& dump) { load_optimizer(dump, *optimizer_, *model_.module); }

Batch BatchStep::make_batch(const std::vector<std::int64_t>& indices, std::int64_t epoch) const {
  const trace::Span span("data");
  return data_.make(indices, epoch);
}

Tensor BatchStep::forward(const Batch& batch, std::int64_t global_n) const {
  const trace::Span span("forward");
  const Tensor scores = model_.forward(batch.x);
  PlantedFault::after_forward(scores);
  return cross_entropy_loss(scores, batch.target, {}, Reduction::Sum) / static_cast<double>(global_n);
}

}  // namespace backflow::train

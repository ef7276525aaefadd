#include <backflow/train/batch_step.h>

#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/fast_step.h>
#include <backflow/train/gan_step.h>
#include <backflow/train/model/model_dump.h>
#include <backflow/train/reproducible_step.h>
#include <backflow/train/run/planted_fault.h>
#include <backflow/train/run/resume.h>

namespace backflow::train {

std::unique_ptr<BatchStep> BatchStep::make(const Experiment& experiment, const Task& task, const Model& model,
                                           const std::shared_ptr<distributed::Communicator>& world) {
  if (model.generator != nullptr) {
    return std::make_unique<GanStep>(experiment, task, model, world);
  }
  if (experiment.distributed.reduction == GradientReduction::Reproducible) {
    return std::make_unique<ReproducibleStep>(experiment, task, model, world);
  }
  return std::make_unique<FastStep>(experiment, task, model, world);
}

BatchStep::BatchStep(const Experiment& experiment, const Task& task, const Model& model,
                     std::shared_ptr<distributed::Communicator> world)
    : experiment_(experiment), task_(task), model_(model), world_(std::move(world)) {}

io::Dump BatchStep::replica() {
  io::Dump dump = make_dump(*model_.module);
  if (!experiment_.distributed.shard_optimizer) {
    for (const optim::Optimizer* optimizer : optimizers()) {
      append_optimizer_state(*optimizer, *model_.module, dump.optimizer);
    }
  }
  return dump;
}

void BatchStep::load_state(const io::Dump& dump) {
  for (optim::Optimizer* optimizer : optimizers()) {
    load_optimizer(dump, *optimizer, *model_.module);
  }
}

Tensor BatchStep::forward(const Batch& batch, std::int64_t global_n) const {
  const trace::Span span("forward");
  return loss_sum(task_, model_, batch) / static_cast<double>(global_n);
}

void append_shares(const distributed::TrainingStep& step, const nn::Module& module, std::vector<io::TensorShare>& to) {
  for (distributed::OptimizerStateShare& x : step.optimizer_shares(module.named_parameters())) {
    to.push_back({std::move(x.name), std::move(x.sizes), x.begin, std::move(x.elements), x.is_replicated});
  }
}

Tensor loss_sum(const Task& task, const Model& model, const Batch& batch) {
  if (model.loss_sum) {
    return model.loss_sum(batch.x, batch.target);
  }
  const Tensor output = model.forward(batch.x);
  PlantedFault::after_forward(output);
  return task.loss_sum(output, batch);
}

}  // namespace backflow::train

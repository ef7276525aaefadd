#include <backflow/train/gan_step.h>

#include <span>
#include <string>

#include <backflow/distributed/shards/shards.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/fast_step.h>
#include <backflow/train/loop/parameter_groups.h>
#include <backflow/train/run/stop_signal.h>
#include <backflow/train/task/gan_task.h>

namespace backflow::train {
namespace {

/// The parameters of a part of a model, under the names that they have in the whole.
OrderedDict<std::string, Tensor> named_parameters(const nn::Module& part, const nn::Module& all) {
  const std::vector<Tensor> own = part.parameters();
  OrderedDict<std::string, Tensor> named;
  for (const auto& item : all.named_parameters()) {
    for (const Tensor& parameter : own) {
      if (&parameter.impl() == &item.value().impl()) {
        named.insert(item.key(), item.value());
      }
    }
  }
  return named;
}

std::vector<Tensor> trained_of(const OrderedDict<std::string, Tensor>& named) {
  std::vector<Tensor> trained;
  for (const auto& item : named) {
    if (item.value().requires_grad()) {
      trained.push_back(item.value());
    }
  }
  return trained;
}

/// These require no gradient while this lives: gradients flow through them, and leave none in them.
class Frozen {
 public:
  explicit Frozen(std::span<const Tensor> parameters) : parameters_(parameters) { set(false); }
  ~Frozen() { set(true); }
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  void set(bool requires_grad) {
    for (const Tensor& parameter : parameters_) {
      parameter.set_requires_grad(requires_grad);
    }
  }
  std::span<const Tensor> parameters_;
};

}  // namespace

GanStep::Player::Player(const Experiment& experiment, const nn::Module& module, const nn::Module& all,
                        const std::shared_ptr<distributed::Communicator>& world)
    : trained(trained_of(named_parameters(module, all))),
      optimizer(make_optimizer(experiment.optimizer, named_parameters(module, all))),
      parallel(named_parameters(module, all).values(), world,
               parallel_options(experiment, named_parameters(module, all).keys())),
      step(parallel, *optimizer,
           {.clip_grad_norm = experiment.train.clip_grad_norm, .check_gradients = experiment.train.check_gradients}) {}

GanStep::GanStep(const Experiment& experiment, const Task& task, const Model& model,
                 std::shared_ptr<distributed::Communicator> world)
    : BatchStep(experiment, task, model, std::move(world)),
      generator_(experiment, *model.generator, *model.module, world_),
      discriminator_(experiment, *model.discriminator, *model.module, world_),
      buffers_(buffers_to_combine(experiment, *model.module, *world_), world_) {}

StepResult GanStep::run(std::int64_t step, const distributed::LocalBatch& batch, const Batch& samples) {
  manual_seed(distributed::shard_seed(static_cast<std::uint64_t>(experiment_.seed), step, world_->rank()));
  generator_.parallel.zero_grad();
  discriminator_.parallel.zero_grad();
  const auto [generator, discriminator] = train_on(samples, batch.global_n);
  std::vector<double> shared = {generator, discriminator, stop_requested() ? 1.0 : 0.0, dumps_wanted()};
  constexpr std::size_t kOwn = 4;
  buffers_.append_to(shared, static_cast<double>(batch.local_n()));
  world_->all_reduce_sum(std::span(shared));
  buffers_.take_from(std::span(shared).subspan(kOwn));
  return {
      .loss = shared[0], .stop = shared[2] > 0, .dump = shared[3] > 0, .others = {{"discriminator_loss", shared[1]}}};
}

/// Returns this rank's parts of the two losses.
std::pair<double, double> GanStep::train_on(const Batch& samples, std::int64_t global_n) {
  if (samples.size() == 0) {
    discriminator_.step.reduce_now();
    generator_.step.reduce_now();
    return {0, 0};
  }
  const auto& gan = dynamic_cast<const GanTask&>(task_);
  const auto n = static_cast<double>(global_n);
  const Tensor fake = [&] {
    const trace::Span span("forward");
    return model_.sample(samples.size());
  }();
  const Tensor loss = (gan.score_loss(model_.judge(samples.x), 1) + gan.score_loss(model_.judge(fake.detach()), 0)) / n;
  const double discriminator = loss.item<double>();
  {
    const trace::Span span("backward");
    discriminator_.step.backward(loss);
  }
  const Frozen frozen(discriminator_.trained);
  const Tensor other = gan.score_loss(model_.judge(fake), 1) / n;
  const double generator = other.item<double>();
  const trace::Span span("backward");
  generator_.step.backward(other);
  return {generator, discriminator};
}

std::vector<optim::Optimizer*> GanStep::optimizers() {
  return {generator_.optimizer.get(), discriminator_.optimizer.get()};
}

io::NamedTensors GanStep::optimizer_state() {
  io::NamedTensors all;
  for (const Player* player : {&generator_, &discriminator_}) {
    const auto state = player->step.optimizer_state(model_.module->named_parameters());
    for (const auto& item : state) {
      all.emplace_back(item.key(), item.value());
    }
  }
  return all;
}

std::vector<io::TensorShare> GanStep::optimizer_shares() {
  std::vector<io::TensorShare> all;
  for (const Player* player : {&generator_, &discriminator_}) {
    append_shares(player->step, *model_.module, all);
  }
  return all;
}

}  // namespace backflow::train

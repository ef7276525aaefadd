#include <backflow/train/run/run_position.h>

#include <algorithm>

namespace backflow::train {
namespace {

/// For a dump that does not say where its run was in its data.
RunPosition position_of_step(const io::Dump& dump, std::int64_t steps_per_epoch) {
  RunPosition position{.epoch = steps_per_epoch > 0 ? dump.step / steps_per_epoch : 0};
  position.steps = dump.step - position.epoch * steps_per_epoch;
  if (position.epoch > 0 && position.steps == 0 && dump.epoch < position.epoch) {
    --position.epoch;  // made before that epoch's evaluation
    position.steps = steps_per_epoch;
  }
  return position;
}

}  // namespace

RunPosition position_in(const io::Dump& dump, const distributed::ShardedSampler& sampler) {
  const std::int64_t steps = sampler.steps_per_epoch();
  const std::int64_t batch = sampler.options().batch_size;
  const std::int64_t done = dump.sampler_position / batch + (dump.sampler_position % batch != 0 ? 1 : 0);
  const RunPosition position =
      dump.sampler_epoch < 0 ? position_of_step(dump, steps) : RunPosition{dump.sampler_epoch, std::min(done, steps)};
  // A run that ends within an epoch evaluates and counts it.
  check(dump.step >= 0 && dump.sampler_position >= 0 &&
            (dump.epoch == position.epoch || dump.epoch == position.epoch + 1),
        "train: a dump of step ", dump.step, " in epoch ", dump.epoch, ", an epoch has ", steps,
        " steps: need the data and the batch size that it was made with");
  return position;
}

void set_position(io::Dump& dump, const RunPosition& position, const distributed::ShardedSampler& sampler) {
  dump.sampler_epoch = position.epoch;
  dump.sampler_position = std::min(sampler.options().dataset_size, position.steps * sampler.options().batch_size);
}

}  // namespace backflow::train

#include <backflow/train/run/run_clock.h>

#include <algorithm>

namespace backflow::train {

RunClock::RunClock(const TrainOptions& options, const distributed::ShardedSampler& sampler, const io::Dump* start)
    : options_(options), sampler_(sampler) {
  if (start != nullptr) {
    step_ = start->step;
    position_ = position_in(*start, sampler);
    epochs_done_ = at_limit() ? start->epoch : position_.epoch;
  }
}

std::int64_t RunClock::current_epoch() const {
  return position_.steps > 0 ? position_.epoch + 1 : std::max<std::int64_t>(position_.epoch, 1);
}

bool RunClock::at_limit() const { return options_.max_steps > 0 && step_ >= options_.max_steps; }

bool RunClock::at_end_of_epoch() const { return position_.steps >= sampler_.steps_per_epoch(); }

bool RunClock::is_epoch_left() const {
  const bool is_open = position_.steps > 0 && epochs_done_ <= position_.epoch;
  return position_.epoch < options_.epochs && (!at_limit() || is_open);
}

std::int64_t RunClock::total_steps() const {
  const std::int64_t epochs = options_.epochs - position_.epoch;
  const std::int64_t all = step_ + std::max<std::int64_t>(0, epochs * sampler_.steps_per_epoch() - position_.steps);
  return options_.max_steps > 0 ? std::min(all, options_.max_steps) : all;
}

std::int64_t RunClock::epochs() const {
  const std::int64_t steps = std::max<std::int64_t>(sampler_.steps_per_epoch(), 1);
  return options_.counts_steps ? (options_.max_steps + steps - 1) / steps : options_.epochs;
}

void RunClock::end_step() {
  ++step_;
  ++position_.steps;
}

void RunClock::end_epoch() {
  epochs_done_ = position_.epoch + 1;
  if (at_end_of_epoch()) {
    position_ = {.epoch = epochs_done_};
  }
}

}  // namespace backflow::train

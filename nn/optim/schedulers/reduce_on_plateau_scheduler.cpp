#include <backflow/nn/optim/schedulers/reduce_on_plateau_scheduler.h>

#include <algorithm>
#include <limits>

#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/nn/optim/state_values_internal.h>

namespace backflow::optim {

ReduceLROnPlateauScheduler::ReduceLROnPlateauScheduler(Optimizer& optimizer, SchedulerMode mode, double factor,
                                                       int patience, double threshold, ThresholdMode threshold_mode,
                                                       int cooldown, const std::vector<float>& min_lr, double eps)
    : optimizer_(optimizer),
      mode_(mode),
      factor_(factor),
      patience_(patience),
      threshold_(threshold),
      threshold_mode_(threshold_mode),
      cooldown_(cooldown),
      min_lrs_(min_lr),
      eps_(eps),
      best_(mode == min ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity()) {
  const char* const where = "reduce_lr_on_plateau";
  check(factor >= 0 && factor < 1, where, ": factor ", factor, ": need a number in [0, 1)");
  check(patience >= 0 && cooldown >= 0, where, ": patience ", patience, " and cooldown ", cooldown,
        ": need numbers >= 0");
  check(threshold >= 0 && eps >= 0, where, ": threshold ", threshold, " and eps ", eps, ": need numbers >= 0");
  const std::size_t groups = optimizer.param_groups().size();
  check(min_lr.size() <= 1 || min_lr.size() == groups, where, ": ", min_lr.size(), " lower bounds for ", groups,
        " groups: need one, or one for each");
}

void ReduceLROnPlateauScheduler::step(double metric) {
  if (is_better(metric)) {
    best_ = metric;
    bad_steps_ = 0;
  } else {
    ++bad_steps_;
  }
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    bad_steps_ = 0;
  }
  if (bad_steps_ > patience_) {
    reduce();
    cooldown_left_ = cooldown_;
    bad_steps_ = 0;
  }
}

void ReduceLROnPlateauScheduler::load_state(const State& state) {
  best_ = state.best;
  bad_steps_ = state.bad_steps;
  cooldown_left_ = state.cooldown_left;
}

OrderedDict<std::string, Tensor> ReduceLROnPlateauScheduler::state_dict() const {
  return {{"best", detail::number(best_)},
          {"num_bad_epochs", detail::number(std::int64_t{bad_steps_})},
          {"cooldown_counter", detail::number(std::int64_t{cooldown_left_})}};
}

LoadReport ReduceLROnPlateauScheduler::load_state_dict(const OrderedDict<std::string, Tensor>& dict, bool strict) {
  detail::NumberReader reader(dict);
  State given = state();
  reader.read("best", given.best);
  reader.read("num_bad_epochs", given.bad_steps);
  reader.read("cooldown_counter", given.cooldown_left);
  if (strict) {
    backflow::detail::check_fits(reader.report(), "reduce_lr_on_plateau: load_state_dict");
  }
  load_state(given);
  return reader.report();
}

void ReduceLROnPlateauScheduler::save(serialize::OutputArchive& archive) const {
  detail::write_all(archive, state_dict());
}
void ReduceLROnPlateauScheduler::load(serialize::InputArchive& archive) {
  load_state_dict(detail::numbers_of(archive));
}

bool ReduceLROnPlateauScheduler::is_better(double metric) const {
  const double sign = mode_ == min ? -1 : 1;
  const double bound = threshold_mode_ == rel ? best_ * (1 + sign * threshold_) : best_ + sign * threshold_;
  return mode_ == min ? metric < bound : metric > bound;
}

void ReduceLROnPlateauScheduler::reduce() {
  std::vector<OptimizerParamGroup>& groups = optimizer_.param_groups();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const double old_lr = groups[i].options().get_lr();
    const double new_lr = std::max(old_lr * factor_, min_lr(i));
    if (old_lr - new_lr > eps_) {
      groups[i].options().set_lr(new_lr);
    }
  }
}

/// Groups that were added later have the last one's.
double ReduceLROnPlateauScheduler::min_lr(std::size_t group) const {
  return min_lrs_.empty() ? 0 : static_cast<double>(min_lrs_[std::min(group, min_lrs_.size() - 1)]);
}

}  // namespace backflow::optim

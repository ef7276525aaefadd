#include <backflow/nn/optim/schedulers/sequential_lr.h>

#include <algorithm>
#include <utility>

namespace backflow::optim {

SequentialLR::SequentialLR(Optimizer& optimizer, Schedulers schedulers, std::vector<std::int64_t> milestones)
    : ClosedFormLR(optimizer), schedulers_(std::move(schedulers)), milestones_(std::move(milestones)) {
  check(schedulers_.size() == milestones_.size() + 1, "sequential_lr: ", milestones_.size(), " milestones for ",
        schedulers_.size(), " schedules: need one fewer than schedules");
  check(std::is_sorted(milestones_.begin(), milestones_.end()) && (milestones_.empty() || milestones_.front() >= 0),
        "sequential_lr: need milestones that rise, from 0 on");
  go_to(0);
}

SequentialLR::Place SequentialLR::place_of(std::int64_t t) const {
  const auto next = std::upper_bound(milestones_.begin(), milestones_.end(), t);
  const auto index = static_cast<std::size_t>(next - milestones_.begin());
  return {*schedulers_[index], t - (index == 0 ? 0 : milestones_[index - 1])};
}

double SequentialLR::lr_at(std::size_t group, std::int64_t t) const {
  const Place place = place_of(t);
  return place.scheduler.lr_at(group, place.step);
}

std::optional<double> SequentialLR::momentum_at(std::size_t group, std::int64_t t) const {
  const Place place = place_of(t);
  return place.scheduler.momentum_at(group, place.step);
}

}  // namespace backflow::optim

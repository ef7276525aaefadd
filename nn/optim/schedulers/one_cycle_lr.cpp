#include <backflow/nn/optim/schedulers/one_cycle_lr.h>

#include <cmath>
#include <numbers>
#include <utility>

namespace backflow::optim {

OneCycleLR::OneCycleLR(Optimizer& optimizer, std::vector<double> max_lrs, std::int64_t total_steps,
                       OneCycleLROptions options)
    : ClosedFormLR(optimizer), max_lrs_(std::move(max_lrs)), options_(options) {
  check(max_lrs_.size() == 1 || max_lrs_.size() == groups(), "one_cycle_lr: ", max_lrs_.size(), " peaks for ", groups(),
        " groups: need one, or one for each");
  check(total_steps >= 1, "one_cycle_lr: total_steps ", total_steps, ": need a number >= 1");
  const double start = options.pct_start;
  check(start >= 0 && start <= 1, "one_cycle_lr: pct_start ", start, ": need a number in [0, 1]");
  const auto total = static_cast<double>(total_steps);
  ends_ = {start * total - 1};
  if (options.three_phase) {
    ends_.push_back(2 * start * total - 2);
  }
  ends_.push_back(total - 1);
  go_to(0);
}

OneCycleLR::Place OneCycleLR::place_of(std::int64_t t) const {
  const auto step = static_cast<double>(t);
  check(step <= ends_.back() + 1, "one_cycle_lr: step ", t, " of a cycle of ", ends_.back() + 1,
        ": need no more steps than the cycle has");
  std::size_t phase = 0;
  while (phase + 1 < ends_.size() && step > ends_[phase]) {
    ++phase;
  }
  const double begin = phase == 0 ? 0 : ends_[phase - 1];
  const double length = ends_[phase] - begin;
  return {phase, length != 0 ? (step - begin) / length : 1};
}

double OneCycleLR::between(double a, double b, double part) const {
  return options_.linear ? (b - a) * part + a : b + (a - b) / 2 * (std::cos(std::numbers::pi * part) + 1);
}

double OneCycleLR::lr_at(std::size_t group, std::int64_t t) const {
  const Place place = place_of(t);
  const double peak = max_lrs_[max_lrs_.size() == 1 ? 0 : group];
  const double first = peak / options_.div_factor;
  const double last = first / options_.final_div_factor;
  const double turns[] = {first, peak, options_.three_phase ? first : last, last};
  return between(turns[place.phase], turns[place.phase + 1], place.part);
}

std::optional<double> OneCycleLR::momentum_at(std::size_t, std::int64_t t) const {
  if (!options_.cycle_momentum) {
    return std::nullopt;
  }
  const Place place = place_of(t);
  const double most = options_.max_momentum;
  const double turns[] = {most, options_.base_momentum, most, most};
  return between(turns[place.phase], turns[place.phase + 1], place.part);
}

}  // namespace backflow::optim

#include <backflow/nn/optim/schedulers/closed_form_lr.h>

#include <tuple>

#include <backflow/nn/optim/adam.h>
#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/rmsprop.h>
#include <backflow/nn/optim/sgd.h>

namespace backflow::optim {
namespace {

/// Calls `with_momentum` or `with_betas` with the options as what they are. Returns whether they are one of these.
template <class WithMomentum, class WithBetas>
bool visit(OptimizerOptions& options, const WithMomentum& with_momentum, const WithBetas& with_betas) {
  if (auto* const sgd = dynamic_cast<SGDOptions*>(&options)) {
    with_momentum(*sgd);
  } else if (auto* const rmsprop = dynamic_cast<RMSpropOptions*>(&options)) {
    with_momentum(*rmsprop);
  } else if (auto* const adam = dynamic_cast<AdamOptions*>(&options)) {
    with_betas(*adam);
  } else if (auto* const adamw = dynamic_cast<AdamWOptions*>(&options)) {
    with_betas(*adamw);
  } else {
    return false;
  }
  return true;
}

}  // namespace

ClosedFormLR::ClosedFormLR(Optimizer& optimizer) : LRScheduler(optimizer) {
  for (OptimizerParamGroup& group : optimizer.param_groups()) {
    if (!group.initial_lr()) {
      group.set_initial_lr(group.options().get_lr());
    }
    base_lrs_.push_back(*group.initial_lr());
  }
}

std::optional<double> ClosedFormLR::momentum_at(std::size_t, std::int64_t) const { return std::nullopt; }

void ClosedFormLR::go_to(std::int64_t t) {
  check(t >= 0, "lr_scheduler: step ", t, ": need a number >= 0");
  set_lrs(set_momentum_and_get_lrs(t));
  step_count_ = static_cast<unsigned>(t);
}

std::vector<double> ClosedFormLR::get_lrs() { return set_momentum_and_get_lrs(std::int64_t{step_count_} + 1); }

std::vector<double> ClosedFormLR::set_momentum_and_get_lrs(std::int64_t t) {
  std::vector<double> lrs;
  for (std::size_t group = 0; group < base_lrs_.size(); ++group) {
    lrs.push_back(lr_at(group, t));
    if (const std::optional<double> momentum = momentum_at(group, t)) {
      set_momentum(optimizer().param_groups()[group].options(), *momentum);
    }
  }
  return lrs;
}

std::optional<double> momentum_of(const OptimizerOptions& options) {
  std::optional<double> momentum;
  visit(
      const_cast<OptimizerOptions&>(options), [&](const auto& o) { momentum = o.momentum(); },
      [&](const auto& o) { momentum = std::get<0>(o.betas()); });
  return momentum;
}

void set_momentum(OptimizerOptions& options, double momentum) {
  const bool set = visit(
      options, [&](auto& o) { o.momentum(momentum); },
      [&](auto& o) {
        o.betas({momentum, std::get<1>(o.betas())});
      });
  check(set, "lr_scheduler: an optimizer without momentum: need one that has it, or cycle_momentum false");
}

}  // namespace backflow::optim

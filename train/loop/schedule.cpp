#include <backflow/train/loop/schedule.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <backflow/nn/optim/schedulers/constant_lr.h>
#include <backflow/nn/optim/schedulers/linear_lr.h>
#include <backflow/nn/optim/schedulers/sequential_lr.h>

namespace backflow::train {
namespace {

using optim::ClosedFormLR;
using optim::Optimizer;

double unit_of(const ScheduleOptions& options, const RunLength& run) {
  return options.by_epoch ? static_cast<double>(std::max<std::int64_t>(run.steps_per_epoch, 1)) : 1.0;
}

std::int64_t in_steps(double length, double unit) { return std::llround(length * unit); }

/// The curve of a whole run: warm-up, then the phases.
struct Curve {
  std::unique_ptr<ClosedFormLR> of;
  std::int64_t end = 0;
};

Curve make_curve(const ScheduleOptions& options, Optimizer& optimizer, const RunLength& run) {
  const double unit = unit_of(options, run);
  optim::SequentialLR::Schedulers parts;
  std::vector<std::int64_t> milestones;
  std::int64_t begin = in_steps(options.warmup, unit);
  if (begin > 0) {
    parts.push_back(std::make_shared<optim::LinearLR>(optimizer, options.warmup_start, 1.0, begin));
    milestones.push_back(begin);
  }
  for (const SchedulePhase& phase : options.phases) {
    const std::int64_t rest = std::max<std::int64_t>(run.total_steps - begin, 1);
    const std::int64_t steps = phase.length > 0 ? std::max<std::int64_t>(in_steps(phase.length, unit), 1) : rest;
    parts.push_back(phase.make(optimizer, steps, unit));
    begin += steps;
    milestones.push_back(begin);
  }
  if (options.phases.empty()) {
    parts.push_back(std::make_shared<optim::ConstantLR>(optimizer, 1.0, 0));
  } else {
    milestones.pop_back();
  }
  return {std::make_unique<optim::SequentialLR>(optimizer, std::move(parts), std::move(milestones)), begin};
}

}  // namespace

void Schedule::check_lengths(const ScheduleOptions& options, const RunLength& run) {
  const double unit = unit_of(options, run);
  const std::int64_t warmup = in_steps(options.warmup, unit);
  if (run.total_steps > 0 && warmup > run.total_steps) {
    options.section.fail("warmup", to_text("'warmup' in [schedule] takes ", warmup, " steps, the run has ",
                                           run.total_steps, ": need a shorter warm-up or a longer run"));
  }
  std::int64_t begin = warmup;
  for (const SchedulePhase& phase : options.phases) {
    if (run.total_steps > 0 && begin > 0 && begin >= run.total_steps) {
      phase.section.fail(
          "name", to_text("'name' in [", phase.section.path(), "] is \"", phase.name, "\": starts after step ", begin,
                          ", the run has ", run.total_steps, ": need a longer run, or shorter parts before"));
    }
    begin += in_steps(phase.length, unit);
  }
}

Schedule::Schedule(const ScheduleOptions& options, Optimizer& optimizer, const RunLength& run, Better better)
    : optimizer_(optimizer) {
  Curve curve = make_curve(options, optimizer, run);
  curve_ = std::move(curve.of);
  end_ = curve.end;
  if (options.name != "plateau") {
    return;
  }
  using Plateau = optim::ReduceLROnPlateauScheduler;
  const PlateauOptions& o = options.plateau;
  metric_ = o.metric;
  plateau_ =
      std::make_unique<Plateau>(optimizer, better == Better::Lower ? Plateau::min : Plateau::max, o.factor,
                                static_cast<int>(o.patience), o.threshold, o.relative ? Plateau::rel : Plateau::abs,
                                static_cast<int>(o.cooldown), std::vector<float>{static_cast<float>(o.min_lr)});
  for (const optim::OptimizerParamGroup& group : optimizer.param_groups()) {
    plateau_lrs_.push_back(*group.initial_lr());
  }
}

void Schedule::before_step(std::int64_t done) {
  // A plateau has no end; other curves stay where they end.
  const std::int64_t t = plateau_ == nullptr ? std::min(done, end_) : done;
  curve_->go_to(t);
  if (plateau_ == nullptr) {
    return;
  }
  auto& groups = optimizer_.param_groups();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const double base = *groups[i].initial_lr();
    groups[i].options().set_lr(base != 0 ? plateau_lrs_[i] * (curve_->lr_at(i, t) / base) : 0);
  }
}

void Schedule::set_plateau_lrs() {
  auto& groups = optimizer_.param_groups();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i].options().set_lr(plateau_lrs_[i]);
  }
}

void Schedule::after_evaluation(const Evaluation& evaluation) {
  if (plateau_ == nullptr) {
    return;
  }
  set_plateau_lrs();
  plateau_->step(evaluation.metric(metric_));
  for (std::size_t i = 0; i < plateau_lrs_.size(); ++i) {
    plateau_lrs_[i] = optimizer_.param_groups()[i].options().get_lr();
  }
}

double Schedule::lr() const { return optimizer_.param_groups().front().options().get_lr(); }

void Schedule::save(LoopState& state, const std::string& prefix) const {
  if (plateau_ == nullptr) {
    return;
  }
  const auto now = plateau_->state();
  state.set(prefix + "plateau.best", now.best);
  state.set(prefix + "plateau.bad", std::int64_t{now.bad_steps});
  state.set(prefix + "plateau.cooldown", std::int64_t{now.cooldown_left});
  for (std::size_t i = 0; i < plateau_lrs_.size(); ++i) {
    state.set(to_text(prefix, "plateau.lr.", i), plateau_lrs_[i]);
  }
}

void Schedule::load(const LoopState& state, const std::string& prefix) {
  const bool has_all = plateau_ != nullptr && state.has(to_text(prefix, "plateau.lr.", plateau_lrs_.size() - 1)) &&
                       !state.has(to_text(prefix, "plateau.lr.", plateau_lrs_.size()));
  if (!has_all) {
    return;
  }
  plateau_->load_state({.best = state.number(prefix + "plateau.best"),
                        .bad_steps = static_cast<int>(state.integer(prefix + "plateau.bad")),
                        .cooldown_left = static_cast<int>(state.integer(prefix + "plateau.cooldown"))});
  for (std::size_t i = 0; i < plateau_lrs_.size(); ++i) {
    plateau_lrs_[i] = state.number(to_text(prefix, "plateau.lr.", i));
  }
}

}  // namespace backflow::train

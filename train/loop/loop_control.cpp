#include <backflow/train/loop/loop_control.h>

#include <algorithm>
#include <utility>

namespace backflow::train {
namespace {

const MetricInfo* find(const std::vector<MetricInfo>& metrics, const std::string& name) {
  const auto found =
      std::find_if(metrics.begin(), metrics.end(), [&](const auto& metric) { return metric.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

Better better_of(const Task& task, const std::string& name) {
  const std::vector<MetricInfo> metrics = task.metrics();
  const MetricInfo* const metric = find(metrics, name);
  return metric == nullptr ? Better::Lower : metric->better;
}

void check_metric(const io::Section& s, const char* key, const std::string& name, const Task& task, bool can_evaluate) {
  const std::string where = to_text("'", key, "' in [", s.path(), "] is \"", name, "\"");
  if (!can_evaluate) {
    s.fail(key, where + ", and there are neither validation nor test data: need some to evaluate on");
  }
  const std::vector<MetricInfo> metrics = task.metrics();
  if (find(metrics, name) == nullptr) {
    std::string known;
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      known += to_text(i == 0 ? "\"" : i + 1 == metrics.size() ? " or \"" : ", \"", metrics[i].name, "\"");
    }
    s.fail(key, to_text(where, ", no metric of the task \"", task.name(), "\": need ", known));
  }
}

}  // namespace

void LoopControl::check_metrics(const Experiment& e, const Task& task, bool can_evaluate, Mistakes& mistakes) {
  const auto look = [&](const io::Section& s, const char* key, const std::string& name) {
    mistakes.attempt([&] { check_metric(s, key, name, task, can_evaluate); });
  };
  if (e.early_stopping.patience > 0) {
    look(e.early_stopping.section, "metric", e.early_stopping.metric);
  }
  if (!e.checkpoint.best.empty()) {
    look(e.checkpoint.section, "best", e.checkpoint.best);
  }
  if (e.schedule.name == "plateau") {
    look(e.schedule.section, "metric", e.schedule.plateau.metric);
  }
}

LoopControl::LoopControl(const Experiment& e, const Task& task, const nn::Module& module,
                         const std::vector<optim::Optimizer*>& optimizers, const RunLength& run)
    : ema_(e.ema, module), patience_(e.early_stopping.patience) {
  for (optim::Optimizer* const optimizer : optimizers) {
    schedules_.push_back(
        std::make_unique<LrSchedule>(e.schedule, *optimizer, run, better_of(task, e.schedule.plateau.metric)));
  }
  if (patience_ > 0) {
    early_.emplace(e.early_stopping.metric, better_of(task, e.early_stopping.metric), e.early_stopping.min_delta);
  }
  if (!e.checkpoint.best.empty()) {
    best_.emplace(e.checkpoint.best, better_of(task, e.checkpoint.best));
  }
}

void LoopControl::before_step(std::int64_t done) {
  for (const auto& schedule : schedules_) {
    schedule->before_step(done);
  }
}

void LoopControl::after_step(std::int64_t done) {
  if (ema_.is_on()) {
    ema_.update(done);
  }
}

bool LoopControl::after_evaluation(const Evaluation& evaluation, std::int64_t step) {
  evaluated_step_ = step;
  for (const auto& schedule : schedules_) {
    schedule->after_evaluation(evaluation);
  }
  if (early_) {
    early_->update(evaluation, step);
  }
  return best_ && best_->update(evaluation, step);
}

void LoopControl::forget_best() {
  if (best_) {
    best_->forget();
  }
}

bool LoopControl::is_hopeless() const { return early_ && early_->bad() >= patience_; }

std::string LoopControl::why_hopeless() const {
  return to_text("no better ", early_->metric(), " than ",
                 early_->best() ? to_text(*early_->best(), ", of step ", early_->best_step(), ",") : "none", " in ",
                 early_->bad(), early_->bad() == 1 ? " evaluation" : " evaluations");
}

void LoopControl::save(io::Dump& dump) const {
  LoopState state;
  for (std::size_t i = 0; i < schedules_.size(); ++i) {
    schedules_[i]->save(state, i == 0 ? "" : to_text(i, "."));
  }
  if (early_) {
    early_->save(state, "early_stopping");
  }
  if (best_) {
    best_->save(state, "best");
  }
  if (evaluated_step_ >= 0) {
    state.set("evaluated_step", evaluated_step_);
  }
  dump.loop = state.values();
  ema_.save(dump);
}

void LoopControl::load(const io::Dump& dump) {
  const LoopState state(dump.loop);
  for (std::size_t i = 0; i < schedules_.size(); ++i) {
    schedules_[i]->load(state, i == 0 ? "" : to_text(i, "."));
  }
  if (early_) {
    early_->load(state, "early_stopping");
  }
  if (best_) {
    best_->load(state, "best");
  }
  if (state.has("evaluated_step")) {
    evaluated_step_ = state.integer("evaluated_step");
  }
  ema_.load(dump);
}

}  // namespace backflow::train

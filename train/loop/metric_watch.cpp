#include <backflow/train/loop/metric_watch.h>

#include <cmath>
#include <utility>

namespace backflow::train {

MetricWatch::MetricWatch(std::string metric, Better better, double min_delta)
    : metric_(std::move(metric)), better_(better), min_delta_(min_delta) {}

bool MetricWatch::update(const Evaluation& evaluation, std::int64_t step) {
  const double value = evaluation.metric(metric_);
  const bool is_better =
      !std::isnan(value) &&
      (!best_ || (better_ == Better::Lower ? value < *best_ - min_delta_ : value > *best_ + min_delta_));
  if (is_better) {
    best_ = value;
    best_step_ = step;
    bad_ = 0;
  } else {
    ++bad_;
  }
  return is_better;
}

void MetricWatch::save(LoopState& state, const std::string& prefix) const {
  const std::string name = prefix + "." + metric_;
  if (best_) {
    state.set(name + ".best", *best_);
  }
  state.set(name + ".step", best_step_);
  state.set(name + ".bad", bad_);
}

void MetricWatch::load(const LoopState& state, const std::string& prefix) {
  const std::string name = prefix + "." + metric_;
  if (!state.has(name + ".step")) {
    return;
  }
  best_ = state.has(name + ".best") ? std::optional(state.number(name + ".best")) : std::nullopt;
  best_step_ = state.integer(name + ".step");
  bad_ = state.integer(name + ".bad");
}

}  // namespace backflow::train

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <backflow/train/loop/loop_state.h>
#include <backflow/train/task/metrics.h>

namespace backflow::train {

/// The best value of a metric so far, and since when there was no better one. NaN is never better.
class MetricWatch {
 public:
  MetricWatch(std::string metric, Better better, double min_delta = 0);

  /// Takes the metric of an evaluation after so many steps. Returns whether it is better than all before, by more than
  /// min_delta.
  bool update(const Evaluation& evaluation, std::int64_t step);

  /// Whatever comes next is better.
  void forget() { best_.reset(); }

  const std::string& metric() const { return metric_; }
  std::optional<double> best() const { return best_; }
  std::int64_t best_step() const { return best_step_; }
  /// Evaluations since the best one.
  std::int64_t bad() const { return bad_; }

  void save(LoopState& state, const std::string& prefix) const;
  /// Starts anew where the dump has no such state, or that of another metric.
  void load(const LoopState& state, const std::string& prefix);

 private:
  std::string metric_;
  Better better_;
  double min_delta_;
  std::optional<double> best_;
  std::int64_t best_step_ = 0;
  std::int64_t bad_ = 0;
};

}  // namespace backflow::train

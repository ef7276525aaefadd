#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <backflow/train/evaluation.h>
#include <backflow/train/loop/loop_control.h>
#include <backflow/train/loop/run_output.h>
#include <backflow/train/trainer.h>

namespace backflow::train {

/// The evaluations of a run: between steps on validation data, or test data where there are none; at the end on test
/// data, or validation data where there are none. With averaged weights if there are some. All calls are collective.
class RunEvaluator {
 public:
  /// `explain` is called when a loss is not finite, to throw what says more; keeps references.
  RunEvaluator(const Experiment& experiment, const Task& task, const Model& model, const RunData& data,
               LoopControl& control, RunOutput& output, distributed::Communicator& world,
               std::function<void()> explain);

  /// Between steps: writes the line "eval", and lets the loop know. Returns whether it is the best so far by
  /// checkpoint.best.
  bool evaluate(std::int64_t step, std::int64_t epoch);
  /// At the end of a run.
  void evaluate_last(std::int64_t step, std::int64_t epoch, RunEnd& end);
  /// "validation loss 0.2700, validation accuracy 0.9120" of the last evaluate(); empty before.
  std::string text() const;

 private:
  Evaluation evaluate_on(const BatchMaker& data, const char* split, std::int64_t step);
  const BatchMaker* watched() const { return data_.validation != nullptr ? data_.validation : data_.test; }
  const char* watched_split() const { return data_.validation != nullptr ? "validation" : "test"; }

  const Experiment& experiment_;
  const Task& task_;
  const Model& model_;
  const RunData data_;
  LoopControl& control_;
  RunOutput& output_;
  distributed::Communicator& world_;
  std::function<void()> explain_;
  std::optional<Evaluation> last_;  ///< of evaluate()
};

}  // namespace backflow::train

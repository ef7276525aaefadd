#include <backflow/train/loop/run_evaluator.h>

#include <cmath>
#include <utility>

#include <backflow/runtime/trace/trace.h>
#include <backflow/train/loop/evaluation_text.h>
#include <backflow/train/run/shared_failure.h>

namespace backflow::train {

RunEvaluator::RunEvaluator(const Experiment& experiment, const Task& task, const Model& model, const RunData& data,
                           LoopControl& control, RunOutput& output, distributed::Communicator& world,
                           std::function<void()> explain)
    : experiment_(experiment),
      task_(task),
      model_(model),
      data_(data),
      control_(control),
      output_(output),
      world_(world),
      explain_(std::move(explain)) {}

Evaluation RunEvaluator::evaluate_on(const BatchMaker& data, const char* split, std::int64_t step) {
  const trace::Span span("evaluation");
  const AveragedWeights averaged(control_.ema());
  Evaluation result = train::evaluate(task_, model_, data, experiment_.train.eval_batch_size, world_);
  if (!std::isfinite(result.loss())) {
    run_on_all_ranks(world_, [&] {
      explain_();
      fail("train: the ", split, " loss after step ", step, " is ", result.loss(),
           ": need finite numbers; a smaller learning rate may help");
    });
  }
  return result;
}

bool RunEvaluator::evaluate(std::int64_t step, std::int64_t epoch) {
  if (watched() == nullptr) {
    return false;
  }
  last_ = evaluate_on(*watched(), watched_split(), step);
  output_.evaluation(*last_, watched_split(), step, epoch);
  return control_.after_evaluation(*last_, step);
}

void RunEvaluator::evaluate_last(std::int64_t step, std::int64_t epoch, RunEnd& end) {
  const BatchMaker* const data = data_.test != nullptr ? data_.test : data_.validation;
  end.split = data_.test != nullptr ? "test" : "validation";
  const bool is_watched = data == watched();
  if (is_watched && last_) {
    end.evaluation = last_;
  } else if (data != nullptr) {
    end.evaluation = evaluate_on(*data, end.split, step);
    if (!is_watched) {
      output_.evaluation(*end.evaluation, end.split, step, epoch);
    }
  }
}

std::string RunEvaluator::text() const { return last_ ? headline_text(task_, *last_, watched_split()) : ""; }

}  // namespace backflow::train

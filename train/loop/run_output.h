#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <backflow/distributed/communicator.h>
#include <backflow/runtime/base/warning.h>
#include <backflow/train/batch_step.h>
#include <backflow/train/loop/metric_watch.h>
#include <backflow/train/run/run_files.h>
#include <backflow/train/run/run_report.h>
#include <backflow/train/trainer.h>
#include <backflow/train/views/communication_view.h>
#include <backflow/train/views/step_recorder.h>

namespace backflow::train {

/// A step that has been done.
struct StepFacts {
  std::int64_t step = 0;   ///< its number, from 1
  std::int64_t steps = 0;  ///< of the whole run
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t samples = 0;
  double seconds = 0;
  double stall_seconds = 0;  ///< of them, waiting for data
  double lr = 0;
  std::optional<double> grad_norm;
};

/// How a run has ended.
struct RunEnd {
  std::optional<Evaluation> evaluation;  ///< the last, if there was anything to evaluate on
  const char* split = "test";            ///< of it
  const MetricWatch* best = nullptr;     ///< of checkpoint.best; null without it, or without best.h5
  std::int64_t steps = 0;
  double seconds = 0;
  std::string dump;  ///< empty when it could not be written
};

/// What a run writes and says: files of the run directory on rank 0, lines for people. Warnings of the process go there
/// while this lives.
class RunOutput {
 public:
  /// Keeps references to all but the communicator.
  RunOutput(const Experiment& experiment, const Task& task, const RunOptions& options,
            std::shared_ptr<distributed::Communicator> world);

  /// Makes the run directory, or takes over that of a run to go on with. Collective.
  void open(const Platform& platform);
  /// On rank 0; null elsewhere.
  RunFiles* files() { return files_ ? &*files_ : nullptr; }
  /// The run directory, on every rank.
  const std::string& directory() const { return directory_; }
  RunReport& report() { return report_; }
  void say(const std::string& text) { report_.say(text); }

  /// A line of metrics.jsonl on rank 0, and nothing elsewhere. Throws Error when it cannot be written; with
  /// checkpoint.on_error "warn" that is a warning, the first time.
  void metric(std::string_view event, const io::MetricRecord& fields);
  /// A line "step", and the progress.
  void step(const StepFacts& facts, const StepResult& result);
  /// A line "eval", and one "confusion" before it where there is a matrix.
  void evaluation(const Evaluation& evaluation, const char* split, std::int64_t step, std::int64_t epoch);
  /// What the recorded steps tell of time: lines "communication" and "profile". Only on rank 0.
  void recorded(const Profile& profile, const std::optional<CommunicationView>& communication);
  /// A line "final", and what people want to know. Only on rank 0.
  void end(const RunEnd& end);

 private:
  /// Sends the warnings of the process to the report.
  struct Warnings {
    explicit Warnings(RunReport& report);
    ~Warnings();
    Warnings(const Warnings&) = delete;
    Warnings& operator=(const Warnings&) = delete;
    WarningHandler previous;
  };

  const Experiment& experiment_;
  const Task& task_;
  const RunOptions& options_;
  std::shared_ptr<distributed::Communicator> world_;
  RunReport report_;
  std::optional<RunFiles> files_;
  std::string directory_;
  bool has_lost_metrics_ = false;
  double step_seconds_ = 0;   ///< all steps together
  double stall_seconds_ = 0;  ///< of them, waiting for data
  const Warnings warnings_{report_};
};

}  // namespace backflow::train

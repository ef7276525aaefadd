#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <backflow/distributed/communicator.h>
#include <backflow/train/experiment.h>
#include <backflow/train/loop/run_output.h>
#include <backflow/train/loop/run_state.h>
#include <backflow/train/run/background_writer.h>
#include <backflow/train/run/snapshot.h>

namespace backflow::train {

/// The dumps of a run. Rank 0 writes them alone, or all ranks together. While training goes on (`checkpoint.async`) a
/// step waits only for a copy of the state, and for the write before if that is still under way. How each write ended
/// becomes a line of metrics.jsonl as soon as it is noticed: after a step, or before the next dump. One that failed
/// ends the run or is a warning, as `checkpoint.on_error` says.
///
/// With `checkpoint.mode` "parallel" all ranks write, between two steps, each what it has (RunState::share); what fails
/// on one fails on all. Where there is one rank that is the same as "rank0".
///
/// All ranks call the same functions, which are collective.
class Checkpoints {
 public:
  /// Keeps references.
  Checkpoints(const Experiment& experiment, RunState& state, RunOutput& output, distributed::Communicator& world)
      : options_(experiment.checkpoint),
        timeout_s_(experiment.distributed.timeout_s),
        state_(state),
        output_(output),
        world_(world) {}
  /// Waits for the write that is under way, and notes how it ended.
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  /// On rank 0: whether `every_minutes` have passed since the last dump, or since the start.
  bool is_time() const;
  /// Whether `every_steps` asks for a dump after so many.
  bool is_due(std::int64_t step) const { return options_.every_steps > 0 && step % options_.every_steps == 0; }

  /// Gets the memory for copies, so that the first one does not delay training more than others. For the end of the
  /// first step, when the optimizer has its state; `steps` more will follow.
  void prepare(std::int64_t steps);
  /// Writes checkpoints/step-<step>.h5.
  void save();
  /// Writes checkpoints/best.h5.
  void save_best();
  /// Writes the last dump of the run, after those that are still under way, and returns its path when it is on the
  /// disk; empty on other ranks. With on_error "warn" it is empty on rank 0 too when that has failed; see last_error().
  std::string save_last();
  /// Notes a write that has ended. Throws Error for one that failed, with on_error "stop".
  void look();

  /// Why the newest dump of a step could not be written; empty when it could, or is not yet.
  const std::string& last_error() const { return last_error_; }
  /// Whether the dump of the best evaluation could not be written: best.h5 is missing, or of an earlier evaluation.
  bool is_best_lost() const { return is_best_lost_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Kind { Step, Best };

  /// A dump that is written, or about to be.
  struct Write {
    Kind kind = Kind::Step;
    std::int64_t step = 0;
    std::int64_t bytes = 0;
    double wait_seconds = 0;  ///< for the write before
    double copy_seconds = 0;  ///< to gather, check and copy the state
  };

  enum class Mode { Async, AtOnce };
  Mode mode() const { return options_.async ? Mode::Async : Mode::AtOnce; }
  bool is_parallel() const { return options_.mode == CheckpointMode::Parallel && world_.size() > 1; }
  void write(Kind kind, Mode mode);
  void write_alone(Write next, Mode mode);
  void write_together(Write next);
  void write_file(const Write& write, const RunFiles::DumpWrite& write_to);
  void forget_error(Kind kind);
  double wait_for_write();
  void note_wait(double seconds);
  void judge(const Write& write, const WriteEnd& end);
  void note(const Write& write, const WriteEnd& end);
  void warn_of(const WriteEnd& end);

  const CheckpointOptions& options_;
  const double timeout_s_;  ///< how long ranks wait for each other
  RunState& state_;
  RunOutput& output_;
  distributed::Communicator& world_;
  Clock::time_point last_ = Clock::now();  ///< when the last dump was begun
  bool has_waited_ = false;
  bool is_best_lost_ = false;
  std::string last_error_;
  Snapshot snapshot_;
  std::optional<Write> under_way_;
  BackgroundWriter writer_;  ///< the last: it reads the snapshot
};

}  // namespace backflow::train

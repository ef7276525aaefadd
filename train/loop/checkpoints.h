#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <backflow/io/dump.h>
#include <backflow/train/experiment.h>
#include <backflow/train/loop/run_output.h>
#include <backflow/train/run/background_writer.h>
#include <backflow/train/run/snapshot.h>

namespace backflow::train {

/// The dumps of a run, which rank 0 writes. While training goes on (`checkpoint.async`) a step waits only for a copy of
/// the state, and for the write before if that is still under way. How each write ended becomes a line of
/// metrics.jsonl as soon as it is noticed: after a step, or before the next dump. One that failed ends the run or is a
/// warning, as `checkpoint.on_error` says.
///
/// All ranks call the same functions; only rank 0 does anything in them but call `state`, which is collective and gives
/// the dump (RunState::full).
class Checkpoints {
 public:
  using State = std::function<io::Dump()>;

  /// Keeps references.
  Checkpoints(const CheckpointOptions& options, RunOutput& output) : options_(options), output_(output) {}
  /// Waits for the write that is under way, and notes how it ended.
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  /// On rank 0: whether `every_minutes` have passed since the last dump, or since the start.
  bool is_time() const;
  /// Whether `every_steps` asks for a dump after so many.
  bool is_due(std::int64_t step) const { return options_.every_steps > 0 && step % options_.every_steps == 0; }

  /// Writes checkpoints/step-<step>.h5.
  void save(const State& state);
  /// Writes checkpoints/best.h5.
  void save_best(const State& state);
  /// Writes the last dump of the run, after those that are still under way, and returns its path when it is on the
  /// disk; empty on other ranks. With on_error "warn" it is empty on rank 0 too when that has failed; see last_error().
  std::string save_last(const State& state);
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
  void write(Kind kind, const State& state, Mode mode);
  double wait_for_write();
  void note_wait(double seconds);
  void judge(const Write& write, const WriteEnd& end);
  void note(const Write& write, const WriteEnd& end);
  void warn_of(const WriteEnd& end);

  const CheckpointOptions& options_;
  RunOutput& output_;
  Clock::time_point last_ = Clock::now();  ///< when the last dump was begun
  bool has_waited_ = false;
  bool is_best_lost_ = false;
  std::string last_error_;
  Snapshot snapshot_;
  std::optional<Write> under_way_;
  BackgroundWriter writer_;  ///< the last: it reads the snapshot
};

}  // namespace backflow::train

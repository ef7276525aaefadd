#pragma once

#include <cstdint>

#include <backflow/distributed/sampler.h>
#include <backflow/io/dump.h>
#include <backflow/train/experiment.h>
#include <backflow/train/run/run_position.h>

namespace backflow::train {

/// Which steps and epochs of a run are done, and which are left.
class RunClock {
 public:
  /// At the start, or after what a dump has done. Keeps a reference to the sampler. Throws Error for a dump that does
  /// not fit.
  RunClock(const TrainOptions& options, const distributed::ShardedSampler& sampler, const io::Dump* start);

  std::int64_t step() const { return step_; }  ///< steps done
  const RunPosition& position() const { return position_; }
  /// Epochs that are over: evaluated, if that was due.
  std::int64_t epochs_done() const { return epochs_done_; }
  /// The epoch in which the last step was, from 1.
  std::int64_t current_epoch() const;
  bool at_limit() const;             ///< of max_steps
  bool at_end_of_epoch() const;      ///< all steps of the epoch are done, and it is not over yet
  bool is_epoch_left() const;        ///< steps, or an epoch that is not over: a dump may be made between the two
  std::int64_t total_steps() const;  ///< those done and those to come
  std::int64_t epochs() const;       ///< of the whole run, for people

  void end_step();
  /// Of all its steps, or of those up to the limit.
  void end_epoch();

 private:
  const TrainOptions& options_;
  const distributed::ShardedSampler& sampler_;
  std::int64_t step_ = 0;
  RunPosition position_;
  std::int64_t epochs_done_ = 0;
};

}  // namespace backflow::train

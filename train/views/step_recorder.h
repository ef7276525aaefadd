#pragma once

#include <cstdint>
#include <string>

#include <backflow/distributed/calls/communication_times.h>
#include <backflow/train/views/profile.h>

namespace backflow::train {

/// Which steps of a run are recorded, counted from 0 where it starts, or goes on from a dump. The first ones are left
/// out: memory, kernels and threads are still being set up.
class RecordedSteps {
 public:
  static constexpr std::int64_t kWarmUp = 10;
  static constexpr std::int64_t kInterval = 50;
  static constexpr std::int64_t kLeastProfiled = 3;

  /// `total`: steps of the run. `traced`: steps that the trace is to hold, 0 for no trace.
  RecordedSteps(std::int64_t total, std::int64_t traced);

  /// The trace goes from here until before `trace_end()`; a run that is too short for both has less to warm up.
  std::int64_t trace_begin() const { return trace_begin_; }
  std::int64_t trace_end() const { return trace_end_; }
  /// A sample: every 50th step after the warm-up; more often in a short run, so that there are three if it has three.
  bool is_profiled(std::int64_t step) const {
    return step >= profile_begin_ && (step - profile_begin_) % interval_ == 0;
  }

 private:
  std::int64_t trace_begin_ = 0;
  std::int64_t trace_end_ = 0;
  std::int64_t profile_begin_ = 0;
  std::int64_t interval_ = 1;
};

/// Turns tracing on and off for the steps of a run, writes the trace, and gathers the profile and the times of
/// communication.
class StepRecorder {
 public:
  /// Profile: that, and the times of communication.
  enum class Gather { Profile, Communication };

  StepRecorder(RecordedSteps steps, Gather gather, int rank) : steps_(steps), gather_(gather), rank_(rank) {}
  ~StepRecorder();
  StepRecorder(const StepRecorder&) = delete;
  StepRecorder& operator=(const StepRecorder&) = delete;

  /// Where the trace goes, if the run has one: trace.json of rank 0, trace-rank1.json and so on of the others.
  void set_directory(const std::string& directory) { directory_ = directory; }
  /// Also sets memory_stats().peak_bytes to what tensors take now.
  void begin_step(std::int64_t step);
  /// Writes the trace after its last step; true then.
  bool end_step(std::int64_t step);
  /// Writes the trace if the run ends before it was complete; true then.
  bool end_run();

  const Profile& profile() const { return profile_; }
  /// Of the same steps on all ranks.
  const distributed::CommunicationTimes& communication() const { return communication_; }
  std::string trace_path() const;

 private:
  void write();

  RecordedSteps steps_;
  Gather gather_;
  int rank_;
  std::string directory_;
  Profile profile_;
  distributed::CommunicationTimes communication_;
  bool traces_ = false;
  std::int64_t step_start_ = 0;
};

}  // namespace backflow::train

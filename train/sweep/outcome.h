#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/train/report/run_record.h>

namespace backflow::train {

/// What has become of a run of a sweep.
enum class RunStatus { Waiting, Finished, Dropped, Failed, Interrupted };

/// "finished", "dropped by halving" and so on.
std::string state_name(RunStatus state);

struct RunOutcome {
  RunStatus state = RunStatus::Waiting;
  std::string error;  ///< why it failed
  RunRecord record;   ///< what its metrics.jsonl tells
};

/// The record of a run's directory; an empty one when it has none that can be read.
RunRecord read_record(const std::string& directory);

/// The metric that the runs are compared by: the one asked for, else accuracy where a run has it, else the loss.
std::string choose_metric(const std::string& asked, const std::vector<RunOutcome>& runs);

/// The last value of a metric on validation data, or else test data; NaN if there is none.
double last_value(const RunRecord& record, const std::string& metric);
/// Its value in the last evaluation within the first `epoch` epochs; NaN if there is none.
double value_at(const RunRecord& record, const std::string& metric, std::int64_t epoch);
/// Whether the run was evaluated in this epoch or a later one.
bool has_reached(const RunRecord& record, std::int64_t epoch);

/// The last line with an error in what a run printed, else its last line.
std::string error_in(const std::string& output);

}  // namespace backflow::train

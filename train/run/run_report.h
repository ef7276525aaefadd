#pragma once

#include <mutex>
#include <string>

#include <backflow/train/run/run_files.h>
#include <backflow/train/views/progress.h>

namespace backflow::train {

/// What a run tells people, and its log.txt. Thread-safe: warnings come from the threads that compute.
class RunReport {
 public:
  RunReport(int rank, Progress::Verbosity verbosity)
      : rank_(rank), verbosity_(verbosity), progress_(Progress::mode_for(rank, verbosity)) {}

  /// Where the log is, on rank 0; `files` must live as long as this. Before, nothing is logged.
  void set_files(RunFiles& files) { files_ = &files; }

  /// Of rank 0: a line of standard output, unless the run is quiet, and of log.txt.
  void say(const std::string& text) { say(text, text); }
  /// The same with another text in the log.
  void say(const std::string& text, const std::string& log);
  /// A line of log.txt alone, if this is rank 0.
  void note(const std::string& text);
  /// A line of standard error, and of log.txt if this is rank 0.
  void warn(const std::string& text);
  /// The last dump, whose path is all that a quiet run writes to standard output.
  void result(const std::string& dump);

  void start_progress(std::int64_t first_step);
  void progress(const Progress::State& state);

 private:
  void log(const std::string& text);

  const int rank_;
  const Progress::Verbosity verbosity_;
  std::mutex mutex_;
  Progress progress_;
  RunFiles* files_ = nullptr;
};

}  // namespace backflow::train

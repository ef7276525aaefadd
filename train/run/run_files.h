#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/io/event_file.h>
#include <backflow/io/metrics.h>
#include <backflow/io/run_directory.h>
#include <backflow/io/run_lock.h>
#include <backflow/train/experiment.h>
#include <backflow/train/run/run_start.h>

namespace spdlog {
class logger;
}

namespace backflow::train {

/// The files of one run, which rank 0 writes. Nothing is written before the constructor is called.
class RunFiles {
 public:
  /// Makes the run directory, or takes over that of `start`: holds its lock, removes what an overwritten run and
  /// killed processes have left, sets dumps aside that are newer than the one that the run goes on from, writes
  /// config.toml and environment.json, and opens metrics.jsonl and log.txt to append to them.
  RunFiles(const RunStart& start, const std::string& name, const std::string& config, const std::string& environment);
  ~RunFiles();

  const std::string& directory() const { return directory_.path(); }
  /// What the user should know of the directory, a line each.
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Whether the directory had a best dump when the run took it over.
  bool had_best() const { return has_best_; }
  /// A line of metrics.jsonl; steps and evaluations also go into the event file, if there is one.
  void metric(std::string_view event, const io::MetricRecord& fields);
  /// From now on TensorBoard's event file gets the same; `step` is the last one that is done.
  void write_events(std::int64_t step) { events_.emplace(directory(), step > 0 ? step + 1 : 0); }
  /// A line of log.txt.
  void log(const std::string& text);
  /// Writes a dump to a path, in full or not at all.
  using DumpWrite = std::function<void(const std::string& path)>;

  /// Has `write` write checkpoints/step-<step>.h5, then removes the oldest dumps of this run so that `keep_last` are
  /// left: those that it has written, and those from which on it goes. When writing fails nothing is removed.
  void checkpoint(std::int64_t step, std::int64_t keep_last, const DumpWrite& write);
  /// Has `write` write checkpoints/best.h5 in place of an earlier one. It is not among those that `keep_last` counts.
  void best(const DumpWrite& write);
  // These two may be called by another thread than the rest, one call at a time.

  /// The path of the dump that was written last.
  const std::string& newest() const { return dumps_.back(); }

 private:
  void take(const RunStart& start);
  void adopt_dumps(const RunStart& start);
  void adopt_best(const RunStart& start);
  void make_checkpoints();
  void write_checkpoint(const std::string& path, const DumpWrite& write);

  io::RunDirectory directory_;
  std::shared_ptr<io::RunLock> lock_;
  std::vector<std::string> warnings_;
  bool has_best_ = false;
  bool has_failed_ = false;         ///< the last write, which may have left something unfinished
  std::vector<std::string> dumps_;  ///< of this run, the newest last
  std::optional<io::MetricsWriter> metrics_;
  std::optional<io::EventFile> events_;
  std::shared_ptr<spdlog::logger> logger_;
};

/// Adds the error that ends a run to `directory`/log.txt, if that is there. For every rank: the others do not learn
/// what has ended the one that failed. Does not throw.
void log_failure(const std::string& directory, const std::string& text) noexcept;

}  // namespace backflow::train

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/dump.h>
#include <backflow/io/metrics.h>
#include <backflow/io/run_directory.h>
#include <backflow/train/experiment.h>

namespace spdlog {
class logger;
}

namespace backflow::train {

/// The files of one run, which rank 0 writes.
class RunFiles {
 public:
  using Mode = io::MetricsWriter::Mode;

  /// Makes the run directory with config.toml and environment.json, and opens metrics.jsonl and log.txt, which are
  /// emptied or appended to.
  RunFiles(const std::string& out, const std::string& name, const std::string& config, const std::string& environment,
           Mode mode);
  ~RunFiles();

  const std::string& directory() const { return directory_.path(); }
  void metric(std::string_view event, const io::MetricRecord& fields) { metrics_->write(event, fields); }
  /// A line of log.txt.
  void log(const std::string& text);
  /// Writes checkpoints/step-<step>.h5, then removes the oldest so that `keep_last` are left. Returns its path.
  std::string checkpoint(const io::Dump& dump, std::int64_t keep_last);

 private:
  io::RunDirectory directory_;
  std::optional<io::MetricsWriter> metrics_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace backflow::train

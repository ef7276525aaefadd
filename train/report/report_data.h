#pragma once

#include <memory>
#include <string>
#include <vector>

#include <backflow/train/report/run_record.h>

namespace backflow::train {

/// The run directories that these name: a run as it is, a sweep with all of its runs. Throws io::ConfigError for one
/// that is neither.
std::vector<std::string> run_directories(const std::vector<std::string>& paths);

/// The numbers and texts of some runs that a report shows. Not thread-safe.
class ReportData {
 public:
  explicit ReportData(std::vector<std::string> directories);
  ~ReportData();
  ReportData(const ReportData&) = delete;
  ReportData& operator=(const ReportData&) = delete;

  /// Reads what is new; true if there was anything. Throws Error for files that cannot be read.
  bool update();
  /// All of it as one JSON object. Its form is that of train/report/page/main.js.
  std::string json() const;

 private:
  struct Run;
  std::vector<std::unique_ptr<Run>> runs_;
};

}  // namespace backflow::train

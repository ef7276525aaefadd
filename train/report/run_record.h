#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <backflow/io/metrics.h>
#include <backflow/train/report/line_reader.h>
#include <backflow/train/report/series.h>

namespace backflow::train {

/// Curves by name, in the order in which the names came.
class NamedSeries {
 public:
  /// The curve of this name, made if there is none; null once there are 64, so that no file can ask for more.
  Series* at(const std::string& name);
  const Series* find(const std::string& name) const;
  void cut(std::int64_t step);
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  bool empty() const { return all_.empty(); }

 private:
  std::vector<std::pair<std::string, Series>> all_;
};

/// How often samples of one class (row) are taken for another one (column).
struct ConfusionMatrix {
  std::string split;  ///< "validation" or "test"
  std::int64_t step = 0;
  std::vector<std::string> classes;
  std::vector<std::vector<double>> counts;
};

/// What the events of metrics.jsonl tell of a run. Events of other kinds are left out.
struct RunRecord {
  NamedSeries steps;                                             ///< "loss", "lr", ... of events "step"
  std::vector<std::pair<std::string, NamedSeries>> evaluations;  ///< of events "eval", by split
  std::vector<ConfusionMatrix> confusion;                        ///< the last one of each split
  io::MetricRecord final = {};                                   ///< empty while the run goes on
  io::MetricRecord profile = {};
  io::MetricRecord communication = {};
  std::int64_t epoch = 0;  ///< of the last step
  std::int64_t step = 0;   ///< the last one

  /// Takes a line over; false for one that is no event.
  bool take(const std::string& line);
  /// The evaluations to look at first: on validation data where there are some, else the first ones; null without any.
  const std::pair<std::string, NamedSeries>* main_evaluations() const;
};

/// A number of a record, NaN if it has none of this name.
double number_of(const io::MetricRecord& record, std::string_view name);

/// Reads metrics.jsonl while a run may still write it. Nothing in it is trusted: damaged lines, and those of more than
/// 16 MiB, are skipped and counted. Memory is bounded. Not thread-safe.
class RunMetrics {
 public:
  explicit RunMetrics(const std::string& path) : reader_(path) {}

  /// Reads what has been added since; true if that was anything. Throws Error when the file cannot be read.
  bool update();
  const RunRecord& record() const { return record_; }
  /// What is wrong with the file, in sentences.
  std::vector<std::string> notes() const;

 private:
  LineReader reader_;
  RunRecord record_;
  std::int64_t lines_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t first_skipped_ = 0;
};

}  // namespace backflow::train

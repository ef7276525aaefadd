#include <backflow/train/sweep/outcome.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <sstream>

#include <backflow/runtime/base/error.h>
#include <backflow/train/report/run_texts.h>

namespace backflow::train {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max() / 2;

const Series* evaluation(const RunRecord& record, const std::string& metric) {
  const auto* main = record.main_evaluations();
  return main != nullptr ? main->second.find(metric) : nullptr;
}

}  // namespace

std::string state_name(RunStatus state) {
  switch (state) {
    case RunStatus::Waiting:
      return "not started";
    case RunStatus::Finished:
      return "finished";
    case RunStatus::Dropped:
      return "dropped by halving";
    case RunStatus::Failed:
      return "failed";
    case RunStatus::Interrupted:
      return "interrupted";
  }
  return "";
}

RunRecord read_record(const std::string& directory) {
  const std::string path = directory + "/metrics.jsonl";
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return {};
  }
  try {
    RunMetrics metrics(path);
    metrics.update();
    return metrics.record();
  } catch (const Error&) {  // as after a change of rights: the run that goes on there says it
    return {};
  }
}

std::string choose_metric(const std::string& asked, const std::vector<RunOutcome>& runs) {
  if (!asked.empty()) {
    return asked;
  }
  const bool classifies = std::any_of(runs.begin(), runs.end(), [](const RunOutcome& run) {
    return evaluation(run.record, "accuracy") != nullptr || std::isfinite(number_of(run.record.final, "test_accuracy"));
  });
  return classifies ? "accuracy" : "loss";
}

double last_value(const RunRecord& record, const std::string& metric) {
  if (const Series* series = evaluation(record, metric)) {
    return series->last();
  }
  const double test = number_of(record.final, "test_" + metric);
  return std::isnan(test) ? number_of(record.final, metric) : test;
}

double value_at(const RunRecord& record, const std::string& metric, std::int64_t epoch) {
  const Series* values = evaluation(record, metric);
  const Series* epochs = evaluation(record, "epoch");
  if (values == nullptr || epochs == nullptr) {
    return kNone;
  }
  std::int64_t last_step = -1;
  for (const Series::Point& point : epochs->points(kAll)) {
    if (point.mean <= static_cast<double>(epoch)) {
      last_step = point.step;
    }
  }
  double value = kNone;
  for (const Series::Point& point : values->points(kAll)) {
    if (point.step <= last_step) {
      value = point.mean;
    }
  }
  return value;
}

bool has_reached(const RunRecord& record, std::int64_t epoch) {
  const Series* epochs = evaluation(record, "epoch");
  return epochs != nullptr && epochs->last() >= static_cast<double>(epoch);
}

std::string error_in(const std::string& output) {
  constexpr std::size_t kMost = 16384;
  std::istringstream lines(tail_of(output, kMost));
  std::string last;
  std::string error;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("backflow: error: ")) {
      error = line.substr(std::string_view("backflow: error: ").size());
    } else if (!line.empty()) {
      last = line;
    }
  }
  return error.empty() ? last : error;
}

}  // namespace backflow::train

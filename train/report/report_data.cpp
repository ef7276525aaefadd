#include <backflow/train/report/report_data.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <optional>
#include <utility>

#include <backflow/io/config.h>
#include <backflow/io/run_contents.h>
#include <backflow/io/run_lock.h>
#include <backflow/train/report/report_json_internal.h>
#include <backflow/train/report/run_texts.h>

namespace backflow::train {
namespace {

namespace fs = std::filesystem;
using report::Json;

constexpr std::size_t kMostText = std::size_t{256} << 10;  // of a configuration or environment.json
constexpr std::size_t kMostLog = std::size_t{32} << 10;

bool holds_metrics(const fs::path& directory) {
  std::error_code error;
  return fs::is_regular_file(directory / "metrics.jsonl", error);
}

/// The runs of a sweep, sorted by name.
std::vector<std::string> runs_below(const fs::path& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (holds_metrics(it->path())) {
      found.push_back(it->path().string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string time_text() {
  char text[64];
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string name_of(const std::string& directory) {
  const fs::path path = fs::path(directory).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

/// "lr=0.1, seed=2": what tells a run from the others, where that is short enough; else its directory's name.
std::string label_of(const std::string& name, const Differences& all, std::size_t run) {
  std::string label;
  for (std::size_t i = 0; i < all.keys.size(); ++i) {
    const std::string& key = all.keys[i];
    label += (label.empty() ? "" : ", ") + key.substr(key.rfind('.') + 1) + "=" + all.values[run][i];
  }
  constexpr std::size_t kLongest = 60;
  return label.empty() || label.size() > kLongest ? name : label;
}

}  // namespace

struct ReportData::Run {
  explicit Run(std::string path) : directory(std::move(path)), metrics(directory + "/metrics.jsonl") {}

  bool update() {
    const bool changed = metrics.update();
    if (changed || config.empty()) {
      config = head_of(directory + "/config.toml", kMostText);
      environment = head_of(directory + "/environment.json", kMostText);
      log = tail_of(directory + "/log.txt", kMostLog);
    }
    std::error_code error;
    const fs::file_time_type now = fs::last_write_time(directory + "/trace.json", error);
    if (!error && now != trace_time) {
      trace_time = now;
      timeline = read_timeline(directory + "/trace.json");
    }
    const std::string before = std::exchange(status, find_status());
    return changed || status != before;
  }

  /// A run that holds the lock of its directory goes on.
  std::string find_status() const {
    if (!metrics.record().final.empty()) {
      return "finished";
    }
    return io::RunLock::is_taken(directory) ? "running" : "not finished";
  }

  Json json() const {
    const RunRecord& record = metrics.record();
    Json all = {{"name", name_of(directory)},
                {"directory", directory},
                {"status", status},
                {"step", record.step},
                {"epoch", record.epoch},
                {"notes", metrics.notes()},
                {"steps", report::curves(record.steps)}};
    all["evaluations"] = Json::object();
    for (const auto& [split, series] : record.evaluations) {
      all["evaluations"][split] = report::curves(series);
    }
    all["confusion"] = Json::array();
    for (const ConfusionMatrix& matrix : record.confusion) {
      all["confusion"].push_back(report::confusion(matrix));
    }
    all["final"] = report::fields(record.final);
    all["profile"] = report::profile(record.profile);
    all["communication"] = report::fields(record.communication);
    all["timeline"] = timeline ? report::timeline(*timeline) : Json();
    all["environment"] = environment_in(environment);
    all["config"] = config;
    all["log"] = log;
    return all;
  }

  std::string directory;
  RunMetrics metrics;
  std::string config;
  std::string environment;
  std::string log;
  std::string status;
  std::optional<StepTimeline> timeline;
  fs::file_time_type trace_time;
};

std::vector<std::string> run_directories(const std::vector<std::string>& paths) {
  std::vector<std::string> all;
  for (const std::string& path : paths) {
    std::vector<std::string> found;
    if (holds_metrics(path)) {
      found = {path};
    } else {
      found = runs_below(fs::path(path) / "runs");
      found = found.empty() ? runs_below(path) : found;
    }
    if (found.empty()) {
      std::error_code error;
      throw io::ConfigError(to_text(path, fs::exists(path, error) ? ": holds no metrics.jsonl" : ": no such directory",
                                    ": need the directory of a run, or of a sweep"));
    }
    for (std::string& run : found) {
      if (std::find(all.begin(), all.end(), run) == all.end()) {
        all.push_back(std::move(run));
      }
    }
  }
  return all;
}

ReportData::ReportData(std::vector<std::string> directories) {
  for (std::string& directory : directories) {
    runs_.push_back(std::make_unique<Run>(std::move(directory)));
  }
}

ReportData::~ReportData() = default;

bool ReportData::update() {
  bool changed = false;
  for (const auto& run : runs_) {
    changed = run->update() || changed;
  }
  return changed;
}

std::string ReportData::json() const {
  std::vector<Settings> settings;
  for (const auto& run : runs_) {
    settings.push_back(settings_in(run->config));
  }
  const Differences found = runs_.empty() ? Differences() : differences(settings);
  Json all = {
      {"generator", std::string("Backflow ") + BACKFLOW_VERSION}, {"made", time_text()}, {"differing", found.keys}};
  all["runs"] = Json::array();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    Json run = runs_[i]->json();
    run["label"] = label_of(name_of(runs_[i]->directory), found, i);
    run["differences"] = found.values[i];
    all["runs"].push_back(std::move(run));
  }
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace backflow::train

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace backflow::io {

/// A value of a metric: an integer, a number, text, true/false, a list of texts, or a matrix of integers, row by row.
using MetricValue = std::variant<std::int64_t, double, std::string, bool, std::vector<std::string>,
                                 std::vector<std::vector<std::int64_t>>>;

/// The fields of one event in their order, as {{"step", 10}, {"loss", 0.25}}.
using MetricRecord = std::vector<std::pair<std::string, MetricValue>>;

/// Writes `metrics.jsonl`: one JSON object a line, {"event": "step", "step": 10, "loss": 0.25}.
///
/// Numbers have enough digits to read back the same double. JSON has no NaN and no infinity; they are written as the
/// strings "NaN", "Infinity" and "-Infinity", as in protobuf's JSON. metric_number() reads both forms. Not thread-safe.
class MetricsWriter {
 public:
  enum class Mode { Truncate, Append };

  /// Opens the file. Append, for a resumed run, first drops a last line that was cut off. Throws Error.
  explicit MetricsWriter(std::string path, Mode mode = Mode::Truncate);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Appends a line and hands it to the operating system at once. Throws Error when the disk is full; the file then
  /// ends with the previous line. Throws Error, at most a second later, when the file has been removed or renamed.
  void write(std::string_view event, const MetricRecord& fields);

 private:
  void check_place();

  std::string path_;
  int file_ = -1;
  std::chrono::steady_clock::time_point checked_;
};

/// The last complete line of a metrics file, "event" included: {"event": "final", ...} once the run is over. Nothing if
/// there is no line yet. Throws Error when the file cannot be read or the line is no JSON object of such values.
std::optional<MetricRecord> last_metrics(const std::string& path);

/// The number in the field `key`: an integer, a number or one of the three texts. Throws Error if it is not there.
double metric_number(const MetricRecord& record, std::string_view key);

/// The JSON text of `fields` as one flat object, indented by two spaces: for environment.json.
std::string to_json(const MetricRecord& fields);

}  // namespace backflow::io

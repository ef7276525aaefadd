#include <backflow/train/report/run_record.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMostNames = 64;
constexpr std::size_t kMostSplits = 8;
constexpr std::size_t kMostClasses = 1000;
constexpr std::size_t kMostFields = 20000;  // of one record; a profile has four for each operator
constexpr std::size_t kLongestName = 200;   // bytes
constexpr double kMostSteps = 9e15;         // exact in double

/// The number that a field is, also as the text that JSON needs for those that are not finite.
std::optional<double> number_in(const Json& value) {
  if (value.is_number()) {
    return value.get<double>();
  }
  if (!value.is_string()) {
    return std::nullopt;
  }
  const auto& text = value.get_ref<const std::string&>();
  if (text == "NaN") {
    return kNone;
  }
  if (text == "Infinity" || text == "-Infinity") {
    return std::numeric_limits<double>::infinity();
  }
  return std::nullopt;
}

/// A whole number from 0 on.
std::optional<std::int64_t> count_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number()) {
    return std::nullopt;
  }
  const double value = found->get<double>();
  const bool fits = value >= 0 && value <= kMostSteps && value == std::floor(value);
  return fits ? std::optional(static_cast<std::int64_t>(value)) : std::nullopt;
}

std::string text_in(const Json& json, const char* key, const char* fallback) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>().substr(0, kLongestName) : fallback;
}

bool is_place(std::string_view key) { return key == "event" || key == "step" || key == "split" || key == "samples"; }

/// Adds the numbers of an event to the curves.
void add_numbers(NamedSeries& series, std::int64_t step, const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (is_place(key) || key.size() > kLongestName) {
      continue;
    }
    if (const std::optional<double> number = number_in(value)) {
      if (Series* curve = series.at(key)) {
        curve->add(step, *number);
      }
    }
  }
}

/// The numbers and texts of an event, but its name.
io::MetricRecord flat(const Json& json) {
  io::MetricRecord record;
  for (const auto& [key, value] : json.items()) {
    if (key == "event" || key.size() > kLongestName || record.size() == kMostFields) {
      continue;
    }
    if (value.is_boolean()) {
      record.emplace_back(key, value.get<bool>());
    } else if (const std::optional<double> number = number_in(value)) {
      record.emplace_back(key, *number);
    } else if (value.is_string()) {
      record.emplace_back(key, value.get<std::string>());
    }
  }
  return record;
}

/// The curves of a split, made if there are none.
NamedSeries* evaluations_of(RunRecord& run, const std::string& split) {
  const auto found =
      std::find_if(run.evaluations.begin(), run.evaluations.end(), [&](const auto& one) { return one.first == split; });
  if (found != run.evaluations.end()) {
    return &found->second;
  }
  return run.evaluations.size() < kMostSplits ? &run.evaluations.emplace_back(split, NamedSeries()).second : nullptr;
}

/// A step that comes again is of a resumed run. What came after it has not happened.
void take_step(RunRecord& run, std::int64_t step, const Json& json) {
  if (step <= run.step) {
    run.steps.cut(step);
    for (auto& [split, series] : run.evaluations) {
      series.cut(step);
    }
  }
  run.step = step;
  run.final.clear();
  run.epoch = count_in(json, "epoch").value_or(run.epoch);
  add_numbers(run.steps, step, json);
}

std::optional<ConfusionMatrix> confusion_in(const Json& json, std::int64_t step) {
  const auto classes = json.find("classes");
  const auto matrix = json.find("matrix");
  if (matrix == json.end() || !matrix->is_array() || matrix->empty() || matrix->size() > kMostClasses) {
    return std::nullopt;
  }
  const std::size_t n = matrix->size();
  ConfusionMatrix confusion{.split = text_in(json, "split", "test"), .step = step, .classes = {}, .counts = {}};
  for (std::size_t i = 0; i < n; ++i) {
    const bool named =
        classes != json.end() && classes->is_array() && classes->size() == n && (*classes)[i].is_string();
    confusion.classes.push_back(named ? (*classes)[i].get<std::string>().substr(0, kLongestName) : to_text(i));
    const Json& row = (*matrix)[i];
    if (!row.is_array() || row.size() != n) {
      return std::nullopt;
    }
    std::vector<double>& counts = confusion.counts.emplace_back();
    for (const Json& count : row) {
      const double value = count.is_number() ? count.get<double>() : -1;
      if (!(value >= 0 && value <= kMostSteps)) {
        return std::nullopt;
      }
      counts.push_back(value);
    }
  }
  return confusion;
}

bool take_confusion(RunRecord& run, std::int64_t step, const Json& json) {
  std::optional<ConfusionMatrix> confusion = confusion_in(json, step);
  if (!confusion) {
    return false;
  }
  std::erase_if(run.confusion, [&](const ConfusionMatrix& one) { return one.split == confusion->split; });
  if (run.confusion.size() < kMostSplits) {
    run.confusion.push_back(*std::move(confusion));
  }
  return true;
}

}  // namespace

Series* NamedSeries::at(const std::string& name) {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one.first == name; });
  if (found != all_.end()) {
    return &found->second;
  }
  return all_.size() < kMostNames ? &all_.emplace_back(name, Series()).second : nullptr;
}

const Series* NamedSeries::find(const std::string& name) const {
  const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one.first == name; });
  return found == all_.end() ? nullptr : &found->second;
}

void NamedSeries::cut(std::int64_t step) {
  for (auto& [name, series] : all_) {
    series.cut(step);
  }
}

bool RunRecord::take(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  const auto named = json.is_object() ? json.find("event") : json.end();
  if (!json.is_object() || named == json.end() || !named->is_string()) {
    return false;
  }
  const auto event = named->get<std::string>();
  if (event == "final") {
    final = flat(json);
  } else if (event == "profile") {
    profile = flat(json);
  } else if (event == "communication") {
    communication = flat(json);
  } else if (event == "step" || event == "eval" || event == "confusion") {
    const std::optional<std::int64_t> at = count_in(json, "step");
    if (!at) {
      return false;
    }
    if (event == "confusion") {
      return take_confusion(*this, *at, json);
    }
    if (event == "step") {
      take_step(*this, *at, json);
    } else if (NamedSeries* series = evaluations_of(*this, text_in(json, "split", "test"))) {
      add_numbers(*series, *at, json);
    }
  }
  return true;
}

const std::pair<std::string, NamedSeries>* RunRecord::main_evaluations() const {
  for (const auto& one : evaluations) {
    if (one.first == "validation") {
      return &one;
    }
  }
  return evaluations.empty() ? nullptr : &evaluations.front();
}

double number_of(const io::MetricRecord& record, std::string_view name) {
  const auto found = std::find_if(record.begin(), record.end(), [&](const auto& field) { return field.first == name; });
  if (found == record.end()) {
    return kNone;
  }
  if (const auto* whole = std::get_if<std::int64_t>(&found->second)) {
    return static_cast<double>(*whole);
  }
  const auto* number = std::get_if<double>(&found->second);
  return number != nullptr ? *number : kNone;
}

bool RunMetrics::update() {
  bool changed = reader_.open();
  if (changed) {
    record_ = {};
    lines_ = skipped_ = first_skipped_ = 0;
  }
  std::string line;
  for (;;) {
    const LineReader::Found found = reader_.next(line);
    if (found == LineReader::Found::Nothing) {
      return changed;
    }
    changed = true;
    ++lines_;
    const bool blank = line.find_first_not_of(" \t\r") == std::string::npos;
    if (found == LineReader::Found::TooLong || (!blank && !record_.take(line))) {
      first_skipped_ = ++skipped_ == 1 ? lines_ : first_skipped_;
    }
  }
}

std::vector<std::string> RunMetrics::notes() const {
  std::vector<std::string> notes;
  if (skipped_ > 0) {
    notes.push_back(skipped_ == 1 ? to_text("metrics.jsonl: line ", first_skipped_, " is damaged and was skipped")
                                  : to_text("metrics.jsonl: ", skipped_,
                                            " damaged lines were skipped, the first is line ", first_skipped_));
  }
  if (reader_.has_rest() && !record_.final.empty()) {
    notes.emplace_back("metrics.jsonl: the last line is incomplete");
  }
  for (const auto& [name, series] : record_.steps) {
    if (series.not_finite() > 0) {
      notes.push_back(to_text("'", name, "' was NaN or infinite in ", series.not_finite(), " steps"));
    }
  }
  return notes;
}

}  // namespace backflow::train

#include <backflow/train/report/step_timeline.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include <backflow/train/report/line_reader.h>

namespace backflow::train {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostSlices = 4000;
constexpr std::size_t kMostThreads = 256;
constexpr std::size_t kLongestText = 200;
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>().substr(0, kLongestText) : "";
}

double number_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : -1;
}

/// Calls `see` for each event of the file: io::write_trace writes one a line.
void for_each_event(const std::string& path, const std::function<void(const Json&)>& see) {
  LineReader reader(path, kLongestLine);
  reader.open();
  std::string line;
  for (;;) {
    const LineReader::Found found = reader.next(line);
    if (found == LineReader::Found::Nothing) {
      return;
    }
    if (found == LineReader::Found::Line && line.starts_with('{')) {
      line.erase(line.find_last_not_of(", \r") + 1);
      if (const Json json = Json::parse(line, nullptr, false); json.is_object()) {
        see(json);
      }
    }
  }
}

/// The begin and the duration of the last span called "step".
std::optional<std::pair<double, double>> last_step(const std::string& path) {
  std::optional<std::pair<double, double>> step;
  for_each_event(path, [&](const Json& json) {
    if (text_of(json, "ph") == "X" && text_of(json, "name") == "step" && text_of(json, "cat") == "span") {
      const double start = number_in(json, "ts");
      const double us = number_in(json, "dur");
      if (start >= 0 && us > 0 && (!step || start > step->first)) {
        step = {start, us};
      }
    }
  });
  return step;
}

std::string detail_of(const Json& json) {
  const auto args = json.find("args");
  if (args == json.end() || !args->is_object()) {
    return "";
  }
  std::string in = text_of(*args, "in");
  std::string out = text_of(*args, "out");
  return in.empty() || out.empty() ? in + out : in + " → " + out;
}

/// Gives each slice the number of those around it, and sorts them by their start.
void nest(std::vector<StepTimeline::Slice>& slices) {
  std::sort(slices.begin(), slices.end(), [](const auto& a, const auto& b) {
    return a.start_us != b.start_us ? a.start_us < b.start_us : a.us > b.us;
  });
  std::vector<double> ends;
  for (StepTimeline::Slice& slice : slices) {
    while (!ends.empty() && ends.back() <= slice.start_us) {
      ends.pop_back();
    }
    slice.depth = static_cast<int>(ends.size());
    ends.push_back(slice.start_us + slice.us);
  }
}

/// Leaves out the shortest slices of a step that has too many.
void shorten(StepTimeline& timeline) {
  std::vector<double> lengths;
  for (const StepTimeline::Thread& thread : timeline.threads) {
    for (const StepTimeline::Slice& slice : thread.slices) {
      lengths.push_back(slice.us);
    }
  }
  if (lengths.size() <= kMostSlices) {
    return;
  }
  std::nth_element(lengths.begin(), lengths.begin() + kMostSlices, lengths.end(), std::greater<>());
  const double shortest = lengths[kMostSlices];
  for (StepTimeline::Thread& thread : timeline.threads) {
    const auto left = std::erase_if(thread.slices, [&](const auto& slice) { return slice.us <= shortest; });
    timeline.left_out += static_cast<std::int64_t>(left);
  }
}

}  // namespace

std::optional<StepTimeline> read_timeline(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return std::nullopt;
  }
  const auto step = last_step(path);
  if (!step) {
    return std::nullopt;
  }
  StepTimeline timeline{.us = step->second, .threads = {}};
  std::map<double, std::string> names;
  std::map<double, std::vector<StepTimeline::Slice>> slices;
  for_each_event(path, [&](const Json& json) {
    const double row = number_in(json, "tid");
    if (row < 0 || (slices.size() == kMostThreads && !slices.contains(row))) {
      return;
    }
    if (text_of(json, "ph") == "M" && text_of(json, "name") == "thread_name" && json.contains("args")) {
      names[row] = json["args"].is_object() ? text_of(json["args"], "name") : "";
    } else if (text_of(json, "ph") == "X") {
      const double start = number_in(json, "ts") - step->first;
      const double us = number_in(json, "dur");
      constexpr std::size_t kMostKept = 1'000'000;  // of one thread; shorten() leaves far fewer
      if (start >= 0 && us > 0 && start + us <= step->second * 1.0001 && slices[row].size() < kMostKept) {
        slices[row].push_back({start, us, 0, text_of(json, "name"), text_of(json, "cat"), detail_of(json)});
      }
    }
  });
  for (auto& [row, found] : slices) {
    timeline.threads.push_back({names[row], std::move(found)});
  }
  shorten(timeline);
  for (StepTimeline::Thread& thread : timeline.threads) {
    nest(thread.slices);
  }
  return timeline;
}

}  // namespace backflow::train

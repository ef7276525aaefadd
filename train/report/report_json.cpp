#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>
#include <variant>

#include <backflow/train/report/report_json_internal.h>

namespace backflow::train::report {
namespace {

constexpr std::size_t kMostPoints = 1000;       // of a curve
constexpr std::size_t kMostOperators = 200;     // of a profile
constexpr std::size_t kMostClassesShown = 120;  // of a confusion matrix
constexpr std::size_t kMostMistakes = 20;

/// "linear" and ".ms" of "forward.linear.ms"; names may have dots.
struct OperatorField {
  std::string_view direction, name, quantity;
};

std::optional<OperatorField> operator_field(std::string_view key) {
  for (const std::string_view direction : {"forward", "backward"}) {
    const std::size_t last = key.rfind('.');
    if (key.starts_with(direction) && key.size() > direction.size() && key[direction.size()] == '.' &&
        last > direction.size()) {
      return OperatorField{direction, key.substr(direction.size() + 1, last - direction.size() - 1),
                           key.substr(last + 1)};
    }
  }
  return std::nullopt;
}

struct Operator {
  double calls = 0, ms = 0, gflops = 0, gbs = 0;
  void set(std::string_view quantity, double value) {
    (quantity == "calls" ? calls : quantity == "ms" ? ms : quantity == "gflop_per_second" ? gflops : gbs) = value;
  }
};

/// The pairs of classes that are taken for each other most often: [[class, predicted, count]].
Json mistakes(const ConfusionMatrix& matrix) {
  std::vector<std::pair<double, std::pair<std::size_t, std::size_t>>> found;
  for (std::size_t i = 0; i < matrix.counts.size(); ++i) {
    for (std::size_t j = 0; j < matrix.counts.size(); ++j) {
      if (i != j && matrix.counts[i][j] > 0) {
        found.push_back({matrix.counts[i][j], {i, j}});
      }
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(found.size(), kMostMistakes); ++i) {
    list.push_back({found[i].second.first, found[i].second.second, number(found[i].first)});
  }
  return list;
}

}  // namespace

Json number(double value) {
  if (!std::isfinite(value)) {
    return nullptr;
  }
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    return static_cast<std::int64_t>(value);
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

Json curves(const NamedSeries& all) {
  Json json = Json::object();
  for (const auto& [name, series] : all) {
    if (name == "epoch") {
      continue;  // it says where, not what
    }
    Json x = Json::array();
    Json y = Json::array();
    std::int64_t mean_of = 1;
    for (const Series::Point& point : series.points(kMostPoints)) {
      x.push_back(point.step);
      y.push_back(number(point.mean));
      mean_of = std::max(mean_of, point.values);
    }
    json[name] = {{"x", x},
                  {"y", y},
                  {"mean_of", mean_of},
                  {"least", number(series.least())},
                  {"most", number(series.most())},
                  {"last", number(series.last())}};
  }
  return json;
}

Json fields(const io::MetricRecord& record) {
  Json json = Json::object();
  for (const auto& [key, value] : record) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      json[key] = *text;
    } else if (const auto* truth = std::get_if<bool>(&value)) {
      json[key] = *truth;
    } else {
      json[key] = number(number_of(record, key));
    }
  }
  return json;
}

Json profile(const io::MetricRecord& record) {
  if (record.empty()) {
    return nullptr;
  }
  Json totals = Json::object();
  Json spans = Json::array();
  std::map<std::pair<std::string, std::string>, Operator> operators;
  for (const auto& [key, value] : record) {
    const auto* number_value = std::get_if<double>(&value);
    if (number_value == nullptr) {
      continue;
    }
    if (const auto field = operator_field(key)) {
      operators[{std::string(field->direction), std::string(field->name)}].set(field->quantity, *number_value);
    } else if (key.starts_with("span.") && key.ends_with(".ms") && key.size() > 8) {
      spans.push_back({key.substr(5, key.size() - 8), number(*number_value)});
    } else {
      totals[key] = number(*number_value);
    }
  }
  std::vector<std::pair<std::pair<std::string, std::string>, Operator>> sorted(operators.begin(), operators.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.ms > b.second.ms; });
  Json rows = Json::array();
  for (std::size_t i = 0; i < std::min(sorted.size(), kMostOperators); ++i) {
    const auto& [key, one] = sorted[i];
    rows.push_back({key.second, key.first, number(one.calls), number(one.ms), number(one.gflops), number(one.gbs)});
  }
  return {{"totals", totals}, {"spans", spans}, {"operators", rows}};
}

Json confusion(const ConfusionMatrix& matrix) {
  Json json = {{"split", matrix.split}, {"step", matrix.step}, {"classes", matrix.classes}};
  json["mistakes"] = mistakes(matrix);
  Json rows = Json::array();
  if (matrix.counts.size() <= kMostClassesShown) {
    for (const std::vector<double>& counts : matrix.counts) {
      Json row = Json::array();
      for (const double count : counts) {
        row.push_back(number(count));
      }
      rows.push_back(std::move(row));
    }
  }
  json["matrix"] = std::move(rows);
  return json;
}

Json timeline(const StepTimeline& timeline) {
  std::vector<std::string> names;
  std::map<std::string, std::size_t> places;
  const auto place = [&](const std::string& name) {
    const auto [it, is_new] = places.emplace(name, names.size());
    if (is_new) {
      names.push_back(name);
    }
    return it->second;
  };
  Json threads = Json::array();
  for (const StepTimeline::Thread& thread : timeline.threads) {
    Json slices = Json::array();
    for (const StepTimeline::Slice& s : thread.slices) {
      slices.push_back({number(std::round(s.start_us * 10) / 10), number(std::round(s.us * 100) / 100), s.depth,
                        place(s.name), place(s.kind), place(s.detail)});
    }
    threads.push_back({{"name", thread.name}, {"slices", std::move(slices)}});
  }
  return {{"us", number(timeline.us)}, {"left_out", timeline.left_out}, {"names", names}, {"threads", threads}};
}

}  // namespace backflow::train::report

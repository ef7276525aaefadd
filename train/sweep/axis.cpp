#include <backflow/train/sweep/axis.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <backflow/io/config.h>

namespace backflow::train {
namespace {

constexpr std::size_t kMostValues = 100'000;

template <class... Parts>
[[noreturn]] void refuse(const std::string& text, const Parts&... parts) {
  throw io::ConfigError(to_text("--set ", text, ": ", parts...));
}

std::string trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  return from == std::string_view::npos ? "" : std::string(text.substr(from, text.find_last_not_of(" \t") - from + 1));
}

/// The parts between the commas that stand in no bracket, brace or quote.
std::vector<std::string> parts_of(const std::string& text, std::string_view values) {
  std::vector<std::string> parts(1);
  std::string open;  // closing brackets that are waited for, or a quote
  for (std::size_t i = 0; i < values.size(); ++i) {
    const char c = values[i];
    const bool quoted = !open.empty() && (open.back() == '"' || open.back() == '\'');
    if (quoted && c == '\\' && open.back() == '"' && i + 1 < values.size()) {
      parts.back() += c;
      parts.back() += values[++i];
      continue;
    }
    if (c == ',' && open.empty()) {
      parts.emplace_back();
      continue;
    }
    if (!open.empty() && c == open.back()) {
      open.pop_back();
    } else if (!quoted && std::string_view("[{(\"'").find(c) != std::string_view::npos) {
      open += c == '[' ? ']' : c == '{' ? '}' : c == '(' ? ')' : c;
    }
    parts.back() += c;
  }
  if (!open.empty()) {
    refuse(text, "no ", open.back(), " at the end: need one for each that was opened");
  }
  for (std::string& part : parts) {
    part = trimmed(part);
    if (part.empty()) {
      refuse(text, "an empty value: need one between commas; an empty text is ''");
    }
  }
  return parts;
}

template <class T>
std::optional<T> exact(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value)
                                                                                   : std::nullopt;
}

/// "1", "9" and "2" of "1..9..2".
std::vector<std::string> range_parts(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t at = 0; (at = text.find("..", from)) != std::string::npos; from = at + 2) {
    parts.push_back(trimmed(std::string_view(text).substr(from, at - from)));
  }
  parts.push_back(trimmed(std::string_view(text).substr(from)));
  return parts;
}

/// The whole numbers of "1..9..2"; nothing for what is no such range, as the path ../data.
std::optional<std::vector<std::string>> integers_of(const std::string& text, const std::string& value) {
  const std::vector<std::string> parts = range_parts(value);
  if (parts.size() < 2 || parts.size() > 3) {
    return std::nullopt;
  }
  const auto first = exact<std::int64_t>(parts[0]);
  const auto last = exact<std::int64_t>(parts[1]);
  const auto step = parts.size() == 3 ? exact<std::int64_t>(parts[2]) : std::optional<std::int64_t>(1);
  if (!first || !last || !step) {
    return std::nullopt;
  }
  constexpr std::int64_t kLargest = 1'000'000'000'000'000;
  if (*first > *last || *step < 1 || std::abs(*first) > kLargest || std::abs(*last) > kLargest) {
    refuse(text, "the range ", value, " has no values: need the smaller end first and a step from 1 on");
  }
  if ((*last - *first) / *step >= static_cast<std::int64_t>(kMostValues)) {
    refuse(text, "the range ", value, " has too many values: need at most ", kMostValues);
  }
  std::vector<std::string> values;
  for (std::int64_t i = *first; i <= *last; i += *step) {
    values.push_back(std::to_string(i));
  }
  return values;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

double between(const Axis& axis, double part) {
  if (axis.logarithmic) {
    return std::exp(std::log(axis.least) + part * (std::log(axis.most) - std::log(axis.least)));
  }
  return axis.least + part * (axis.most - axis.least);
}

/// "log(1e-4..1e-1, 4)": its values, or with no count the range itself. False for what is no such function.
bool take_function(const std::string& text, const std::string& value, Axis& axis) {
  const std::size_t open = value.find('(');
  const std::string name = open == std::string::npos ? "" : value.substr(0, open);
  if ((name != "log" && name != "linear" && name != "uniform") || !value.ends_with(')')) {
    return false;
  }
  const std::vector<std::string> arguments =
      parts_of(text, std::string_view(value).substr(open + 1, value.size() - open - 2));
  const std::vector<std::string> ends = range_parts(arguments.front());
  const auto least = ends.size() == 2 ? exact<double>(ends[0]) : std::nullopt;
  const auto most = ends.size() == 2 ? exact<double>(ends[1]) : std::nullopt;
  axis.logarithmic = name == "log";
  if (!least || !most || !(std::isfinite(*least) && std::isfinite(*most) && *least < *most) ||
      (axis.logarithmic && *least <= 0)) {
    refuse(text, value, ": need two numbers, the smaller first", axis.logarithmic ? " and above 0" : "",
           ", as in log(1e-4..1e-1)");
  }
  axis.least = *least;
  axis.most = *most;
  if (arguments.size() == 1) {
    return true;
  }
  const auto count = exact<std::int64_t>(arguments[1]);
  if (arguments.size() > 2 || !count || *count < 2 || *count > static_cast<std::int64_t>(kMostValues)) {
    refuse(text, value, ": need a number of values from 2 to ", kMostValues, " after the comma");
  }
  for (std::int64_t i = 0; i < *count; ++i) {
    axis.values.push_back(number_text(between(axis, static_cast<double>(i) / static_cast<double>(*count - 1))));
  }
  return true;
}

void check_distinct(const std::string& text, const std::vector<std::string>& values) {
  std::unordered_set<std::string> seen;
  for (const std::string& value : values) {
    if (!seen.insert(value).second) {
      refuse(text, "the value ", value, " twice: need each once");
    }
  }
  if (values.size() > kMostValues) {
    refuse(text, "too many values: need at most ", kMostValues);
  }
}

}  // namespace

std::string Axis::at(double random) const {
  if (is_drawn()) {
    return number_text(between(*this, random));
  }
  const auto place = static_cast<std::size_t>(random * static_cast<double>(values.size()));
  return values[std::min(place, values.size() - 1)];
}

Axis read_axis(const std::string& text) {
  const std::size_t equals = text.find('=');
  Axis axis{.key = trimmed(std::string_view(text).substr(0, equals)), .values = {}};
  if (equals == std::string::npos || axis.key.empty() || trimmed(text.substr(equals + 1)).empty()) {
    refuse(text, "no value: need KEY=VALUES, as in optimizer.lr=0.1,0.01");
  }
  const std::vector<std::string> parts = parts_of(text, std::string_view(text).substr(equals + 1));
  for (const std::string& part : parts) {
    if (take_function(text, part, axis)) {
      if (axis.is_drawn() && parts.size() > 1) {
        refuse(text, part, " beside other values: need it alone, or a number of values, as in log(1e-4..1e-1, 4)");
      }
    } else if (auto range = integers_of(text, part)) {
      axis.values.insert(axis.values.end(), range->begin(), range->end());
    } else {
      axis.values.push_back(part);
    }
  }
  check_distinct(text, axis.values);
  return axis;
}

}  // namespace backflow::train

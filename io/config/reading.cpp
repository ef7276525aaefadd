#include <algorithm>
#include <cmath>

#include <backflow/io/config/reading_internal.h>
#include <backflow/io/nearest.h>

namespace backflow::io::detail {
namespace {

// "is a string", or the value itself where that says more.
std::string say(const ConfigValue& value) {
  struct Namer {
    std::string operator()(const ConfigForeign& foreign) const { return foreign.kind; }
    std::string operator()(const std::string&) const { return "a string"; }
    std::string operator()(std::int64_t) const { return "an integer"; }
    std::string operator()(double) const { return "a float"; }
    std::string operator()(bool) const { return "a boolean"; }
    std::string operator()(const ConfigValue::List&) const { return "an array"; }
    std::string operator()(const std::shared_ptr<ConfigTable>&) const { return "a table"; }
  };
  return std::visit(Namer{}, value.data);
}

std::string text_of(const IntegerRange& range) {
  const IntegerRange all;
  const bool low = range.at_least != all.at_least;
  const bool high = range.at_most != all.at_most;
  if (low && high) return to_text("an integer from ", range.at_least, " to ", range.at_most);
  if (low) return to_text("an integer of at least ", range.at_least);
  if (high) return to_text("an integer of at most ", range.at_most);
  return "an integer";
}

std::string text_of(const NumberRange& range) {
  std::string text;
  const auto add = [&](double bound, const char* words) {
    if (std::isfinite(bound)) text += to_text(text.empty() ? " " : " and ", words, " ", bound);
  };
  add(range.at_least, "of at least");
  add(range.above, "above");
  add(range.at_most, text.empty() ? "of at most" : "at most");
  add(range.below, "below");
  return (text.empty() && !range.infinite_or_nan ? "a finite number" : "a number") + text;
}

std::string text_of(const std::vector<std::string>& choices) {
  std::string text;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    text += to_text(i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", '"', choices[i], '"');
  }
  return text;
}

// What a spelling of toml_spelling() is.
bool is_truth(const std::string& spelling) { return spelling == "true" || spelling == "false"; }
bool is_number(const std::string& spelling) { return !is_truth(spelling); }
bool is_whole(const std::string& spelling) { return spelling.find_first_not_of("0123456789-") == std::string::npos; }

// True for a value that could have been a string in quotes.
bool is_scalar(const ConfigValue& value) {
  return !std::holds_alternative<std::string>(value.data) && !is_table(value) &&
         !std::holds_alternative<ConfigValue::List>(value.data);
}

}  // namespace

bool accepts(const IntegerRange& range, std::int64_t x) { return x >= range.at_least && x <= range.at_most; }

bool accepts(const NumberRange& range, double x) {
  if (!std::isfinite(x)) return range.infinite_or_nan;
  return x >= range.at_least && x <= range.at_most && x > range.above && x < range.below;
}

std::string accepted(const Accepts& a) {
  switch (a.kind) {
    case KeyKind::String:
      return "a string";
    case KeyKind::Integer:
      return text_of(a.integers);
    case KeyKind::Number:
      return text_of(a.numbers);
    case KeyKind::Boolean:
      return "true or false";
    case KeyKind::Choice:
      return text_of(a.choices);
    case KeyKind::Strings:
      return "an array of strings";
    case KeyKind::Integers:
      return text_of(a.integers) + " for each element of an array";
    case KeyKind::Numbers:
      return text_of(a.numbers) + " for each element of an array";
    case KeyKind::Choices:
      return "an array of " + text_of(a.choices);
    case KeyKind::Table:
    case KeyKind::NamedTables:
      return "a table";
    case KeyKind::TableArray:
      return "an array of tables";
  }
  return "";
}

std::int64_t accepted_integer(const IntegerRange& range) {
  return std::clamp(std::int64_t{1}, range.at_least, std::max(range.at_least, range.at_most));
}

double accepted_number(const NumberRange& range) {
  for (const double x :
       {1.0, 0.5, range.at_least, range.at_most, range.above + 1, range.below - 1, (range.above + range.below) / 2,
        (range.at_least + range.below) / 2, (range.above + range.at_most) / 2}) {
    if (accepts(range, x) && std::isfinite(x)) return x;
  }
  return 0;
}

void Reading::fail(const std::string& what) const {
  throw ConfigError(to_text(value.place.text, ": ", name, " is ", what, ": ", need));
}

void Reading::fail_type(const std::function<bool(const std::string&)>& meant) const {
  if (value.bare && meant) {
    const std::string& word = std::get<std::string>(value.data);
    const std::string spelling = toml_spelling(word);
    if (!spelling.empty() && meant(spelling)) {
      throw ConfigError(to_text(value.place.text, ": ", name, " is ", one_line(word), ": ", need,
                                spelling == word ? "" : "; TOML writes " + spelling));
    }
  }
  fail(say(value));
}

const std::string& Reading::string() const {
  const std::size_t equals = value.place.text.find('=');
  const bool whole = value.place.text.find_first_of("[{", equals) == std::string::npos;
  if (value.place.text.starts_with("--set ") && whole && is_scalar(value)) {
    throw ConfigError(to_text(value.place.text, ": ", name, " is ", say(value), ": ", need, "; the string is ",
                              value.place.text.substr(0, equals), "='\"", value.place.text.substr(equals + 1), "\"'"));
  }
  return as<std::string>();
}

std::string Reading::choice(const std::vector<std::string>& choices) const {
  const auto& word = as<std::string>();
  if (std::find(choices.begin(), choices.end(), word) == choices.end()) {
    const std::string hint = nearest(word, choices);
    throw ConfigError(to_text(value.place.text, ": ", name, " is ", to_toml(value), ": ", need,
                              hint.empty() ? "" : "; did you mean \"" + hint + "\"?"));
  }
  return word;
}

bool Reading::boolean() const {
  const bool* truth = std::get_if<bool>(&value.data);
  if (truth == nullptr) fail_type(is_truth);
  return *truth;
}

std::int64_t Reading::integer(const IntegerRange& range) const {
  const auto* x = std::get_if<std::int64_t>(&value.data);
  if (x == nullptr) fail_type(is_whole);
  if (!accepts(range, *x)) fail(std::to_string(*x));
  return *x;
}

double Reading::number(const NumberRange& range) const {
  const auto* integer = std::get_if<std::int64_t>(&value.data);
  const auto* number = std::get_if<double>(&value.data);
  if (integer == nullptr && number == nullptr) fail_type(is_number);
  const double x = integer != nullptr ? static_cast<double>(*integer) : *number;
  if (!accepts(range, x)) fail(to_toml({x, {}}));
  return x;
}

}  // namespace backflow::io::detail

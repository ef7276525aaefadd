#include <cmath>

#include <backflow/io/config_reading_internal.h>

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

bool accepts(const IntegerRange& range, std::int64_t x) { return x >= range.at_least && x <= range.at_most; }

bool accepts(const NumberRange& range, double x) {
  if (!std::isfinite(x)) return range.infinite_or_nan;
  return x >= range.at_least && x <= range.at_most && x > range.above && x < range.below;
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

std::string need_of(const IntegerRange& range) {
  const IntegerRange all;
  const bool low = range.at_least != all.at_least;
  const bool high = range.at_most != all.at_most;
  if (low && high) return to_text("need an integer from ", range.at_least, " to ", range.at_most);
  if (low) return to_text("need an integer of at least ", range.at_least);
  if (high) return to_text("need an integer of at most ", range.at_most);
  return "need an integer";
}

std::string need_of(const NumberRange& range) {
  std::string text;
  const auto add = [&](double bound, const char* words) {
    if (std::isfinite(bound)) text += to_text(text.empty() ? " " : " and ", words, " ", bound);
  };
  add(range.at_least, "of at least");
  add(range.above, "above");
  add(range.at_most, text.empty() ? "of at most" : "at most");
  add(range.below, "below");
  return (text.empty() && !range.infinite_or_nan ? "need a finite number" : "need a number") + text;
}

std::string need_of(const std::vector<std::string>& choices) {
  std::string text = "need ";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    text += to_text(i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", '"', choices[i], '"');
  }
  return text;
}

void Reading::fail(const std::string& what) const {
  throw ConfigError(to_text(value.where, ": ", name, " is ", what, ": ", need));
}

void Reading::fail_type(const std::function<bool(const std::string&)>& meant) const {
  if (value.bare && meant) {
    const std::string& word = std::get<std::string>(value.data);
    const std::string spelling = toml_spelling(word);
    if (!spelling.empty() && meant(spelling)) {
      throw ConfigError(to_text(value.where, ": ", name, " is ", one_line(word), ": ", need,
                                spelling == word ? "" : "; TOML writes " + spelling));
    }
  }
  fail(say(value));
}

const std::string& Reading::string() const {
  const std::size_t equals = value.where.find('=');
  const bool whole = value.where.find_first_of("[{", equals) == std::string::npos;
  if (value.where.starts_with("--set ") && whole && is_scalar(value)) {
    throw ConfigError(to_text(value.where, ": ", name, " is ", say(value), ": ", need, "; the string is ",
                              value.where.substr(0, equals), "='\"", value.where.substr(equals + 1), "\"'"));
  }
  return as<std::string>();
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

#include <backflow/io/config.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include <backflow/io/config_internal.h>
#include <backflow/io/nearest.h>

namespace backflow::io {

using detail::ConfigEntry;
using detail::ConfigTable;
using detail::ConfigTree;
using detail::ConfigValue;

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;

// "is a string", or the value itself where that says more.
std::string say(const ConfigValue& value) {
  struct Namer {
    std::string operator()(const detail::ConfigForeign& foreign) const { return foreign.kind; }
    std::string operator()(const std::string&) const { return "a string"; }
    std::string operator()(std::int64_t) const { return "an integer"; }
    std::string operator()(double) const { return "a float"; }
    std::string operator()(bool) const { return "a boolean"; }
    std::string operator()(const ConfigValue::List&) const { return "an array"; }
    std::string operator()(const std::shared_ptr<ConfigTable>&) const { return "a table"; }
  };
  return std::visit(Namer{}, value.data);
}

std::string need_of(const IntegerRange& range) {
  const IntegerRange all;
  const bool low = range.at_least != all.at_least;
  const bool high = range.at_most != all.at_most;
  if (low && high) return concat("need an integer from ", range.at_least, " to ", range.at_most);
  if (low) return concat("need an integer of at least ", range.at_least);
  if (high) return concat("need an integer of at most ", range.at_most);
  return "need an integer";
}

std::string need_of(const NumberRange& range) {
  std::string text;
  const auto add = [&](double bound, const char* words) {
    if (std::isfinite(bound)) text += concat(text.empty() ? " " : " and ", words, " ", bound);
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
    text += concat(i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", '"', choices[i], '"');
  }
  return text;
}

bool accepts(const IntegerRange& range, std::int64_t x) { return x >= range.at_least && x <= range.at_most; }

bool accepts(const NumberRange& range, double x) {
  if (!std::isfinite(x)) return range.infinite_or_nan;
  return x >= range.at_least && x <= range.at_most && x > range.above && x < range.below;
}

// A value under a name such as "'hidden[1]' in [model]", with what a reader needs of it.
struct Reading {
  const ConfigValue& value;
  std::string name;
  std::string need;

  [[noreturn]] void fail(const std::string& what) const {
    throw ConfigError(value.where + ": " + name + " is " + what + ": " + need);
  }
  template <class T>
  const T& as() const {
    const T* typed = std::get_if<T>(&value.data);
    if (typed == nullptr) fail(say(value));
    return *typed;
  }
  std::int64_t integer(const IntegerRange& range) const {
    const std::int64_t x = as<std::int64_t>();
    if (!accepts(range, x)) fail(std::to_string(x));
    return x;
  }
  double number(const NumberRange& range) const {
    const auto* integer = std::get_if<std::int64_t>(&value.data);
    const double x = integer != nullptr ? static_cast<double>(*integer) : as<double>();
    if (!accepts(range, x)) fail(detail::to_toml({x, {}}));
    return x;
  }
  template <class F>
  auto list(F&& read) const {
    std::vector<std::remove_cvref_t<decltype(read(*this))>> result;
    const auto& elements = as<ConfigValue::List>();
    const std::size_t quote = name.find("' in ");
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const std::string element = concat(name.substr(0, quote), "[", i, "]", name.substr(quote));
      result.push_back(read(Reading{elements[i], element, need}));
    }
    return result;
  }
};

std::string quoted_name(std::string_view key, const ConfigTable& table) {
  return concat("'", key, "' in ", detail::section_name(table));
}

ConfigValue to_value(const std::string& x) { return {x, {}}; }
ConfigValue to_value(std::int64_t x) { return {x, {}}; }
ConfigValue to_value(double x) { return {x, {}}; }
ConfigValue to_value(bool x) { return {x, {}}; }
template <class T>
ConfigValue to_value(const std::vector<T>& list) {
  ConfigValue::List values;
  for (const T& x : list) values.push_back(to_value(x));
  return {std::move(values), {}};
}

std::string read_text(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw ConfigError(concat(path, ": cannot read: ", std::strerror(errno), ": need a TOML file"));
  }
  if (S_ISDIR(status.st_mode)) throw ConfigError(path + ": is a directory: need a TOML file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  if (!file) throw ConfigError(concat(path, ": cannot read: ", std::strerror(errno), ": need a TOML file"));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw ConfigError(concat(path, ": cannot read: ", std::strerror(errno)));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) throw ConfigError(path + ": more than 16 MiB: need a TOML file");
  return text;
}

}  // namespace

Section::Section(std::shared_ptr<ConfigTree> tree, ConfigTable* table) : tree_(std::move(tree)), table_(table) {}

const ConfigValue* Section::find(std::string_view key, bool required, const std::string& need) const {
  ConfigEntry& entry = table_->at(key);
  if (entry.read_order < 0) entry.read_order = tree_->reads++;
  if (entry.given) return &entry.value;
  if (!required) return nullptr;
  // A misspelt key is the likeliest reason for a missing one.
  std::vector<std::string> strays;
  for (const auto& other : table_->entries) {
    if (other->given && other->read_order < 0) strays.push_back(other->key);
  }
  std::string hint = nearest(key, strays);
  if (!hint.empty()) hint = concat("; is it '", hint, "' at ", table_->find(hint)->key_where, "?");
  throw ConfigError(concat(where(), ": missing key ", quoted_name(key, *table_), ": ", need, hint));
}

template <class T, class F>
T Section::take(std::string_view key, const std::optional<T>& fallback, const std::string& need, F&& read) const {
  if (const ConfigValue* found = find(key, !fallback, need)) {
    return read(Reading{*found, quoted_name(key, *table_), need});
  }
  ConfigEntry& entry = table_->at(key);
  entry.value = to_value(*fallback);
  entry.has_value = true;
  return *fallback;
}

std::string Section::string(std::string_view key, std::optional<std::string> fallback) const {
  return take(key, fallback, "need a string", [](const Reading& r) { return r.as<std::string>(); });
}

std::int64_t Section::integer(std::string_view key, IntegerRange range, std::optional<std::int64_t> fallback) const {
  return take(key, fallback, need_of(range), [&](const Reading& r) { return r.integer(range); });
}

double Section::number(std::string_view key, NumberRange range, std::optional<double> fallback) const {
  return take(key, fallback, need_of(range), [&](const Reading& r) { return r.number(range); });
}

bool Section::boolean(std::string_view key, std::optional<bool> fallback) const {
  return take(key, fallback, "need true or false", [](const Reading& r) { return r.as<bool>(); });
}

std::string Section::choice(std::string_view key, const std::vector<std::string>& choices,
                            std::optional<std::string> fallback) const {
  const std::string need = need_of(choices);
  return take(key, fallback, need, [&](const Reading& r) {
    const auto& word = r.as<std::string>();
    if (std::find(choices.begin(), choices.end(), word) == choices.end()) {
      const std::string hint = nearest(word, choices);
      throw ConfigError(concat(r.value.where, ": ", r.name, " is ", detail::to_toml(r.value), ": ", need,
                               hint.empty() ? "" : "; did you mean \"" + hint + "\"?"));
    }
    return word;
  });
}

std::vector<std::string> Section::strings(std::string_view key,
                                          std::optional<std::vector<std::string>> fallback) const {
  return take(key, fallback, "need an array of strings", [](const Reading& r) {
    return r.list([](const Reading& element) { return element.as<std::string>(); });
  });
}

std::vector<std::int64_t> Section::integers(std::string_view key, IntegerRange range,
                                            std::optional<std::vector<std::int64_t>> fallback) const {
  return take(key, fallback, need_of(range) + " for each element of an array",
              [&](const Reading& r) { return r.list([&](const Reading& element) { return element.integer(range); }); });
}

std::vector<double> Section::numbers(std::string_view key, NumberRange range,
                                     std::optional<std::vector<double>> fallback) const {
  return take(key, fallback, need_of(range) + " for each element of an array",
              [&](const Reading& r) { return r.list([&](const Reading& element) { return element.number(range); }); });
}

Section Section::section(std::string_view key) const {
  if (find(key, false, "") == nullptr) {
    ConfigEntry& entry = table_->at(key);
    if (!entry.has_value) {
      auto made = std::make_shared<ConfigTable>();
      made->path = detail::join_path(table_->path, detail::quote_key(key));
      entry.value.data = std::move(made);
      entry.has_value = true;
    }
  }
  const ConfigValue& value = table_->at(key).value;
  const Reading reading{value, quoted_name(key, *table_), concat("need a table, [", key, "]")};
  return {tree_, reading.as<std::shared_ptr<ConfigTable>>().get()};
}

std::vector<Section> Section::sections(std::string_view key) const {
  const ConfigValue* found = find(key, false, "");
  if (found == nullptr) return {};
  const Reading reading{*found, quoted_name(key, *table_), concat("need an array of tables, [[", key, "]]")};
  return reading.list(
      [&](const Reading& element) { return Section(tree_, element.as<std::shared_ptr<ConfigTable>>().get()); });
}

bool Section::has(std::string_view key) const { return table_->at(key).given; }

std::vector<std::string> Section::keys() const {
  std::vector<std::string> result;
  for (const auto& entry : table_->entries) {
    if (entry->given) result.push_back(entry->key);
  }
  return result;
}

const std::string& Section::path() const { return table_->path; }

std::string Section::where() const { return table_->where.empty() ? tree_->origin : table_->where; }

std::string Section::where(std::string_view key) const {
  const ConfigEntry* entry = table_->find(key);
  return entry != nullptr && entry->given ? entry->value.where : where();
}

void Section::fail(std::string_view key, const std::string& message) const {
  throw ConfigError(where(key) + ": " + message);
}

Config Config::load(const std::string& path, const std::vector<std::string>& overrides) {
  return parse(read_text(path), path, overrides);
}

Config Config::parse(std::string_view text, const std::string& origin, const std::vector<std::string>& overrides) {
  auto tree = detail::parse_config(text, origin);
  for (const std::string& text_of_one : overrides) detail::apply_override(*tree, text_of_one);
  return Config(std::move(tree));
}

Section Config::root() const { return {tree_, &tree_->root}; }

const std::string& Config::origin() const { return tree_->origin; }

}  // namespace backflow::io

#include <backflow/io/config.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <backflow/io/config_internal.h>
#include <backflow/io/config_reading_internal.h>
#include <backflow/io/nearest.h>

namespace backflow::io {

using detail::ConfigEntry;
using detail::ConfigTable;
using detail::ConfigTree;
using detail::ConfigValue;
using detail::need_of;
using detail::Reading;

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;

std::string quoted_name(std::string_view key, const ConfigTable& table) {
  return detail::one_line(to_text("'", key, "' in ", detail::section_name(table)));
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
    throw ConfigError(to_text(path, ": cannot read: ", std::strerror(errno), ": need a TOML file"));
  }
  if (S_ISDIR(status.st_mode)) throw ConfigError(path + ": is a directory: need a TOML file");
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  if (!file) throw ConfigError(to_text(path, ": cannot read: ", std::strerror(errno), ": need a TOML file"));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) throw ConfigError(to_text(path, ": cannot read: ", std::strerror(errno)));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) throw ConfigError(path + ": more than 16 MiB: need a TOML file");
  return text;
}

}  // namespace

Section::Section(std::shared_ptr<ConfigTree> tree, ConfigTable* table) : tree_(std::move(tree)), table_(table) {}

const ConfigValue* Section::find(const Key& key, bool required, const std::string& need) const {
  ConfigEntry& entry = table_->at(key.name);
  if (entry.sentence.empty()) entry.sentence = key.sentence;
  if (entry.read_order < 0) entry.read_order = tree_->reads++;
  if (entry.given) return &entry.value;
  if (!required || tree_->blank) return nullptr;
  // A misspelt key is the likeliest reason for a missing one.
  std::vector<std::string> strays;
  for (const auto& other : table_->entries) {
    if (other->given && other->read_order < 0) strays.push_back(other->key);
  }
  std::string hint = nearest(key.name, strays);
  if (!hint.empty()) hint = to_text("; is it '", hint, "' at ", table_->find(hint)->key_where, "?");
  throw ConfigError(to_text(where(), ": missing key ", quoted_name(key.name, *table_), ": ", need, hint));
}

template <class T, class F>
T Section::take(const Key& key, const std::optional<T>& fallback, const std::string& need, F&& read) const {
  if (const ConfigValue* found = find(key, !fallback, need)) {
    return read(Reading{*found, quoted_name(key.name, *table_), need});
  }
  if (!fallback) return T{};  // of a blank configuration
  ConfigEntry& entry = table_->at(key.name);
  entry.value = to_value(*fallback);
  entry.has_value = true;
  return *fallback;
}

std::string Section::string(const Key& key, std::optional<std::string> fallback) const {
  return take(key, fallback, "need a string", [](const Reading& r) { return r.string(); });
}

std::int64_t Section::integer(const Key& key, IntegerRange range, std::optional<std::int64_t> fallback) const {
  return take(key, fallback, need_of(range), [&](const Reading& r) { return r.integer(range); });
}

double Section::number(const Key& key, NumberRange range, std::optional<double> fallback) const {
  return take(key, fallback, need_of(range), [&](const Reading& r) { return r.number(range); });
}

bool Section::boolean(const Key& key, std::optional<bool> fallback) const {
  return take(key, fallback, "need true or false", [](const Reading& r) { return r.boolean(); });
}

std::string Section::choice(const Key& key, const std::vector<std::string>& choices,
                            std::optional<std::string> fallback) const {
  const std::string need = need_of(choices);
  return take(key, fallback, need, [&](const Reading& r) {
    const auto& word = r.as<std::string>();
    if (std::find(choices.begin(), choices.end(), word) == choices.end()) {
      const std::string hint = nearest(word, choices);
      throw ConfigError(to_text(r.value.where, ": ", r.name, " is ", detail::to_toml(r.value), ": ", need,
                                hint.empty() ? "" : "; did you mean \"" + hint + "\"?"));
    }
    return word;
  });
}

std::vector<std::string> Section::strings(const Key& key, std::optional<std::vector<std::string>> fallback) const {
  return take(key, fallback, "need an array of strings", [](const Reading& r) {
    return r.list([](const Reading& element) { return element.as<std::string>(); });
  });
}

std::vector<std::int64_t> Section::integers(const Key& key, IntegerRange range,
                                            std::optional<std::vector<std::int64_t>> fallback) const {
  return take(key, fallback, need_of(range) + " for each element of an array",
              [&](const Reading& r) { return r.list([&](const Reading& element) { return element.integer(range); }); });
}

std::vector<double> Section::numbers(const Key& key, NumberRange range,
                                     std::optional<std::vector<double>> fallback) const {
  return take(key, fallback, need_of(range) + " for each element of an array",
              [&](const Reading& r) { return r.list([&](const Reading& element) { return element.number(range); }); });
}

Section Section::section(const Key& key) const {
  if (find(key, false, "") == nullptr) {
    ConfigEntry& entry = table_->at(key.name);
    if (!entry.has_value) {
      auto made = std::make_shared<ConfigTable>();
      made->path = detail::join_path(table_->path, detail::quote_key(key.name));
      entry.value.data = std::move(made);
      entry.has_value = true;
    }
  }
  const ConfigValue& value = table_->at(key.name).value;
  const Reading reading{value, quoted_name(key.name, *table_), to_text("need a table, [", key.name, "]")};
  return {tree_, reading.as<std::shared_ptr<ConfigTable>>().get()};
}

std::vector<Section> Section::sections(const Key& key) const {
  const ConfigValue* found = find(key, false, "");
  if (found == nullptr) return {};
  const Reading reading{*found, quoted_name(key.name, *table_), to_text("need an array of tables, [[", key.name, "]]")};
  return reading.list(
      [&](const Reading& element) { return Section(tree_, element.as<std::shared_ptr<ConfigTable>>().get()); });
}

bool Section::has(std::string_view key) const { return table_->at(key).given; }

bool Section::has_array(std::string_view key) const {
  const ConfigEntry& entry = table_->at(key);
  return entry.given && std::holds_alternative<ConfigValue::List>(entry.value.data);
}

std::optional<std::string> Section::given_string(std::string_view key) const {
  const ConfigEntry& entry = table_->at(key);
  const std::string* text = entry.given ? std::get_if<std::string>(&entry.value.data) : nullptr;
  return text == nullptr ? std::nullopt : std::optional(*text);
}

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

std::string Section::where(std::string_view key, std::size_t index) const {
  const ConfigEntry* entry = table_->find(key);
  const auto* list = entry != nullptr && entry->given ? std::get_if<ConfigValue::List>(&entry->value.data) : nullptr;
  return list != nullptr && index < list->size() ? (*list)[index].where : where(key);
}

void Section::fail(std::string_view key, std::size_t index, const std::string& message) const {
  throw ConfigError(where(key, index) + ": " + message);
}

void Section::explain(std::string_view key, std::string why) const {
  table_->notes.emplace_back(std::string(key), std::move(why));
}

Config Config::load(const std::string& path, const std::vector<std::string>& overrides) {
  return parse(read_text(path), path, overrides);
}

Config Config::parse(std::string_view text, const std::string& origin, const std::vector<std::string>& overrides) {
  auto tree = detail::parse_config(text, origin);
  for (const std::string& text_of_one : overrides) detail::apply_override(*tree, text_of_one);
  return Config(std::move(tree));
}

Config Config::blank() {
  Config config = parse("", "");
  config.tree_->blank = true;
  return config;
}

Section Config::root() const { return {tree_, &tree_->root}; }

const std::string& Config::origin() const { return tree_->origin; }

}  // namespace backflow::io

#include <algorithm>
#include <utility>

#include <backflow/io/config/reading_internal.h>
#include <backflow/io/nearest.h>

namespace backflow::io {

using detail::Accepts;
using detail::ConfigEntry;
using detail::ConfigTable;
using detail::ConfigTree;
using detail::ConfigValue;
using detail::Reading;

namespace {

std::string quoted_name(std::string_view key, const ConfigTable& table) {
  return detail::one_line(to_text("'", key, "' in ", detail::section_name(table)));
}

std::string need_of(const Accepts& accepts, const ConfigEntry& entry) {
  std::string need = "need " + detail::accepted(accepts);
  if (accepts.kind == KeyKind::Table || accepts.kind == KeyKind::NamedTables) need += ", [" + entry.key + "]";
  if (accepts.kind == KeyKind::TableArray) need += ", [[" + entry.key + "]]";
  return entry.sentence.empty() ? need : need + " (" + entry.sentence + ")";
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

// Some value that is accepted, for a key that has none.
void set_accepted(const Accepts& a, std::string& x) { x = a.choices.empty() ? "text" : a.choices.front(); }
void set_accepted(const Accepts& a, std::int64_t& x) { x = detail::accepted_integer(a.integers); }
void set_accepted(const Accepts& a, double& x) { x = detail::accepted_number(a.numbers); }
void set_accepted(const Accepts&, bool& x) { x = false; }
template <class T>
void set_accepted(const Accepts& a, std::vector<T>& x) {
  x.resize(1);
  set_accepted(a, x.front());
}

// Layers may have layers. A blank configuration has two levels of them, and an end.
bool is_deep(const std::string& path) {
  constexpr std::size_t kLevels = 2;
  const std::string component = path.substr(path.rfind('.') + 1);
  std::size_t count = 0;
  for (std::size_t at = path.find(component); at != std::string::npos; at = path.find(component, at + 1)) ++count;
  return count > kLevels;
}

std::shared_ptr<ConfigTable> make_table(const std::string& path) {
  auto table = std::make_shared<ConfigTable>();
  table->path = path;
  return table;
}

}  // namespace

Section::Section(std::shared_ptr<ConfigTree> tree, ConfigTable* table) : tree_(std::move(tree)), table_(table) {}

// Records that a reader asks for a key.
ConfigEntry& Section::ask(const Key& key, const Accepts& accepts) const {
  ConfigEntry& entry = table_->at(key.name);
  if (entry.sentence.empty()) entry.sentence = key.sentence;
  if (entry.read_order < 0) entry.read_order = tree_->reads++;
  if (tree_->blank) entry.accepts = accepts;
  return entry;
}

void Section::report_missing(const ConfigEntry& entry, const std::string& need) const {
  if (table_->partial || table_->guessed) return;
  // A misspelt key is the likeliest reason for a missing one.
  std::vector<std::string> strays;
  for (const auto& other : table_->entries) {
    if (other->given && other->read_order < 0) strays.push_back(other->key);
  }
  std::string hint = nearest(entry.key, strays);
  if (!hint.empty()) {
    ConfigEntry& stray = *table_->find(hint);
    stray.wrong = true;  // it is named here, and need not be once more
    hint = to_text("; is it '", hint, "' at ", stray.place.text, "?");
  }
  table_->has_wrong = true;
  tree_->problems.push_back({table_->place, to_text(where(), ": missing key ", quoted_name(entry.key, *table_), ": ",
                                                    need, detail::one_line(hint))});
}

template <class T, class F>
T Section::take(const Key& key, const Accepts& accepts, const std::optional<T>& fallback, F&& read) const {
  ConfigEntry& entry = ask(key, accepts);
  const std::string need = need_of(accepts, entry);
  if (entry.given && !entry.wrong) {
    try {
      return read(Reading{entry.value, quoted_name(key.name, *table_), need});
    } catch (const ConfigError& error) {
      entry.wrong = table_->has_wrong = true;
      tree_->problems.push_back({entry.value.place, error.what()});
    }
  }
  if (!entry.given && !fallback && !tree_->blank && !entry.required) report_missing(entry, need);
  entry.required = !fallback;
  T value{};
  fallback ? void(value = *fallback) : set_accepted(accepts, value);
  if (entry.accepts && fallback) entry.accepts->fallback = detail::to_toml(to_value(value));
  if (!entry.given && (fallback || tree_->blank)) {
    entry.value = to_value(value);
    entry.has_value = true;
  }
  return value;
}

std::string Section::string(const Key& key, std::optional<std::string> fallback) const {
  return take(key, {.kind = KeyKind::String}, fallback, [](const Reading& r) { return r.string(); });
}

std::int64_t Section::integer(const Key& key, IntegerRange range, std::optional<std::int64_t> fallback) const {
  return take(key, {.kind = KeyKind::Integer, .integers = range}, fallback,
              [&](const Reading& r) { return r.integer(range); });
}

double Section::number(const Key& key, NumberRange range, std::optional<double> fallback) const {
  return take(key, {.kind = KeyKind::Number, .numbers = range}, fallback,
              [&](const Reading& r) { return r.number(range); });
}

bool Section::boolean(const Key& key, std::optional<bool> fallback) const {
  return take(key, {.kind = KeyKind::Boolean}, fallback, [](const Reading& r) { return r.boolean(); });
}

std::string Section::choice(const Key& key, const std::vector<std::string>& choices,
                            std::optional<std::string> fallback) const {
  const auto forced = tree_->forced.find(detail::join_path(table_->path, detail::quote_key(key.name)));
  const bool is_forced = forced != tree_->forced.end();
  const std::string value = take(key, {.kind = KeyKind::Choice, .choices = choices}, fallback,
                                 [&](const Reading& r) { return r.choice(choices); });
  ConfigEntry& entry = table_->at(key.name);
  if (is_forced) {
    entry.value = to_value(forced->second);
    return forced->second;
  }
  if (!entry.wrong) return value;
  // The keys that belong to it are those of the word that was meant.
  const auto* word = std::get_if<std::string>(&entry.value.data);
  const std::string meant = word != nullptr ? nearest(*word, choices) : "";
  (meant.empty() ? table_->partial : table_->guessed) = true;
  return meant.empty() ? value : meant;
}

std::vector<std::string> Section::choices(const Key& key, const std::vector<std::string>& choices,
                                          std::optional<std::vector<std::string>> fallback) const {
  return take(key, {.kind = KeyKind::Choices, .choices = choices}, fallback, [&](const Reading& r) {
    return r.list([&](const Reading& element) { return element.choice(choices); });
  });
}

std::vector<std::string> Section::strings(const Key& key, std::optional<std::vector<std::string>> fallback) const {
  return take(key, {.kind = KeyKind::Strings}, fallback, [](const Reading& r) {
    return r.list([](const Reading& element) { return element.as<std::string>(); });
  });
}

std::vector<std::int64_t> Section::integers(const Key& key, IntegerRange range,
                                            std::optional<std::vector<std::int64_t>> fallback) const {
  return take(key, {.kind = KeyKind::Integers, .integers = range}, fallback,
              [&](const Reading& r) { return r.list([&](const Reading& element) { return element.integer(range); }); });
}

std::vector<double> Section::numbers(const Key& key, NumberRange range,
                                     std::optional<std::vector<double>> fallback) const {
  return take(key, {.kind = KeyKind::Numbers, .numbers = range}, fallback,
              [&](const Reading& r) { return r.list([&](const Reading& element) { return element.number(range); }); });
}

Section Section::child(const ConfigValue& value) const {
  ConfigTable& table = detail::table_of(value);
  table.partial = table.partial || table_->partial;
  return {tree_, &table};
}

// A table for readers of what is none, in which nothing is missing.
Section Section::spare(const std::string& path) const {
  tree_->spares.push_back(make_table(path));
  tree_->spares.back()->partial = true;
  return {tree_, tree_->spares.back().get()};
}

Section Section::section(const Key& key) const {
  const Accepts accepts{.kind = KeyKind::Table};
  ConfigEntry& entry = ask(key, accepts);
  const std::string path = detail::join_path(table_->path, detail::quote_key(key.name));
  if (!entry.has_value) {
    entry.value.data = make_table(path);
    entry.has_value = true;
  }
  if (detail::is_table(entry.value)) return child(entry.value);
  take(key, accepts, std::optional<bool>(false),
       [](const Reading& r) { return r.as<std::shared_ptr<ConfigTable>>() != nullptr; });
  return spare(path);
}

std::vector<Section> Section::sections(const Key& key) const {
  const Accepts accepts{.kind = KeyKind::TableArray};
  ConfigEntry& entry = ask(key, accepts);
  const std::string path = detail::join_path(table_->path, detail::quote_key(key.name)) + "[]";
  if (tree_->blank && !entry.has_value && !is_deep(path)) {
    entry.value.data = ConfigValue::List{ConfigValue{make_table(path), {}}};
    entry.has_value = true;
  }
  if (!entry.has_value) return {};
  std::vector<Section> found;
  const auto read = [](const Reading& r) {
    r.list([](const Reading& element) { return element.as<std::shared_ptr<ConfigTable>>() != nullptr; });
    return true;
  };
  if (entry.given && !take(key, accepts, std::optional<bool>(false), read)) return {spare(path)};
  for (const ConfigValue& element : std::get<ConfigValue::List>(entry.value.data)) found.push_back(child(element));
  return found;
}

std::vector<std::pair<std::string, Section>> Section::named_sections(const Key& key) const {
  const Section all = section(key);
  if (tree_->blank) {
    table_->at(key.name).accepts->kind = KeyKind::NamedTables;
    all.section("NAME");
  }
  std::vector<std::pair<std::string, Section>> found;
  for (const auto& entry : all.table_->entries) {
    if (entry->has_value) found.emplace_back(entry->key, all.section(entry->key));
  }
  return found;
}

bool Section::is_blank() const { return tree_->blank; }

void Section::accepts_array_too(std::string_view key) const {
  ConfigEntry& entry = table_->at(key);
  if (entry.accepts) entry.accepts->array_too = true;
}

void Section::attempt(const std::function<void(const Section&)>& read) const {
  try {
    read(*this);
  } catch (const ConfigError& error) {
    bool may_follow = table_->has_wrong;  // from a mistake that is known
    detail::for_each_entry(
        *table_, [&](const ConfigTable& table, const ConfigEntry&) { may_follow = may_follow || table.has_wrong; });
    if (!may_follow) tree_->problems.push_back({table_->place, error.what()});
    table_->has_wrong = table_->partial = true;
  }
}

void Section::report(const std::string& key, const std::string& message) const {
  if (table_->has_wrong || table_->partial) return;
  table_->reported = true;
  const ConfigEntry* entry = table_->find(key);
  const detail::Place& place = entry != nullptr && entry->given ? entry->value.place : table_->place;
  tree_->problems.push_back({place, where(key) + ": " + message});
}

}  // namespace backflow::io

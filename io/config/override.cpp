#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

#include <backflow/io/config/tree_internal.h>
#include <backflow/io/nearest.h>

// Overrides of a configuration, "a.b=value" and "a.b=unset".

namespace backflow::io::detail {
namespace {

constexpr std::size_t kMaxParts = 100;  // of a key, as in a file

// The value of an override. Anything that is no TOML value is a string, unless it starts like an array, a table or a
// quoted string and fails to end like one.
ConfigValue override_value(const std::string& text, const Place& place, const std::string& path) {
  std::string problem;
  if (std::optional<ConfigValue> value = parse_value(text, path, problem)) return *std::move(value);
  if (std::string_view("[{\"'").find(text.front()) != std::string_view::npos) {
    throw ConfigError(place.text + ": not a TOML value: " + problem);
  }
  ConfigValue value;
  value.data = text;
  value.bare = true;
  return value;
}

void set_place(ConfigValue& value, const Place& place) {
  value.place = place;
  if (auto* list = std::get_if<ConfigValue::List>(&value.data)) {
    for (ConfigValue& element : *list) set_place(element, place);
  } else if (auto* table = std::get_if<std::shared_ptr<ConfigTable>>(&value.data)) {
    (*table)->place = place;
    for (const auto& entry : (*table)->entries) {
      entry->place = place;
      set_place(entry->value, place);
    }
  }
}

// Gives the tables in a value the paths that they have where it is now.
void set_path(ConfigValue& value, const std::string& path) {
  if (auto* list = std::get_if<ConfigValue::List>(&value.data)) {
    for (std::size_t i = 0; i < list->size(); ++i) set_path((*list)[i], join_path(path, std::to_string(i)));
  } else if (auto* table = std::get_if<std::shared_ptr<ConfigTable>>(&value.data)) {
    (*table)->path = path;
    for (const auto& entry : (*table)->entries) set_path(entry->value, join_path(path, quote_key(entry->key)));
  }
}

std::vector<std::string> split_path(const std::string& path, const std::string& where) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  const bool malformed = std::any_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || std::any_of(part.begin(), part.end(), [](unsigned char c) {
             return std::iscntrl(c) != 0 ||
                    std::string_view(" \"'[]=#").find(static_cast<char>(c)) != std::string::npos;
           });
  });
  if (malformed || parts.size() > kMaxParts) {
    throw ConfigError(where + ": not a key: need names joined by dots, as in train.batch_size=64");
  }
  return parts;
}

// What a key names a part of: a table, or the list at `path`.
struct Holder {
  ConfigTable* table = nullptr;
  ConfigValue::List* list = nullptr;
  std::string path;

  std::string path_of(const std::string& part) const { return join_path(path, quote_key(part)); }
  std::string name() const { return path.empty() ? "the top level" : "[" + path + "]"; }
};

std::size_t index_of(const ConfigValue::List& list, const std::string& part, const std::string& where) {
  const bool digits =
      part.size() < 9 && std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!digits || std::stoul(part) >= list.size()) {
    throw ConfigError(to_text(
        where, ": no element '", part,
        "': ", list.empty() ? "the array is empty: need a key" : to_text("need a number from 0 to ", list.size() - 1)));
  }
  return std::stoul(part);
}

// The holder that `part` of `holder` is, made if there is none.
Holder descend(const Holder& holder, const std::string& part, const Place& place) {
  ConfigValue* value = nullptr;
  if (holder.list != nullptr) {
    value = &(*holder.list)[index_of(*holder.list, part, place.text)];
  } else {
    ConfigEntry& entry = holder.table->at(part);
    value = &entry.value;
    if (!entry.given) {
      auto made = std::make_shared<ConfigTable>();
      made->path = holder.path_of(part);
      made->place = place;
      entry.given = entry.has_value = true;
      entry.place = value->place = place;
      value->data = std::move(made);
    }
  }
  if (is_table(*value))
    return {std::get<std::shared_ptr<ConfigTable>>(value->data).get(), nullptr, holder.path_of(part)};
  if (auto* list = std::get_if<ConfigValue::List>(&value->data)) return {nullptr, list, holder.path_of(part)};
  throw ConfigError(to_text(place.text, ": '", part, "' in ", holder.name(), " is not a table (", value->place.text,
                            "): need a table to set a key of it"));
}

[[noreturn]] void fail_unset(const ConfigTable& table, const std::string& part, const std::string& where) {
  std::vector<std::string> given;
  for (const auto& entry : table.entries) {
    if (entry->given) given.push_back(entry->key);
  }
  const std::string near = nearest(part, given);
  throw ConfigError(to_text(where, ": no key '", part, "' in ", section_name(table),
                            ": need one that is there to unset it",
                            near.empty() ? "" : "; did you mean '" + near + "'?"));
}

// The entry of a key that has to be there.
ConfigEntry& given_entry(ConfigTable& table, const std::string& part, const std::string& where) {
  ConfigEntry* entry = table.find(part);
  if (entry == nullptr || !entry->given) fail_unset(table, part, where);
  return *entry;
}

void set(const Holder& holder, const std::string& part, const std::string& text, const Place& place) {
  ConfigEntry* entry = nullptr;
  if (holder.list == nullptr) {
    entry = &holder.table->at(part);
    entry->place = place;
    entry->given = entry->has_value = entry->wrong = true;  // until it is known to be a value
  }
  ConfigValue& target = entry != nullptr ? entry->value : (*holder.list)[index_of(*holder.list, part, place.text)];
  target.place = place;
  target = override_value(text, place, holder.path_of(part));
  set_place(target, place);
  if (entry != nullptr) entry->wrong = false;
}

void unset(const Holder& holder, const std::string& part, const std::string& where) {
  if (holder.list == nullptr) {
    const ConfigEntry* entry = &given_entry(*holder.table, part, where);
    std::erase_if(holder.table->entries, [&](const auto& other) { return other.get() == entry; });
    return;
  }
  ConfigValue::List& list = *holder.list;
  const std::size_t index = index_of(list, part, where);
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(index));
  for (std::size_t i = index; i < list.size(); ++i) set_path(list[i], holder.path_of(std::to_string(i)));
}

std::string truth_spelling(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  if (word == "true" || word == "yes" || word == "on") return "true";
  if (word == "false" || word == "no" || word == "off") return "false";
  return "";
}

}  // namespace

std::string toml_spelling(const std::string& word) {
  std::string digits = word;
  std::erase_if(digits, [](char c) { return c == '_' || c == ','; });
  const bool minus = digits.starts_with('-');
  if (minus || digits.starts_with('+')) digits.erase(0, 1);
  double x = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, x);
  if (digits.empty() || digits.front() == '-' || stop != end || error != std::errc()) return truth_spelling(word);
  const bool whole = std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!whole) return to_toml({minus ? -x : x, {}});
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return (minus ? "-" : "") + digits;
}

void apply_override(ConfigTree& tree, const std::string& text, std::uint32_t number) {
  const Place place{"--set " + one_line(text), kOverrides, number, 0};
  const std::string& where = place.text;
  try {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals + 1 == text.size()) {
      throw ConfigError(where + ": no value: need KEY=VALUE, as in train.batch_size=64");
    }
    const std::vector<std::string> parts = split_path(text.substr(0, equals), where);
    if (parts.size() == 1 && parts.front() == "include") {
      throw ConfigError(where + ": files can only be included by a file: need keys that belong to them");
    }
    const std::string value = text.substr(equals + 1);
    Holder holder{&tree.root, nullptr, ""};
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      if (value == "unset" && holder.table != nullptr) given_entry(*holder.table, parts[i], where);
      holder = descend(holder, parts[i], place);
    }
    value == "unset" ? unset(holder, parts.back(), where) : set(holder, parts.back(), value, place);
  } catch (const ConfigError& error) {
    tree.problems.push_back({place, error.what()});
  }
}

}  // namespace backflow::io::detail

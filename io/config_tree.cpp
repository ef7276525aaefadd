#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include <backflow/io/config.h>
#include <backflow/io/config_internal.h>
#include <backflow/io/nearest.h>

namespace backflow::io {
namespace detail {
namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// A basic string: control characters escaped, anything else as it is.
std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04X", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string float_text(double x) {
  if (std::isnan(x)) return std::signbit(x) ? "-nan" : "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, x).ptr;
  std::string result(text, end);
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return result;
}

struct TomlWriter {
  std::string operator()(const ConfigForeign& foreign) const { return quote(foreign.kind); }
  std::string operator()(const std::string& text) const { return quote(text); }
  std::string operator()(std::int64_t x) const { return std::to_string(x); }
  std::string operator()(double x) const { return float_text(x); }
  std::string operator()(bool x) const { return x ? "true" : "false"; }
  std::string operator()(const ConfigValue::List& list) const {
    std::string out = "[";
    for (std::size_t i = 0; i < list.size(); ++i) out += (i == 0 ? "" : ", ") + to_toml(list[i]);
    return out + "]";
  }
  std::string operator()(const std::shared_ptr<ConfigTable>&) const { return "{}"; }
};

}  // namespace

ConfigEntry* ConfigTable::find(std::string_view key) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry->key == key; });
  return found == entries.end() ? nullptr : found->get();
}

ConfigEntry& ConfigTable::at(std::string_view key) {
  if (ConfigEntry* entry = find(key)) return *entry;
  entries.push_back(std::make_unique<ConfigEntry>());
  entries.back()->key = key;
  return *entries.back();
}

bool is_table(const ConfigValue& value) { return std::holds_alternative<std::shared_ptr<ConfigTable>>(value.data); }

bool is_array_of_tables(const ConfigValue& value) {
  const auto* list = std::get_if<ConfigValue::List>(&value.data);
  return list != nullptr && !list->empty() && std::all_of(list->begin(), list->end(), is_table);
}

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : to_text(path, ".", key);
}

std::string section_name(const ConfigTable& table) {
  return table.path.empty() ? "the top level" : "[" + table.path + "]";
}

std::string quote_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), is_bare) ? std::string(key) : quote(key);
}

std::string to_toml(const ConfigValue& value) { return std::visit(TomlWriter{}, value.data); }

namespace {

const ConfigTable& table_of(const ConfigValue& value) { return *std::get<std::shared_ptr<ConfigTable>>(value.data); }

// Calls f(table, entry) for the entries of a table and of all tables below it that readers have entered.
template <class F>
void for_each_entry(const ConfigTable& table, F&& f) {
  for (const auto& entry : table.entries) {
    f(table, *entry);
    if (entry->read_order < 0) continue;
    if (is_table(entry->value)) {
      for_each_entry(table_of(entry->value), f);
    } else if (is_array_of_tables(entry->value)) {
      for (const ConfigValue& element : std::get<ConfigValue::List>(entry->value.data)) {
        for_each_entry(table_of(element), f);
      }
    }
  }
}

bool is_section(const ConfigEntry& entry) { return is_table(entry.value) || is_array_of_tables(entry.value); }

// What a reader has said of the key; or what it may have been meant to be: a key of the same table, the same key of
// another, or else the list of keys.
std::string hint_for(const ConfigTable& root, const ConfigTable& table, const ConfigEntry& stray) {
  for (const auto& [key, why] : table.notes) {
    if (key == stray.key) {
      return to_text(": ", why, "; to leave it out: --set ", join_path(table.path, quote_key(key)), "=unset");
    }
  }
  std::vector<std::string> known;
  std::string list;
  for (const auto& entry : table.entries) {
    if (entry->given && entry->read_order < 0) continue;
    known.push_back(entry->key);
    list += (list.empty() ? "'" : ", '") + entry->key + "'";
  }
  const std::string near = nearest(stray.key, known);
  if (!near.empty()) {
    return is_section(stray) ? to_text("; did you mean [", join_path(table.path, near), "]?")
                             : to_text("; did you mean '", near, "'?");
  }
  std::string elsewhere;
  for_each_entry(root, [&](const ConfigTable& other, const ConfigEntry& entry) {
    if (elsewhere.empty() && entry.key == stray.key && (entry.read_order >= 0 || !entry.given)) {
      elsewhere = to_text("; did you mean '", entry.key, "' in ", section_name(other), "?");
    }
  });
  if (!elsewhere.empty()) return elsewhere;
  return list.empty() ? ": need none here" : ": need one of " + list;
}

// The entries with a value that were read, in the order read.
std::vector<const ConfigEntry*> read_entries(const ConfigTable& table) {
  std::vector<const ConfigEntry*> read;
  for (const auto& entry : table.entries) {
    if (entry->read_order >= 0 && entry->has_value && !entry->obsolete) read.push_back(entry.get());
  }
  std::sort(read.begin(), read.end(), [](auto* a, auto* b) { return a->read_order < b->read_order; });
  return read;
}

bool holds_only_obsolete_keys(const ConfigTable& table) {
  return !table.entries.empty() &&
         std::all_of(table.entries.begin(), table.entries.end(), [](const auto& entry) { return entry->obsolete; });
}

// `path` is that of the headers: unlike the table's own it has no numbers of array elements in it.
void write_table(const ConfigTable& table, const std::string& path, std::string& out) {
  const std::vector<const ConfigEntry*> read = read_entries(table);
  // In TOML a key behind a table's header belongs to that table, so plain values come first.
  for (const ConfigEntry* entry : read) {
    if (!is_section(*entry)) out += quote_key(entry->key) + " = " + to_toml(entry->value) + "\n";
  }
  for (const ConfigEntry* entry : read) {
    const std::string inner = join_path(path, quote_key(entry->key));
    if (is_table(entry->value)) {
      std::string body;
      const ConfigTable& section = table_of(entry->value);
      write_table(section, inner, body);
      if (!body.empty() || (entry->given && !holds_only_obsolete_keys(section))) out += "\n[" + inner + "]\n" + body;
    } else if (is_array_of_tables(entry->value)) {
      for (const ConfigValue& element : std::get<ConfigValue::List>(entry->value.data)) {
        out += "\n[[" + inner + "]]\n";
        write_table(table_of(element), inner, out);
      }
    }
  }
}

void collect_values(const ConfigTable& table, const std::string& path,
                    std::vector<std::pair<std::string, std::string>>& out) {
  for (const ConfigEntry* entry : read_entries(table)) {
    const std::string inner = join_path(path, quote_key(entry->key));
    if (is_table(entry->value)) {
      collect_values(table_of(entry->value), inner, out);
    } else if (is_array_of_tables(entry->value)) {
      const auto& elements = std::get<ConfigValue::List>(entry->value.data);
      out.emplace_back(inner, to_text(elements.size(), elements.size() == 1 ? " table" : " tables"));
      for (std::size_t i = 0; i < elements.size(); ++i) {
        collect_values(table_of(elements[i]), join_path(inner, std::to_string(i)), out);
      }
    } else {
      out.emplace_back(inner, to_toml(entry->value));
    }
  }
}

}  // namespace
}  // namespace detail

void Section::obsolete(std::string_view key, const std::string& value, const std::string& why) const {
  detail::ConfigEntry* entry = table_->find(key);
  if (entry == nullptr || !entry->given) return;
  const std::string name = to_text("'", key, "' in ", detail::section_name(*table_));
  const auto* word = std::get_if<std::string>(&entry->value.data);
  if (word == nullptr || *word != value) {
    fail(key, to_text(name, " is ", detail::to_toml(entry->value), ": ", why, ": need it left out"));
  }
  if (!entry->obsolete) {
    tree_->notes.push_back(to_text(where(key), ": ", name, " is no longer needed: ", why, "; remove it"));
  }
  entry->obsolete = true;
  entry->read_order = tree_->reads++;
}

void Config::check_all_read() const {
  using detail::ConfigEntry;
  using detail::ConfigTable;
  const ConfigTable* stray_table = nullptr;
  const ConfigEntry* stray = nullptr;
  detail::for_each_entry(tree_->root, [&](const ConfigTable& table, const ConfigEntry& entry) {
    if (!entry.given || entry.read_order >= 0) return;
    if (stray == nullptr || std::pair(entry.line, entry.column) < std::pair(stray->line, stray->column)) {
      stray_table = &table;
      stray = &entry;
    }
  });
  if (stray == nullptr) return;
  const bool section = detail::is_section(*stray);
  const std::string path = detail::join_path(stray_table->path, detail::quote_key(stray->key));
  // Keys may hold line breaks.
  throw ConfigError(
      detail::one_line(to_text(stray->key_where,
                               section ? ": unknown section [" + path + "]"
                                       : ": unknown key '" + stray->key + "' in " + detail::section_name(*stray_table),
                               detail::hint_for(tree_->root, *stray_table, *stray))));
}

std::vector<std::string> Config::asked() const {
  std::vector<std::string> paths;
  detail::for_each_entry(tree_->root, [&](const detail::ConfigTable& table, const detail::ConfigEntry& entry) {
    if (entry.read_order >= 0 && !detail::is_section(entry)) {
      paths.push_back(detail::join_path(table.path, detail::quote_key(entry.key)));
    }
  });
  return paths;
}

std::string Config::resolved() const {
  std::string out;
  detail::write_table(tree_->root, "", out);
  return out.starts_with('\n') ? out.substr(1) : out;
}

std::vector<std::pair<std::string, std::string>> Config::values() const {
  std::vector<std::pair<std::string, std::string>> out;
  detail::collect_values(tree_->root, "", out);
  return out;
}

const std::vector<std::string>& Config::notes() const { return tree_->notes; }

}  // namespace backflow::io

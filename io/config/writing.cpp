#include <algorithm>

#include <backflow/io/config/tree_internal.h>

namespace backflow::io {
namespace detail {
namespace {

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

}  // namespace backflow::io

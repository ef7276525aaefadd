#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include <backflow/io/config/tree_internal.h>

namespace backflow::io::detail {
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

// "${" names a variable, "$${" does not.
std::string without_variables(std::string text) {
  for (std::size_t at = 0; (at = text.find("${", at)) != std::string::npos; at += 3) text.insert(at, 1, '$');
  return text;
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
  std::string operator()(const std::string& text) const { return quote(without_variables(text)); }
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

bool is_section(const ConfigEntry& entry) { return is_table(entry.value) || is_array_of_tables(entry.value); }

ConfigTable& table_of(const ConfigValue& value) { return *std::get<std::shared_ptr<ConfigTable>>(value.data); }

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

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  return text;
}

}  // namespace backflow::io::detail

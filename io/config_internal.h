#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// The tree behind Config: what the document gives and, in the same places, what was read. It knows nothing of toml++,
// whose headers cost seconds to compile: config_parse.cpp alone includes them.

namespace backflow::io::detail {

/// A value that no reader accepts, as a date; the text says what it is.
struct ConfigForeign {
  std::string kind;
};

struct ConfigTable;

/// A value and where it stands. Tables are shared with nobody but copies of the value.
struct ConfigValue {
  using List = std::vector<ConfigValue>;
  std::variant<ConfigForeign, std::string, std::int64_t, double, bool, List, std::shared_ptr<ConfigTable>> data;
  std::string where;
  bool bare = false;  // a string that an override gives without quotes, since it is no TOML value
};

/// A key that the document gives, or that a reader has asked for.
struct ConfigEntry {
  std::string key;
  std::string sentence;   // what the key means, if its reader says so
  std::string key_where;  // empty for a key that the document does not give
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool given = false;
  bool obsolete = false;   // given, and without effect
  bool has_value = false;  // false for a key that was asked for, is not given and has no default
  std::int64_t read_order = -1;
  ConfigValue value;
};

struct ConfigTable {
  std::string path;
  std::string where;  // the table's header; empty when the document has none
  std::vector<std::unique_ptr<ConfigEntry>> entries;
  std::vector<std::pair<std::string, std::string>> notes;  // why a key does not belong here, by key

  ConfigEntry* find(std::string_view key);
  /// The entry of `key`, made when it is not there.
  ConfigEntry& at(std::string_view key);
};

struct ConfigTree {
  std::string origin;
  ConfigTable root;
  std::int64_t reads = 0;
  std::vector<std::string> notes;
  bool blank = false;  // Config::blank()
};

/// The tree of a TOML text; throws ConfigError.
std::shared_ptr<ConfigTree> parse_config(std::string_view text, const std::string& origin);
/// A TOML text that is one value, with `path` for the tables in it; nothing, and why in `problem`, when it is not.
std::optional<ConfigValue> parse_value(const std::string& text, const std::string& path, std::string& problem);
/// Applies "a.b=value" or "a.b=unset" to the tree; throws ConfigError.
void apply_override(ConfigTree& tree, const std::string& text);
/// How TOML writes the number or the truth value that a word was meant to be, as 0.5 of ".5" and true of "True"; empty
/// when it is neither.
std::string toml_spelling(const std::string& word);
/// The text with a space for every control character.
std::string one_line(std::string text);

/// The version of toml++.
std::string toml_version();

/// True for a table; likewise for an array that holds nothing but tables, and at least one.
bool is_table(const ConfigValue& value);
bool is_array_of_tables(const ConfigValue& value);

/// "a.b" of "a" and "b"; "b" below the top level.
std::string join_path(const std::string& path, std::string_view key);
/// "[train]", or "the top level".
std::string section_name(const ConfigTable& table);
/// A key or a path as TOML writes it: quoted where it must be.
std::string quote_key(std::string_view key);
/// A value as TOML text.
std::string to_toml(const ConfigValue& value);

}  // namespace backflow::io::detail

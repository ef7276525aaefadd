#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/io/schema.h>

// The tree behind Config: what the document gives and, in the same places, what was read. It knows nothing of toml++,
// whose headers cost seconds to compile: parse.cpp alone includes them.

namespace backflow::io::detail {

/// Where something stands. Places have an order: the file first, then what it includes, then the overrides.
struct Place {
  std::string text;  ///< "x.toml:12:7", or "--set a.b=value"
  std::uint32_t file = 0;
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  auto order() const { return std::tuple(file, line, column); }
};

/// The file number of overrides.
inline constexpr std::uint32_t kOverrides = 0xffffffff;

/// A value that no reader accepts, as a date; the text says what it is.
struct ConfigForeign {
  std::string kind;
};

/// A value and where it stands. Tables are shared with nobody but copies of the value.
struct ConfigValue {
  using List = std::vector<ConfigValue>;
  std::variant<ConfigForeign, std::string, std::int64_t, double, bool, List, std::shared_ptr<ConfigTable>> data;
  Place place;
  bool bare = false;  // a string that an override gives without quotes, since it is no TOML value
};

/// What a reader accepts for a key.
struct Accepts {
  KeyKind kind = KeyKind::String;
  IntegerRange integers = {};
  NumberRange numbers = {};
  std::vector<std::string> choices = {};
  std::string fallback = {};  // the default as TOML writes it
  bool array_too = false;     // an array of such values as well
};

/// A key that the document gives, or that a reader has asked for.
struct ConfigEntry {
  std::string key;
  std::string sentence;  // what the key means, if its reader says so
  Place place;           // of the key; empty for one that the document does not give
  bool given = false;
  bool wrong = false;      // given, with a value that has been reported
  bool obsolete = false;   // given, and without effect
  bool has_value = false;  // false for a key that was asked for, is not given and has no default
  bool required = false;   // read without a default
  std::int64_t read_order = -1;
  ConfigValue value;
  std::optional<Accepts> accepts;  // of a blank configuration
};

struct ConfigTable {
  std::string path;
  Place place;             // of the table's header; empty when the document has none
  bool has_wrong = false;  // a value in it has been reported
  bool reported = false;   // Section::report() was called
  bool partial = false;    // it is not known which keys it should have
  bool guessed = false;    // the keys that it should have follow from the word that a wrong choice may have meant
  std::vector<std::unique_ptr<ConfigEntry>> entries;
  std::vector<std::pair<std::string, std::string>> notes;  // why a key does not belong here, by key

  ConfigEntry* find(std::string_view key);
  /// The entry of `key`, made when it is not there.
  ConfigEntry& at(std::string_view key);
};

/// A mistake; the message starts with its place.
struct Problem {
  Place place;
  std::string message;
};

struct ConfigTree {
  std::string origin;
  ConfigTable root;
  std::int64_t reads = 0;
  std::vector<Problem> problems;
  std::vector<std::string> notes;
  std::vector<std::shared_ptr<ConfigTable>> spares;  // for readers of tables that are something else
  bool blank = false;                                // Config::blank()
  std::map<std::string, std::string> forced;         // its choices
};

/// Throws all mistakes, in the order of their places, if there are any.
void throw_problems(const std::vector<Problem>& problems);

/// The table of a TOML text, whose places are of file `number`. Throws ConfigError.
void parse_text(std::string_view text, const std::string& origin, std::uint32_t number, ConfigTable& to);
/// A TOML text that is one value, with `path` for the tables in it; nothing, and why in `problem`, when it is not.
std::optional<ConfigValue> parse_value(const std::string& text, const std::string& path, std::string& problem);
/// Puts what `root` includes below it, for a text from a file at `path`. Throws ConfigError, of all files that cannot
/// be read, are not TOML or include themselves.
void include_files(ConfigTree& tree, const std::string& path);
/// The text of a file of at most 16 MiB; throws ConfigError.
std::string read_config_file(const std::string& path);
/// Puts the values of variables into the strings of a table; adds mistakes to `problems`.
void expand_variables(std::vector<Problem>& problems, ConfigTable& table);
/// The same for one value; false for a mistake.
bool expand_variables(std::vector<Problem>& problems, ConfigValue& value);
/// Applies "a.b=value" or "a.b=unset" to the tree, as override `number`; mistakes are recorded.
void apply_override(ConfigTree& tree, const std::string& text, std::uint32_t number);

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
/// An entry that is one of both.
bool is_section(const ConfigEntry& entry);
/// The table that a value is.
ConfigTable& table_of(const ConfigValue& value);

/// "a.b" of "a" and "b"; "b" below the top level.
std::string join_path(const std::string& path, std::string_view key);
/// "[train]", or "the top level".
std::string section_name(const ConfigTable& table);
/// A key or a path as TOML writes it: quoted where it must be.
std::string quote_key(std::string_view key);
/// A value as TOML text, in which no variable is named.
std::string to_toml(const ConfigValue& value);

/// Calls f(table, entry) for the entries of a table and of all tables below it that readers have entered.
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

}  // namespace backflow::io::detail

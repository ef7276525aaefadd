#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <backflow/io/config.h>

namespace backflow::io {

/// What a key is.
enum class KeyKind {
  String,
  Integer,
  Number,
  Boolean,
  Choice,
  Strings,
  Integers,
  Numbers,
  Choices,
  Table,
  TableArray,
  NamedTables,  ///< a table whose keys the user chooses, each of which is a table
};

/// The choice `key` has one of these values.
struct KeyCondition {
  std::string key;
  std::vector<std::string> values;

  bool operator==(const KeyCondition&) const = default;
};

/// What a key is where all of some conditions hold. Most keys have one variant, and that has no condition.
struct KeyVariant {
  std::vector<KeyCondition> when;
  KeyKind kind = KeyKind::String;
  IntegerRange integers;
  NumberRange numbers;
  std::vector<std::string> choices;
  bool required = false;
  std::string fallback;  ///< the default as TOML writes it; empty when the key is required, and for tables
  std::string sentence;
  bool array_too = false;  ///< an array of such values is accepted as well

  /// "an integer of at least 0", as messages say it.
  std::string accepts() const;
  /// The choices under which this variant exists, as Config::blank() takes them.
  std::map<std::string, std::string> forced() const;
  bool operator==(const KeyVariant&) const = default;
};

/// A key of all configurations. The path is "train.epochs"; "[]" stands for the elements of an array of tables, as in
/// "model.layers[].type", and "NAME" for a name that the user chooses.
struct SchemaKey {
  std::string path;
  std::vector<KeyVariant> variants;
  std::string
      same_as;  ///< of an array of tables: the one whose elements have the same keys; they are listed there alone

  /// "model.layers[]"; empty at the top level.
  std::string table() const;
  /// "type"
  std::string name() const;
  /// A table, or an array of tables.
  bool is_table() const;
  /// The path of what is in it, when it is a table: "model.layers[]" of "model.layers".
  std::string inside() const;
};

/// All keys that the readers of a configuration ask for, whatever its choices. From it come the documentation, the
/// schema for editors, and hints in messages. Readers are the only place that declares keys.
class Schema {
 public:
  /// Calls `read` with a blank configuration for each value of each choice. What it throws is ignored.
  static Schema of(const std::function<void(const Config&)>& read);

  /// Those of a table stand together, and before those of the tables in it.
  const std::vector<SchemaKey>& keys() const { return keys_; }
  /// The keys of one table, as "model.layers[]".
  std::vector<const SchemaKey*> keys_of(const std::string& table) const;
  /// The key of this path, with or without the numbers of elements; null when there is none.
  const SchemaKey* find(const std::string& path) const;

 private:
  std::vector<SchemaKey> keys_;
};

/// All keys for a terminal, or those of one table, or all about one key. Throws ConfigError for a key that does not
/// exist, with the nearest.
std::string schema_text(const Schema& schema, const std::string& key = "");
/// A Markdown table for each table of a configuration, with a heading.
std::string schema_markdown(const Schema& schema);
/// A JSON schema, draft 7, as editors take it (Taplo's `#:schema` directive).
std::string schema_json(const Schema& schema);

}  // namespace backflow::io

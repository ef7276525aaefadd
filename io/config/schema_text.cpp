#include <algorithm>
#include <utility>

#include <backflow/io/config/tree_internal.h>
#include <backflow/io/nearest.h>

// What people read of a schema: in a terminal and in docs/configuration.md.

namespace backflow::io {
namespace {

/// How a text marks code, and a key's conditions.
struct Marks {
  const char* code;
};
constexpr Marks kPlain{""};
constexpr Marks kMarkdown{"`"};

std::string code(const Marks& marks, const std::string& text) { return marks.code + text + marks.code; }

/// "[optimizer]", "[[model.layers]]"
std::string header_of(const SchemaKey& key) {
  std::string path = key.path;
  for (std::size_t at = path.find("[]"); at != std::string::npos; at = path.find("[]", at)) path.erase(at, 2);
  return key.variants.front().kind == KeyKind::TableArray ? "[[" + path + "]]" : "[" + path + "]";
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

/// `name = "adam"` or `"adamw"`, of a key in `table`; a choice of another table has its path.
std::string condition_text(const Marks& marks, const KeyCondition& condition, const std::string& table) {
  const std::string prefix = table.empty() ? "" : table + ".";
  std::string name = condition.key.starts_with(prefix) ? condition.key.substr(prefix.size()) : condition.key;
  std::string text;
  for (std::size_t i = 0; i < condition.values.size(); ++i) {
    const std::string value = "\"" + condition.values[i] + "\"";
    text += i == 0 ? code(marks, name + " = " + value)
                   : (i + 1 == condition.values.size() ? " or " : ", ") + code(marks, value);
  }
  return text;
}

/// The conditions of a variant but those of the table that it is in.
std::vector<KeyCondition> own_conditions(const Schema& schema, const SchemaKey& key, const KeyVariant& variant) {
  const SchemaKey* table = key.table().empty() ? nullptr : schema.find(key.table());
  std::vector<KeyCondition> own;
  for (const KeyCondition& condition : variant.when) {
    const bool of_table = table != nullptr && table->variants.size() == 1 &&
                          std::find(table->variants.front().when.begin(), table->variants.front().when.end(),
                                    condition) != table->variants.front().when.end();
    if (!of_table) own.push_back(condition);
  }
  return own;
}

std::string conditions_text(const Schema& schema, const Marks& marks, const SchemaKey& key, const KeyVariant& variant) {
  std::vector<std::string> texts;
  for (const KeyCondition& condition : own_conditions(schema, key, variant)) {
    texts.push_back(condition_text(marks, condition, key.table()));
  }
  return joined(texts, " and ");
}

std::string default_text(const Marks& marks, const KeyVariant& variant) {
  return variant.required ? "required" : variant.fallback.empty() ? "" : code(marks, variant.fallback);
}

/// What differs between variants, with their conditions: "required with `name = "sgd"`; `0.001` with ...". One text
/// when all are alike.
template <class F>
std::string of_variants(const Schema& schema, const Marks& marks, const SchemaKey& key, F&& text_of) {
  std::vector<std::pair<std::string, std::vector<std::string>>> texts;
  for (const KeyVariant& variant : key.variants) {
    const std::string text = text_of(variant);
    auto found = std::find_if(texts.begin(), texts.end(), [&](const auto& one) { return one.first == text; });
    if (found == texts.end()) found = texts.insert(texts.end(), {text, {}});
    found->second.push_back(conditions_text(schema, marks, key, variant));
  }
  if (texts.size() == 1) return texts.front().first;
  std::vector<std::string> parts;
  for (const auto& [text, conditions] : texts) parts.push_back(text + " with " + joined(conditions, " or "));
  return joined(parts, "; ");
}

/// Under which conditions the key exists at all; empty when it always does.
std::string existence(const Schema& schema, const Marks& marks, const SchemaKey& key) {
  std::vector<std::string> texts;
  for (const KeyVariant& variant : key.variants) {
    const std::string text = conditions_text(schema, marks, key, variant);
    if (text.empty()) return "";
    texts.push_back(text);
  }
  // Variants of one choice: its values together.
  KeyCondition all;
  for (const KeyVariant& variant : key.variants) {
    const std::vector<KeyCondition> own = own_conditions(schema, key, variant);
    if (own.size() != 1 || (!all.key.empty() && all.key != own.front().key)) return joined(texts, " or ");
    all.key = own.front().key;
    all.values.insert(all.values.end(), own.front().values.begin(), own.front().values.end());
  }
  const SchemaKey* choice = schema.find(all.key);
  const bool complete = choice != nullptr && choice->variants.front().choices.size() == all.values.size();
  return complete ? "" : condition_text(marks, all, key.table());
}

std::string meaning(const Schema& schema, const Marks& marks, const SchemaKey& key) {
  std::string text = of_variants(schema, marks, key, [](const KeyVariant& variant) { return variant.sentence; });
  if (!key.same_as.empty()) text += (text.empty() ? "" : "; ") + ("the keys are those of " + code(marks, key.same_as));
  return text;
}

std::string accepts(const Schema& schema, const Marks& marks, const SchemaKey& key) {
  return of_variants(schema, marks, key, [](const KeyVariant& variant) { return variant.accepts(); });
}

std::string defaults(const Schema& schema, const Marks& marks, const SchemaKey& key) {
  return of_variants(schema, marks, key, [&](const KeyVariant& variant) { return default_text(marks, variant); });
}

/// "|" separates the cells of a table.
std::string cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, 1, '\\');
  return text;
}

std::string rows_text(const Schema& schema, const std::vector<const SchemaKey*>& keys) {
  std::size_t width = 0;
  for (const SchemaKey* key : keys) width = std::max(width, key->is_table() ? 0 : key->name().size());
  std::string out;
  for (const SchemaKey* key : keys) {
    if (key->is_table()) continue;
    const std::string when = existence(schema, kPlain, *key);
    const std::string usual = defaults(schema, kPlain, *key);
    out += "  " + key->name() + std::string(width - key->name().size() + 2, ' ') + meaning(schema, kPlain, *key) +
           " [" + usual + "]" + (when.empty() ? "" : ", with " + when) + "\n";
  }
  return out;
}

std::string key_text(const Schema& schema, const SchemaKey& key) {
  std::string out = key.path + ": " + meaning(schema, kPlain, key) + "\n";
  out += "  accepts: " + accepts(schema, kPlain, key) + "\n";
  out += "  default: " + defaults(schema, kPlain, key) + "\n";
  const std::string when = existence(schema, kPlain, key);
  if (!when.empty()) out += "  only with: " + when + "\n";
  return out;
}

std::string table_text(const Schema& schema, const SchemaKey& key) {
  const std::string when = existence(schema, kPlain, key);
  const std::string text = meaning(schema, kPlain, key);
  return header_of(key) + (text.empty() ? "" : "  " + text) + (when.empty() ? "" : ", with " + when) + "\n" +
         (key.same_as.empty() ? rows_text(schema, schema.keys_of(key.inside())) : "");
}

[[noreturn]] void fail_unknown(const Schema& schema, const std::string& key) {
  std::vector<std::string> paths;
  std::vector<std::string> names;
  for (const SchemaKey& one : schema.keys()) {
    paths.push_back(one.path);
    names.push_back(one.name());
  }
  // By the path, or else by the last part of it.
  std::string near = nearest(key, paths);
  const std::string name = nearest(key.substr(key.rfind('.') + 1), names);
  for (const SchemaKey& one : schema.keys()) {
    if (near.empty() && !name.empty() && one.name() == name) near = one.path;
  }
  throw ConfigError(to_text("unknown key '", key, "': need one of 'backflow --help-config'",
                            near.empty() ? "" : "; did you mean '" + near + "'?"));
}

std::string markdown_table(const Schema& schema, const std::vector<const SchemaKey*>& keys) {
  const bool some = std::any_of(keys.begin(), keys.end(), [&](const SchemaKey* key) {
    return !key->is_table() && !existence(schema, kMarkdown, *key).empty();
  });
  std::string out = some ? "| key | of | value | default | meaning |\n|---|---|---|---|---|\n"
                         : "| key | value | default | meaning |\n|---|---|---|---|\n";
  std::size_t rows = 0;
  for (const SchemaKey* key : keys) {
    if (key->is_table()) continue;
    ++rows;
    out += "| `" + key->name() + "` | " + (some ? cell(existence(schema, kMarkdown, *key)) + " | " : "") +
           cell(accepts(schema, kMarkdown, *key)) + " | " + cell(defaults(schema, kMarkdown, *key)) + " | " +
           cell(meaning(schema, kMarkdown, *key)) + " |\n";
  }
  return rows == 0 ? "" : out;
}

}  // namespace

std::string schema_text(const Schema& schema, const std::string& key) {
  if (key.empty()) {
    std::string out = rows_text(schema, schema.keys_of(""));
    for (const SchemaKey& one : schema.keys()) {
      if (one.is_table()) out += "\n" + table_text(schema, one);
    }
    return out;
  }
  if (const SchemaKey* found = schema.find(key)) {
    return found->is_table() ? table_text(schema, *found) : key_text(schema, *found);
  }
  // A last part alone, as "epochs".
  std::string out;
  for (const SchemaKey& one : schema.keys()) {
    if (!one.is_table() && one.name() == key) out += key_text(schema, one);
  }
  if (out.empty()) fail_unknown(schema, key);
  return out;
}

std::string schema_markdown(const Schema& schema) {
  std::string out = "### The top level\n\n" + markdown_table(schema, schema.keys_of(""));
  for (const SchemaKey& key : schema.keys()) {
    if (!key.is_table()) continue;
    const std::string when = existence(schema, kMarkdown, key);
    std::string text = meaning(schema, kMarkdown, key);
    if (!text.empty()) text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
    if (!when.empty()) text += (text.empty() ? "With " : "; with ") + when;
    out += "\n### `" + header_of(key) + "`\n" + (text.empty() ? "" : "\n" + text + ".\n");
    const std::string rows = key.same_as.empty() ? markdown_table(schema, schema.keys_of(key.inside())) : "";
    if (!rows.empty()) out += "\n" + rows;
  }
  return out;
}

}  // namespace backflow::io

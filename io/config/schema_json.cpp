#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include <backflow/io/config/tree_internal.h>

// The schema as JSON Schema, draft 7: https://json-schema.org/draft-07. What is not in it: keys that must be given in a
// table, since an included file may give them; ranges of strings that name variables.

namespace backflow::io {
namespace {

using Json = nlohmann::ordered_json;

Json integer_schema(const IntegerRange& range) {
  Json schema = {{"type", "integer"}};
  const IntegerRange all;
  if (range.at_least != all.at_least) schema["minimum"] = range.at_least;
  if (range.at_most != all.at_most) schema["maximum"] = range.at_most;
  return schema;
}

Json number_schema(const NumberRange& range) {
  Json schema = {{"type", "number"}};
  if (range.infinite_or_nan) return schema;
  if (std::isfinite(range.at_least)) schema["minimum"] = range.at_least;
  if (std::isfinite(range.at_most)) schema["maximum"] = range.at_most;
  if (std::isfinite(range.above)) schema["exclusiveMinimum"] = range.above;
  if (std::isfinite(range.below)) schema["exclusiveMaximum"] = range.below;
  return schema;
}

Json choice_schema(const std::vector<std::string>& choices) {
  const Json variable = {{"type", "string"}, {"pattern", "\\$\\{"}};
  return {{"anyOf", Json::array({{{"type", "string"}, {"enum", choices}}, variable})}};
}

Json any_of(std::vector<Json> schemas) { return {{"anyOf", std::move(schemas)}}; }

Json array_of(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }

Json value_schema(const KeyVariant& variant) {
  switch (variant.kind) {
    case KeyKind::String:
      return {{"type", "string"}};
    case KeyKind::Integer:
      return integer_schema(variant.integers);
    case KeyKind::Number:
      return number_schema(variant.numbers);
    case KeyKind::Boolean:
      return {{"type", "boolean"}};
    case KeyKind::Choice:
      return choice_schema(variant.choices);
    case KeyKind::Strings:
      return array_of({{"type", "string"}});
    case KeyKind::Integers:
      return array_of(integer_schema(variant.integers));
    case KeyKind::Numbers:
      return array_of(number_schema(variant.numbers));
    case KeyKind::Choices:
      return array_of(choice_schema(variant.choices));
    default:
      return {{"type", "object"}};
  }
}

/// What an editor shows.
std::string description(const KeyVariant& variant) {
  std::string text = variant.sentence;
  if (variant.required) text += text.empty() ? "required" : "; required";
  if (!variant.fallback.empty()) text += (text.empty() ? "default: " : "; default: ") + variant.fallback;
  return text;
}

/// The name of the definition of an array's elements: brackets have to be escaped in references.
std::string definition_name(std::string table) {
  for (std::size_t at = table.find("[]"); at != std::string::npos; at = table.find("[]")) table.erase(at, 2);
  return table;
}

class Writer {
 public:
  explicit Writer(const Schema& schema) : schema_(schema) {
    for (const SchemaKey& key : schema.keys()) {
      const bool in_named = key.path.find(".NAME.") != std::string::npos;
      if (in_named && key.variants.front().kind == KeyKind::TableArray) templates_.insert(key.inside());
    }
  }

  /// The object that a table is.
  Json table(const std::string& path) {
    Json properties = Json::object();
    Json conditions = Json::array();
    Json required = Json::array();
    for (const SchemaKey* key : schema_.keys_of(path)) {
      properties[key->name()] = property(*key);
      add_conditions(*key, conditions);
      const bool always =
          std::all_of(key->variants.begin(), key->variants.end(), [](const auto& v) { return v.required; });
      // Elements of arrays are whole where they stand; other tables may be completed by an include.
      if (path.ends_with("[]") && always && key->variants.size() == 1 && is_local(key->variants.front(), path)) {
        required.push_back(key->name());
      }
    }
    Json object = {{"type", "object"}};
    if (path.empty()) properties["include"] = include();
    object["properties"] = std::move(properties);
    // What a user has named may have parameters, of any name: "$channels" stands for one.
    const bool is_open = templates_.contains(path) || object["properties"].empty();
    object["additionalProperties"] = is_open;
    if (!required.empty() && !is_open) object["required"] = std::move(required);
    if (!conditions.empty()) object["allOf"] = std::move(conditions);
    return object;
  }

  Json definitions() {
    Json all = Json::object();
    for (const SchemaKey& key : schema_.keys()) {
      if (key.variants.front().kind == KeyKind::TableArray && key.same_as.empty()) {
        all[definition_name(key.inside())] = table(key.inside());
      }
    }
    return all;
  }

 private:
  static Json include() {
    const Json name = {{"type", "string"}};
    return {{"description", "files that this one completes, relative to it"},
            {"anyOf", Json::array({name, array_of(name)})}};
  }

  /// A key that exists wherever its table does.
  bool is_local(const KeyVariant& variant, const std::string& table) const {
    return std::none_of(variant.when.begin(), variant.when.end(),
                        [&](const KeyCondition& condition) { return condition.key.starts_with(table + "."); });
  }

  Json property(const SchemaKey& key) {
    const KeyVariant& first = key.variants.front();
    Json result;
    if (first.kind == KeyKind::Table) {
      result = table(key.path);
    } else if (first.kind == KeyKind::TableArray) {
      result = array_of({{"$ref", "#/definitions/" + definition_name(key.inside())}});
    } else if (first.kind == KeyKind::NamedTables) {
      result = {{"type", "object"}, {"additionalProperties", table(key.path + ".NAME")}};
    } else {
      result = values(key);
    }
    if (!description(first).empty()) {
      Json with_description = {{"description", description(first)}};
      with_description.update(result);
      return with_description;
    }
    return result;
  }

  /// Any of what the variants accept.
  Json values(const SchemaKey& key) const {
    const bool is_template = templates_.contains(key.table());
    std::vector<Json> schemas;
    for (const KeyVariant& variant : key.variants) {
      Json schema = value_schema(variant);
      if (variant.array_too) schema = any_of({schema, array_of(schema)});
      if (is_template) schema = any_of({schema, {{"type", "string"}, {"pattern", "^\\$"}}});
      if (std::find(schemas.begin(), schemas.end(), schema) == schemas.end()) schemas.push_back(std::move(schema));
    }
    return schemas.size() == 1 ? schemas.front() : Json{{"anyOf", schemas}};
  }

  /// A key of some values of a choice in the same table is wrong with the other values, when the table gives the
  /// choice.
  void add_conditions(const SchemaKey& key, Json& conditions) const {
    std::set<std::string> values;
    std::string choice;
    for (const KeyVariant& variant : key.variants) {
      const auto own = std::find_if(variant.when.begin(), variant.when.end(), [&](const KeyCondition& condition) {
        const std::size_t dot = condition.key.rfind('.');
        return (dot == std::string::npos ? "" : condition.key.substr(0, dot)) == key.table();
      });
      if (own == variant.when.end() || (!choice.empty() && choice != own->key)) return;
      choice = own->key;
      values.insert(own->values.begin(), own->values.end());
    }
    std::vector<std::string> others;
    for (const std::string& value : schema_.find(choice)->variants.front().choices) {
      if (!values.contains(value)) others.push_back(value);
    }
    if (others.empty()) return;
    const std::string name = choice.substr(choice.rfind('.') + 1);
    for (Json& condition : conditions) {
      if (condition["if"]["properties"].contains(name) && condition["if"]["properties"][name]["enum"] == others) {
        condition["then"]["properties"][key.name()] = false;
        return;
      }
    }
    conditions.push_back({{"if", {{"properties", {{name, {{"enum", others}}}}}, {"required", {name}}}},
                          {"then", {{"properties", {{key.name(), false}}}}}});
  }

  const Schema& schema_;
  std::set<std::string> templates_;  // arrays of tables that stand below a name that users choose, too
};

}  // namespace

std::string schema_json(const Schema& schema) {
  Writer writer(schema);
  Json json = {{"$schema", "http://json-schema.org/draft-07/schema#"}, {"title", "A configuration of Backflow"}};
  json.update(writer.table(""));
  json["definitions"] = writer.definitions();
  return json.dump(2) + "\n";
}

}  // namespace backflow::io

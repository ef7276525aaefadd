#include <utility>

#include <backflow/io/config/tree_internal.h>

// What a section gives, where it stands, and errors that readers find.

namespace backflow::io {

using detail::ConfigEntry;
using detail::ConfigValue;

void Section::obsolete(std::string_view key, const std::string& value, const std::string& why) const {
  ConfigEntry* entry = table_->find(key);
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

bool Section::has(std::string_view key) const { return table_->at(key).given; }

bool Section::has_array(std::string_view key) const {
  const ConfigEntry& entry = table_->at(key);
  return entry.given && std::holds_alternative<ConfigValue::List>(entry.value.data);
}

std::optional<std::string> Section::given_string(std::string_view key) const {
  const ConfigEntry& entry = table_->at(key);
  const std::string* text = entry.given ? std::get_if<std::string>(&entry.value.data) : nullptr;
  return text == nullptr ? std::nullopt : std::optional(*text);
}

std::vector<std::string> Section::keys() const {
  std::vector<std::string> result;
  for (const auto& entry : table_->entries) {
    if (entry->given) result.push_back(entry->key);
  }
  return result;
}

const std::string& Section::path() const { return table_->path; }

std::string Section::where() const { return table_->place.text.empty() ? tree_->origin : table_->place.text; }

std::string Section::where(std::string_view key) const {
  const ConfigEntry* entry = table_->find(key);
  return entry != nullptr && entry->given ? entry->value.place.text : where();
}

void Section::fail(std::string_view key, const std::string& message) const {
  throw ConfigError(where(key) + ": " + message);
}

std::string Section::where(std::string_view key, std::size_t index) const {
  const ConfigEntry* entry = table_->find(key);
  const auto* list = entry != nullptr && entry->given ? std::get_if<ConfigValue::List>(&entry->value.data) : nullptr;
  return list != nullptr && index < list->size() ? (*list)[index].place.text : where(key);
}

void Section::fail(std::string_view key, std::size_t index, const std::string& message) const {
  throw ConfigError(where(key, index) + ": " + message);
}

void Section::explain(std::string_view key, std::string why) const {
  table_->notes.emplace_back(std::string(key), std::move(why));
}

}  // namespace backflow::io

#include <algorithm>
#include <utility>

#include <backflow/io/config/tree_internal.h>
#include <backflow/io/nearest.h>

// What is wrong with a configuration, all of it at once.

namespace backflow::io {
namespace detail {
namespace {

constexpr std::size_t kMostLines = 50;

// A key or a table that no reader has asked for.
struct Stray {
  const ConfigTable* table;
  const ConfigEntry* entry;
};

// Those of a table and of the tables below it, but of those whose keys are not all known.
void find_strays(const ConfigTable& table, std::vector<Stray>& strays) {
  if (table.partial) return;
  for (const auto& entry : table.entries) {
    if (entry->given && entry->read_order < 0 && !entry->wrong) strays.push_back({&table, entry.get()});
    if (entry->read_order < 0 || entry->wrong) continue;
    if (is_table(entry->value)) {
      find_strays(table_of(entry->value), strays);
    } else if (is_array_of_tables(entry->value)) {
      for (const ConfigValue& x : std::get<ConfigValue::List>(entry->value.data)) find_strays(table_of(x), strays);
    }
  }
}

std::string quoted(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "\"" : " or \"") + word + "\"";
  return text;
}

// "model.layers[].type" of a condition, read in a table inside "model.layers.2": its entry there, or none.
const ConfigEntry* chosen(const ConfigTable& table, const KeyCondition& condition) {
  const std::string name = condition.key.substr(condition.key.rfind('.') + 1);
  for (const auto& entry : table.entries) {
    if (entry->key == name) return entry.get();
  }
  return nullptr;
}

// The choices on which a key depends, each with all values for which there is such a key.
std::vector<KeyCondition> conditions_of(const SchemaKey& key) {
  std::vector<KeyCondition> all;
  for (const KeyVariant& variant : key.variants) {
    for (const KeyCondition& one : variant.when) {
      const auto known = std::find_if(all.begin(), all.end(), [&](const auto& other) { return other.key == one.key; });
      if (known == all.end()) {
        all.push_back(one);
        continue;
      }
      for (const std::string& value : one.values) {
        if (std::find(known->values.begin(), known->values.end(), value) == known->values.end()) {
          known->values.push_back(value);
        }
      }
    }
  }
  return all;
}

// Which choice a key belongs to that does not belong here; empty when there is none. A choice of the same table comes
// first, as the type of a layer before the name of the model.
std::string foreign(const Schema& schema, const ConfigTable& table, const std::string& path) {
  const SchemaKey* key = schema.find(path);
  if (key == nullptr) return "";
  const std::vector<KeyCondition> conditions = conditions_of(*key);
  const KeyCondition* missed = conditions.empty() ? nullptr : &conditions.front();
  for (const KeyCondition& condition : conditions) {
    if (join_path(key->table(), condition.key.substr(condition.key.rfind('.') + 1)) != condition.key) continue;
    missed = &condition;
    const ConfigEntry* const choice = chosen(table, condition);
    const std::string here = choice != nullptr ? to_toml(choice->value) : "";
    const auto is_here = [&](const std::string& value) { return "\"" + value + "\"" == here; };
    if (std::none_of(condition.values.begin(), condition.values.end(), is_here)) break;
  }
  if (missed == nullptr) return "";
  const std::string name = missed->key.substr(missed->key.rfind('.') + 1);
  const ConfigEntry* const choice = chosen(table, *missed);
  const std::string here = choice != nullptr ? to_toml(choice->value) : "";
  return to_text("it is a key of ", name, " = ", quoted(missed->values), here.empty() ? "" : ", not of " + here);
}

// What a reader or the schema says of the key; or what it may have been meant to be: a key of the same table, the same
// key of another, or else the list of keys.
std::string hint_for(const ConfigTree& tree, const Stray& stray, const Schema* schema) {
  const std::string& key = stray.entry->key;
  const std::string path = join_path(stray.table->path, quote_key(key));
  std::string why = schema != nullptr ? foreign(*schema, *stray.table, path) : "";
  for (const auto& [noted, note] : stray.table->notes) {
    if (noted == key) why = note;
  }
  if (!why.empty()) return to_text(": ", why, "; to leave it out: --set ", path, "=unset");
  std::vector<std::string> known;
  std::string list;
  for (const auto& entry : stray.table->entries) {
    if (entry->given && entry->read_order < 0) continue;
    known.push_back(entry->key);
    list += (list.empty() ? "'" : ", '") + entry->key + "'";
  }
  const std::string near = nearest(key, known);
  if (!near.empty()) {
    for (const auto& entry : stray.table->entries) {
      if (entry->key != near) continue;
      const std::string meaning = entry->sentence.empty() ? "" : " (" + entry->sentence + ")";
      return is_section(*stray.entry) ? to_text("; did you mean [", join_path(stray.table->path, near), "]?", meaning)
                                      : to_text("; did you mean '", near, "'?", meaning);
    }
  }
  std::string elsewhere;
  for_each_entry(tree.root, [&](const ConfigTable& other, const ConfigEntry& entry) {
    if (elsewhere.empty() && entry.key == key && (entry.read_order >= 0 || !entry.given)) {
      elsewhere = to_text("; did you mean '", entry.key, "' in ", section_name(other), "?");
    }
  });
  if (!elsewhere.empty()) return elsewhere;
  return list.empty() ? ": need none here" : ": need one of " + list;
}

// Keys may hold line breaks.
std::string describe(const ConfigTree& tree, const Stray& stray, const Schema* schema) {
  const std::string path = join_path(stray.table->path, quote_key(stray.entry->key));
  return one_line(to_text(stray.entry->place.text,
                          is_section(*stray.entry)
                              ? ": unknown section [" + path + "]"
                              : ": unknown key '" + stray.entry->key + "' in " + section_name(*stray.table),
                          hint_for(tree, stray, schema)));
}

}  // namespace

void throw_problems(const std::vector<Problem>& problems) {
  if (problems.empty()) return;
  std::vector<const Problem*> sorted;
  for (const Problem& problem : problems) sorted.push_back(&problem);
  std::stable_sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->place.order() < b->place.order(); });
  std::string text;
  for (std::size_t i = 0; i < std::min(sorted.size(), kMostLines); ++i) {
    text += (i == 0 ? "" : "\n") + sorted[i]->message;
  }
  if (sorted.size() > kMostLines) text += to_text("\nand ", sorted.size() - kMostLines, " more mistakes");
  throw ConfigError(text);
}

}  // namespace detail

bool Section::is_sound() const {
  const auto is_wrong = [](const detail::ConfigTable& table) {
    return table.has_wrong || table.reported || table.partial || table.guessed;
  };
  std::vector<detail::Stray> strays;
  detail::find_strays(*table_, strays);
  bool sound = strays.empty() && !is_wrong(*table_);
  detail::for_each_entry(*table_, [&](const detail::ConfigTable& table, const detail::ConfigEntry& entry) {
    sound = sound && !is_wrong(table) && !entry.wrong;
  });
  return sound;
}

void Config::check(const std::function<const Schema&()>& schema) const {
  std::vector<detail::Stray> strays;
  detail::find_strays(tree_->root, strays);
  const Schema* all = strays.empty() || !schema ? nullptr : &schema();
  std::vector<detail::Problem> problems = tree_->problems;
  for (const detail::Stray& stray : strays) {
    // A key of another word than the one that was guessed: that one may have been meant.
    const std::string path = detail::join_path(stray.table->path, detail::quote_key(stray.entry->key));
    if (stray.table->guessed && all != nullptr && all->find(path) != nullptr) continue;
    problems.push_back({stray.entry->place, detail::describe(*tree_, stray, all)});
  }
  detail::throw_problems(problems);
}

}  // namespace backflow::io

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include <backflow/io/config/reading_internal.h>

// Finds all keys: readers are run on blank configurations with each value of each choice.

namespace backflow::io {
namespace {

using detail::ConfigEntry;
using detail::ConfigTable;
using detail::ConfigTree;

using Choices = std::map<std::string, std::string>;

// What one key is in some runs, or in all of a subtree of choices.
struct Found {
  std::vector<KeyVariant> variants;
  std::string same_as;
};
using Keys = std::map<std::string, Found>;

std::vector<const ConfigEntry*> in_order_read(const ConfigTable& table) {
  std::vector<const ConfigEntry*> entries;
  for (const auto& entry : table.entries) {
    if (entry->read_order >= 0 && entry->accepts) entries.push_back(entry.get());
  }
  std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->read_order < b->read_order; });
  return entries;
}

KeyVariant variant_of(const ConfigEntry& entry) {
  return {.when = {},
          .kind = entry.accepts->kind,
          .integers = entry.accepts->integers,
          .numbers = entry.accepts->numbers,
          .choices = entry.accepts->choices,
          .required = entry.required,
          .fallback = entry.accepts->fallback,
          .sentence = entry.sentence,
          .array_too = entry.accepts->array_too};
}

class Enumerator {
 public:
  explicit Enumerator(const std::function<void(const Config&)>& read,
                      std::function<const ConfigTree&(const Config&)> tree_of)
      : read_(read), tree_of_(std::move(tree_of)) {}

  /// The keys that there are with these choices. `known` are the choices that others vary.
  Keys collect(const Choices& forced, const std::set<std::string>& known) {
    const Keys base = run(forced);
    std::vector<std::string> own = choices_among(base, known);
    std::map<std::string, std::map<std::string, Keys>> runs;
    for (const std::string& choice : own) {
      for (const std::string& value : base.at(choice).variants.front().choices) {
        runs[choice][value] = run(with(forced, choice, value));
      }
    }
    // A choice that is gone when another changes belongs to a value of that one.
    std::vector<std::string> free;
    for (const std::string& choice : own) {
      const bool everywhere = std::all_of(runs.begin(), runs.end(), [&](const auto& other) {
        return other.first == choice || std::all_of(other.second.begin(), other.second.end(),
                                                    [&](const auto& values) { return values.second.contains(choice); });
      });
      if (everywhere) free.push_back(choice);
    }
    std::set<std::string> all_known = known;
    all_known.insert(free.begin(), free.end());
    Keys result = base;
    for (const std::string& choice : free) {
      std::map<std::string, Keys> by_value;
      for (const auto& [value, keys] : runs[choice]) {
        by_value[value] = collect(with(forced, choice, value), all_known);
      }
      merge(choice, base.at(choice).variants.front().choices, by_value, result);
    }
    return result;
  }

  /// Where a key comes in the order of all: by its tables, plain keys first, then as read.
  std::vector<std::pair<bool, int>> place(const std::string& path, const Keys& keys) const {
    std::vector<std::pair<bool, int>> result;
    for (std::size_t dot = path.find('.');; dot = path.find('.', dot + 1)) {
      std::string part = path.substr(0, dot);
      if (part.ends_with("[]")) part.resize(part.size() - 2);
      const auto found = keys.find(part);
      const bool table = found != keys.end() && found->second.variants.front().kind >= KeyKind::Table;
      const auto order = order_.find(part);
      result.emplace_back(table, order == order_.end() ? 0 : order->second);
      if (dot == std::string::npos) return result;
    }
  }

 private:
  static Choices with(Choices forced, const std::string& choice, const std::string& value) {
    forced[choice] = value;
    return forced;
  }

  static std::vector<std::string> choices_among(const Keys& keys, const std::set<std::string>& known) {
    std::vector<std::string> choices;
    for (const auto& [path, found] : keys) {
      if (found.variants.front().kind == KeyKind::Choice && !known.contains(path)) choices.push_back(path);
    }
    return choices;
  }

  Keys run(const Choices& forced) {
    const Config blank = Config::blank(forced);
    try {
      read_(blank);
    } catch (const Error&) {  // of a value that no reader could have known to be wrong: its keys have been asked for
    }
    Keys keys;
    add(tree_of_(blank).root, keys);
    return keys;
  }

  void add(const ConfigTable& table, Keys& keys) {
    for (const ConfigEntry* entry : in_order_read(table)) {
      const std::string path = detail::join_path(table.path, detail::quote_key(entry->key));
      order_.emplace(path, static_cast<int>(order_.size()));
      Found& found = keys[path];
      found.variants = {variant_of(*entry)};
      if (detail::is_table(entry->value)) {
        add(detail::table_of(entry->value), keys);
      } else if (detail::is_array_of_tables(entry->value)) {
        const auto& elements = std::get<detail::ConfigValue::List>(entry->value.data);
        const ConfigTable& element = detail::table_of(elements.front());
        found.same_as = same_as(element);
        if (found.same_as.empty()) add(element, keys);
      }
    }
  }

  // The array whose elements have the same keys as those of this one, as layers in layers: they have the same choice.
  std::string same_as(const ConfigTable& element) {
    for (const ConfigEntry* entry : in_order_read(element)) {
      if (entry->accepts->kind != KeyKind::Choice) continue;
      std::string signature = entry->key;
      for (const std::string& choice : entry->accepts->choices) signature += " " + choice;
      const std::string& first = arrays_.emplace(signature, element.path).first->second;
      return first == element.path ? "" : first;
    }
    return "";
  }

  // Puts the condition on `choice` to what differs between its values.
  static void merge(const std::string& choice, const std::vector<std::string>& values,
                    const std::map<std::string, Keys>& by_value, Keys& result) {
    std::set<std::string> paths;
    for (const auto& [value, keys] : by_value) {
      for (const auto& [path, found] : keys) paths.insert(path);
    }
    for (const std::string& path : paths) {
      std::vector<KeyVariant> merged;
      std::size_t holders = 0;
      for (const std::string& value : values) {
        const Keys& keys = by_value.at(value);
        const auto found = keys.find(path);
        if (found == keys.end()) continue;
        ++holders;
        result[path].same_as = found->second.same_as;
        for (const KeyVariant& variant : found->second.variants) add_variant(choice, value, variant, merged);
      }
      const bool alike =
          holders == values.size() && std::all_of(merged.begin(), merged.end(), [&](const auto& variant) {
            return variant.when.front().values.size() == values.size();
          });
      if (alike) {
        for (KeyVariant& variant : merged) variant.when.erase(variant.when.begin());
      }
      std::vector<KeyVariant>& variants = result[path].variants;
      // What another choice has told apart already stays as it is.
      if (!alike || variants.empty()) {
        if (variants.size() <= 1) variants = std::move(merged);
      } else if (variants.size() == 1 && variants.front().when.empty()) {
        variants = std::move(merged);
      }
    }
  }

  static void add_variant(const std::string& choice, const std::string& value, const KeyVariant& variant,
                          std::vector<KeyVariant>& merged) {
    for (KeyVariant& other : merged) {
      KeyVariant rest = other;
      rest.when.erase(rest.when.begin());
      if (rest == variant) {
        other.when.front().values.push_back(value);
        return;
      }
    }
    merged.push_back(variant);
    merged.back().when.insert(merged.back().when.begin(), {choice, {value}});
  }

  const std::function<void(const Config&)>& read_;
  std::function<const ConfigTree&(const Config&)> tree_of_;
  std::map<std::string, int> order_;           // of paths, as they are read first
  std::map<std::string, std::string> arrays_;  // by their signature
};

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::string KeyVariant::accepts() const {
  return detail::accepted({.kind = kind, .integers = integers, .numbers = numbers, .choices = choices}) +
         (array_too ? ", or an array of such" : "");
}

std::map<std::string, std::string> KeyVariant::forced() const {
  std::map<std::string, std::string> result;
  for (const KeyCondition& condition : when) result[condition.key] = condition.values.front();
  return result;
}

std::string SchemaKey::table() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string::npos ? "" : path.substr(0, dot);
}

std::string SchemaKey::name() const { return path.substr(path.rfind('.') + 1); }

bool SchemaKey::is_table() const { return variants.front().kind >= KeyKind::Table; }

std::string SchemaKey::inside() const {
  return variants.front().kind == KeyKind::TableArray ? (same_as.empty() ? path + "[]" : same_as) : path;
}

Schema Schema::of(const std::function<void(const Config&)>& read) {
  Enumerator enumerator(read, [](const Config& config) -> const ConfigTree& { return *config.tree_; });
  Keys keys = enumerator.collect({}, {});
  std::vector<std::pair<std::vector<std::pair<bool, int>>, SchemaKey>> sorted;
  for (auto& [path, found] : keys) {
    sorted.emplace_back(enumerator.place(path, keys), SchemaKey{path, found.variants, found.same_as});
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Schema schema;
  for (auto& [place, key] : sorted) schema.keys_.push_back(std::move(key));
  return schema;
}

std::vector<const SchemaKey*> Schema::keys_of(const std::string& table) const {
  std::vector<const SchemaKey*> found;
  for (const SchemaKey& key : keys_) {
    if (key.table() == table) found.push_back(&key);
  }
  return found;
}

const SchemaKey* Schema::find(const std::string& path) const {
  std::string table;
  const SchemaKey* found = nullptr;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    std::string part = path.substr(start, dot - start);
    start = dot + 1;
    if (part.ends_with("[]")) part.resize(part.size() - 2);
    if (is_number(part) && table.ends_with("[]")) continue;
    const auto is = [&](const std::string& name) {
      const std::string wanted = detail::join_path(table, name);
      const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const auto& one) { return one.path == wanted; });
      return key == keys_.end() ? nullptr : &*key;
    };
    found = is(part);
    if (found == nullptr) found = is("NAME");
    if (found == nullptr) return nullptr;
    table = found->inside();
  }
  return found;
}

}  // namespace backflow::io

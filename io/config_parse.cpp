#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

// Some malformed texts break toml++'s own assertions (3.3 and 3.4 do on "[[["). They must not end the process, nor be
// passed over in a release build: they are exceptions.
static constexpr void toml_assert(bool holds) {
  if (!holds) throw std::logic_error("malformed text");
}
#undef NDEBUG
#define TOML_ASSERT(condition) toml_assert(static_cast<bool>(condition))
#include <toml++/toml.h>

#include <backflow/io/config.h>
#include <backflow/io/config_internal.h>

namespace backflow::io::detail {
namespace {

// Deeper keys would overflow the stack when toml++ destroys its tables, one call for each level.
constexpr int kMaxKeyDepth = 100;

std::string location(const std::string& origin, const toml::source_position& at) {
  return concat(origin, ":", at.line, ":", at.column);
}

// Where a string that opens at `at` ends: behind its closing quotes, or at the end of the text.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool multi_line = text.substr(at, 3) == three;
  at += multi_line ? 3 : 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at += 2;
    } else if (multi_line ? text.substr(at, 3) == three : text[at] == quote || text[at] == '\n') {
      at += multi_line ? 3 : 1;
      // Up to two quotes may stand before those that close.
      for (int more = 0; multi_line && more < 2 && at < text.size() && text[at] == quote; ++more) ++at;
      return at;
    } else {
      ++at;
    }
  }
  return text.size();
}

// Why a text is not TOML.
struct ParseProblem {
  std::string what;
  toml::source_position at;
};

[[noreturn]] void fail_at(std::string_view text, std::size_t at, std::string what) {
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  const auto column = at - (at == 0 ? 0 : text.rfind('\n', at - 1) + 1) + 1;
  throw ParseProblem{std::move(what), {static_cast<toml::source_index>(line), static_cast<toml::source_index>(column)}};
}

// Finds what toml++ must not see: see kMaxKeyDepth; and letters beyond ASCII outside of strings and comments, which
// TOML does not allow and on which toml++ 3.3 has undefined behaviour.
void check_before_parsing(std::string_view text) {
  int dots = 0;
  for (std::size_t at = text.starts_with("\xef\xbb\xbf") ? 3 : 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = end_of_string(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (static_cast<unsigned char>(c) >= 0x80) {
      fail_at(text, at, "a character that needs quotes: need ASCII outside of strings and comments");
    }
    dots = c == '.' ? dots + 1 : std::string_view("=,\n[]{}").find(c) == std::string_view::npos ? dots : 0;
    if (dots >= kMaxKeyDepth) {
      fail_at(text, at, concat("a key of more than ", kMaxKeyDepth, " parts: need a key of fewer"));
    }
    ++at;
  }
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  return text;
}

// Turns toml++'s nodes into ours.
class Converter {
 public:
  explicit Converter(const std::string& origin) : origin_(origin) {}

  void table(const toml::table& from, ConfigTable& to) const {
    for (const auto& [key, node] : from) {
      auto entry = std::make_unique<ConfigEntry>();
      entry->key = key.str();
      entry->line = key.source().begin.line;
      entry->column = key.source().begin.column;
      entry->key_where = location(origin_, key.source().begin);
      entry->given = true;
      entry->has_value = true;
      entry->value = value(node, join_path(to.path, quote_key(entry->key)), entry->key_where);
      to.entries.push_back(std::move(entry));
    }
    // toml++ sorts by key; people, and messages, go by place.
    std::stable_sort(to.entries.begin(), to.entries.end(), [](const auto& a, const auto& b) {
      return std::pair(a->line, a->column) < std::pair(b->line, b->column);
    });
  }

  ConfigValue value(const toml::node& node, const std::string& path, const std::string& key_where) const {
    ConfigValue result;
    // Tables that no header opens, as `a` of [a.b], may have no place of their own.
    result.where = node.source().begin ? location(origin_, node.source().begin) : key_where;
    node.visit([&](const auto& typed) {
      using Node = std::remove_cvref_t<decltype(typed)>;
      if constexpr (std::is_same_v<Node, toml::table>) {
        auto made = std::make_shared<ConfigTable>();
        made->path = path;
        made->where = result.where;
        table(typed, *made);
        result.data = std::move(made);
      } else if constexpr (std::is_same_v<Node, toml::array>) {
        ConfigValue::List list;
        for (const toml::node& element : typed) {
          list.push_back(value(element, join_path(path, std::to_string(list.size())), result.where));
        }
        result.data = std::move(list);
      } else if constexpr (toml::is_string<Node> || toml::is_integer<Node> || toml::is_floating_point<Node> ||
                           toml::is_boolean<Node>) {
        result.data = *typed;
      } else {
        result.data = ConfigForeign{toml::is_time<Node> ? "a time" : "a date"};
      }
    });
    return result;
  }

 private:
  const std::string& origin_;
};

bool breaks_assertion(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const toml::parse_error&) {
    return false;
  } catch (const std::logic_error&) {
    return true;
  }
  return false;
}

// The line at which the parser, which goes from top to bottom, breaks an assertion: as many lines as it takes.
toml::source_position place_of_assertion(std::string_view text) {
  std::vector<std::size_t> ends;  // of the lines
  for (std::size_t at = 0; at < text.size(); at = ends.back())
    ends.push_back(std::min(text.find('\n', at), text.size() - 1) + 1);
  const auto bad = std::partition_point(ends.begin(), ends.end(),
                                        [&](std::size_t end) { return !breaks_assertion(text.substr(0, end)); });
  return {static_cast<toml::source_index>(bad - ends.begin() + 1), 1};
}

toml::table parse_toml(std::string_view text) {
  check_before_parsing(text);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw ParseProblem{one_line(std::string(error.description())), error.source().begin};
  } catch (const std::logic_error& error) {
    throw ParseProblem{error.what(), place_of_assertion(text)};
  }
}

// The value of an override. Anything that is no TOML value is a string, unless it starts like an array, a table or a
// quoted string and fails to end like one.
ConfigValue override_value(const std::string& text, const std::string& origin, const std::string& path) {
  std::string problem = "more than one value";
  try {
    const toml::table parsed = parse_toml("x = " + text);
    if (parsed.size() == 1) return Converter(origin).value(*parsed.get("x"), path, origin);
  } catch (const ParseProblem& found) {
    problem = found.what;
  }
  if (std::string_view("[{\"'").find(text.front()) != std::string_view::npos) {
    throw ConfigError(origin + ": not a TOML value: " + problem);
  }
  ConfigValue value;
  value.data = text;
  return value;
}

void set_where(ConfigValue& value, const std::string& where) {
  value.where = where;
  if (auto* list = std::get_if<ConfigValue::List>(&value.data)) {
    for (ConfigValue& element : *list) set_where(element, where);
  } else if (auto* table = std::get_if<std::shared_ptr<ConfigTable>>(&value.data)) {
    (*table)->where = where;
    for (const auto& entry : (*table)->entries) {
      entry->key_where = where;
      set_where(entry->value, where);
    }
  }
}

std::vector<std::string> split_path(const std::string& path, const std::string& where) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  const bool malformed = std::any_of(parts.begin(), parts.end(), [](const std::string& part) {
    return part.empty() || part.find_first_of(" \t\n\"'[]=#") != std::string::npos;
  });
  if (malformed || parts.size() > kMaxKeyDepth) {
    throw ConfigError(where + ": not a key: need names joined by dots, as in train.batch_size=64");
  }
  return parts;
}

// The table named `part` below `table`, made if there is none.
ConfigTable& descend(ConfigTable& table, const std::string& part, const std::string& where) {
  ConfigEntry& entry = table.at(part);
  if (!entry.given) {
    auto made = std::make_shared<ConfigTable>();
    made->path = join_path(table.path, quote_key(part));
    made->where = where;
    entry.given = entry.has_value = true;
    entry.key_where = entry.value.where = where;
    entry.value.data = std::move(made);
  }
  if (!is_table(entry.value)) {
    throw ConfigError(concat(where, ": '", part, "' in ", section_name(table), " is not a table (", entry.value.where,
                             "): need a table to set a key of it"));
  }
  return *std::get<std::shared_ptr<ConfigTable>>(entry.value.data);
}

// The element `part` of the array of tables `list`.
ConfigTable& element(ConfigValue::List& list, const std::string& part, const std::string& where) {
  const bool digits =
      part.size() < 9 && std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!digits || std::stoul(part) >= list.size()) {
    throw ConfigError(concat(where, ": no element '", part, "': need a number from 0 to ", list.size() - 1));
  }
  return *std::get<std::shared_ptr<ConfigTable>>(list[std::stoul(part)].data);
}

}  // namespace

std::shared_ptr<ConfigTree> parse_config(std::string_view text, const std::string& origin) {
  auto tree = std::make_shared<ConfigTree>();
  tree->origin = origin;
  try {
    Converter(origin).table(parse_toml(text), tree->root);
  } catch (const ParseProblem& problem) {
    throw ConfigError(location(origin, problem.at) + ": not TOML: " + problem.what);
  }
  return tree;
}

std::string toml_version() { return concat(TOML_LIB_MAJOR, ".", TOML_LIB_MINOR, ".", TOML_LIB_PATCH); }

void apply_override(ConfigTree& tree, const std::string& text) {
  const std::string where = "--set " + one_line(text);
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals + 1 == text.size()) {
    throw ConfigError(where + ": no value: need KEY=VALUE, as in train.batch_size=64");
  }
  const std::vector<std::string> parts = split_path(text.substr(0, equals), where);
  ConfigTable* table = &tree.root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    ConfigEntry* entry = table->find(parts[i]);
    if (entry != nullptr && is_array_of_tables(entry->value) && i + 2 < parts.size()) {
      table = &element(std::get<ConfigValue::List>(entry->value.data), parts[++i], where);
    } else {
      table = &descend(*table, parts[i], where);
    }
  }
  ConfigEntry& entry = table->at(parts.back());
  entry.value = override_value(text.substr(equals + 1), where, join_path(table->path, quote_key(parts.back())));
  set_where(entry.value, where);
  entry.key_where = where;
  entry.given = entry.has_value = true;
}

}  // namespace backflow::io::detail

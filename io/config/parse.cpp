#include <algorithm>
#include <cctype>
#include <optional>
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

#include <backflow/io/config/tree_internal.h>

namespace backflow::io::detail {
namespace {

// Deeper keys would overflow the stack when toml++ destroys its tables, one call for each level.
constexpr int kMaxKeyDepth = 100;

std::string location(const std::string& origin, const toml::source_position& at) {
  return to_text(origin, ":", at.line, ":", at.column);
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
      fail_at(text, at, to_text("a key of more than ", kMaxKeyDepth, " parts: need a key of fewer"));
    }
    ++at;
  }
}

// Turns toml++'s nodes into ours.
class Converter {
 public:
  Converter(const std::string& origin, std::uint32_t file) : origin_(origin), file_(file) {}

  void table(const toml::table& from, ConfigTable& to) const {
    for (const auto& [key, node] : from) {
      auto entry = std::make_unique<ConfigEntry>();
      entry->key = key.str();
      entry->place = place(key.source().begin);
      entry->given = true;
      entry->has_value = true;
      entry->value = value(node, join_path(to.path, quote_key(entry->key)), entry->place);
      to.entries.push_back(std::move(entry));
    }
    // toml++ sorts by key; people, and messages, go by place.
    std::stable_sort(to.entries.begin(), to.entries.end(),
                     [](const auto& a, const auto& b) { return a->place.order() < b->place.order(); });
  }

  ConfigValue value(const toml::node& node, const std::string& path, const Place& of_key) const {
    ConfigValue result;
    // Tables that no header opens, as `a` of [a.b], may have no place of their own.
    result.place = node.source().begin ? place(node.source().begin) : of_key;
    node.visit([&](const auto& typed) {
      using Node = std::remove_cvref_t<decltype(typed)>;
      if constexpr (std::is_same_v<Node, toml::table>) {
        auto made = std::make_shared<ConfigTable>();
        made->path = path;
        made->place = result.place;
        table(typed, *made);
        result.data = std::move(made);
      } else if constexpr (std::is_same_v<Node, toml::array>) {
        ConfigValue::List list;
        for (const toml::node& element : typed) {
          list.push_back(value(element, join_path(path, std::to_string(list.size())), result.place));
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
  Place place(const toml::source_position& at) const { return {location(origin_, at), file_, at.line, at.column}; }

  const std::string& origin_;
  std::uint32_t file_;
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

}  // namespace

void parse_text(std::string_view text, const std::string& origin, std::uint32_t number, ConfigTable& to) {
  try {
    Converter(origin, number).table(parse_toml(text), to);
  } catch (const ParseProblem& problem) {
    throw ConfigError(location(origin, problem.at) + ": not TOML: " + problem.what);
  }
}

std::string toml_version() { return to_text(TOML_LIB_MAJOR, ".", TOML_LIB_MINOR, ".", TOML_LIB_PATCH); }

std::optional<ConfigValue> parse_value(const std::string& text, const std::string& path, std::string& problem) {
  try {
    const toml::table parsed = parse_toml("x = " + text);
    if (parsed.size() == 1) return Converter("", kOverrides).value(*parsed.get("x"), path, {});
    problem = "more than one value";
  } catch (const ParseProblem& found) {
    problem = found.what;
  }
  return {};
}

}  // namespace backflow::io::detail

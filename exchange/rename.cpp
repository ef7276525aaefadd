#include <backflow/exchange/rename.h>

#include <map>

namespace backflow::io {
namespace {

/// The part up to the next delimiter. A backslash before a delimiter is taken away.
std::string next_part(const std::string& text, std::size_t& at, char delimiter) {
  std::string part;
  for (; at < text.size() && text[at] != delimiter; ++at) {
    const bool escapes = text[at] == '\\' && at + 1 < text.size();
    if (escapes && text[at + 1] != delimiter) part += text[at];
    if (escapes) ++at;
    part += text[at];
  }
  check(at < text.size(), "--rename '", text, "': need 's/PATTERN/REPLACEMENT/' with all three '", delimiter, "'");
  ++at;
  return part;
}

}  // namespace

RenameRule::RenameRule(const std::string& text) {
  check(text.size() > 3 && text[0] == 's' && text[1] != '\\', "--rename '", text, "': need 's/PATTERN/REPLACEMENT/'");
  std::size_t at = 2;
  const std::string pattern = next_part(text, at, text[1]);
  replacement_ = next_part(text, at, text[1]);
  const std::string flags = text.substr(at);
  check(flags.empty() || flags == "g", "--rename '", text, "': '", flags, "' at its end: need nothing or 'g'");
  check(!pattern.empty(), "--rename '", text, "': an empty pattern: need what is to be replaced");
  replaces_all_ = flags == "g";
  try {
    pattern_ = std::regex(pattern, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    fail("--rename '", text, "': '", pattern, "' is no regular expression (", error.what(), ")");
  }
}

std::string RenameRule::apply(const std::string& name) const {
  const auto flags = replaces_all_ ? std::regex_constants::format_default : std::regex_constants::format_first_only;
  return std::regex_replace(name, pattern_, replacement_, flags);
}

std::size_t rename_tensors(NamedTensors& tensors, const std::vector<RenameRule>& rules) {
  constexpr std::size_t kLongest = 4096;  // std::regex needs stack for every character
  std::size_t changed = 0;
  std::map<std::string, std::string> sources;
  for (auto& [name, x] : tensors) {
    std::string renamed = name;
    for (const RenameRule& rule : rules) {
      check(renamed.size() <= kLongest, "--rename: a name of ", renamed.size(), " bytes: need at most ", kLongest);
      renamed = rule.apply(renamed);
    }
    check(!renamed.empty(), "--rename: nothing is left of the name '", name, "': need a name");
    const auto [found, is_new] = sources.emplace(renamed, name);
    check(is_new, "--rename: '", found->second, "' and '", name, "' both become '", renamed, "': need different names");
    if (renamed != name) ++changed;
    name = renamed;
  }
  return changed;
}

}  // namespace backflow::io

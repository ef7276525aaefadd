#pragma once

#include <regex>
#include <string>
#include <vector>

#include <backflow/exchange/tensor_format.h>

namespace backflow::io {

/// A rule that changes names, as sed's: "s/^model\\.//" removes a prefix. The pattern is an ECMAScript regular
/// expression; in the replacement $1 is the first group and $& the whole match. The first match alone is replaced, or
/// with "g" at the end all. Any character may stand for '/', as in "s|a/b|c|".
class RenameRule {
 public:
  /// Throws Error for text that is no such rule.
  explicit RenameRule(const std::string& text);
  std::string apply(const std::string& name) const;

 private:
  std::regex pattern_;
  std::string replacement_;
  bool replaces_all_ = false;
};

/// Applies the rules, in their order, to all names; returns how many have changed. Throws Error for a name that is
/// empty afterwards or longer than 4096 bytes, and when two names become one.
std::size_t rename_tensors(NamedTensors& tensors, const std::vector<RenameRule>& rules);

}  // namespace backflow::io

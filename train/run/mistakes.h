#pragma once

#include <functional>
#include <string>
#include <vector>

namespace backflow::train {

/// What is wrong with an experiment, found in several looks at it, to be said at once.
class Mistakes {
 public:
  /// Calls `look`, and notes an Error that it throws. Returns whether it threw none.
  bool attempt(const std::function<void()>& look);

  bool empty() const { return messages_.empty(); }
  /// Throws all, each once, if there are any: as io::ConfigError when one of them is that, else as Error.
  void check() const;

 private:
  std::vector<std::string> messages_;
  bool of_config_ = false;
};

}  // namespace backflow::train

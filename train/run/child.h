#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace backflow::train {

struct ChildOptions {
  std::string output = {};      ///< a file to which standard output and error are appended; empty: nowhere
  std::vector<int> cores = {};  ///< the only ones that the process may use; empty: as this one
};

/// A process that this one has started. It reads nothing, has a process group of its own, so that Ctrl-C in a terminal
/// does not reach it, and no blocked signals. It gets SIGTERM when the thread that made it ends. Not thread-safe.
class Child {
 public:
  /// Starts `arguments`, the program first, which is looked for in PATH unless it has a slash. Throws Error.
  explicit Child(const std::vector<std::string>& arguments, const ChildOptions& options = {});
  /// Kills a process that still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// The exit code once it has ended, 128 + N if signal N has ended it; does not wait.
  std::optional<int> poll();
  /// Waits for its end, `seconds` at most; nothing when it still runs then.
  std::optional<int> wait(double seconds);
  /// Sends a signal, unless it has ended.
  void send(int signal) const;

 private:
  pid_t process_ = -1;
  std::optional<int> code_;
};

/// The path of a program that PATH has, or of a file with a slash in its name; empty when there is none.
std::string find_program(const std::string& name);

}  // namespace backflow::train

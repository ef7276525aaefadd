#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/runtime/base/function_ref.h>

namespace backflow::io::detail {

/// What a child process may use.
struct GuardLimits {
  long processor_seconds;
  std::chrono::seconds real_time;
  std::uint64_t more_bytes;  // of address space than it has at its start

  explicit GuardLimits(std::uint64_t file_bytes);
};

/// What the child says at its end, a letter and a text; nothing when it does not come to it.
enum class GuardWord : char { Done = 'D', Failed = 'F', NoMemory = 'M' };

/// In the child: takes the limits, calls `body`, writes how it went to the pipe `report`, and ends the process. An
/// error whose text does not start with `path` is one of memory.
[[noreturn]] void run_guard_child(int report, const std::string& path, const GuardLimits& limits, pid_t parent,
                                  FunctionRef<void()> body);

/// In the parent: a child and the pipe that it reports to.
class GuardChild {
 public:
  /// Starts a copy of this process that calls `body(report)`, which must end it. Throws Error.
  static GuardChild forked(const std::string& path, FunctionRef<void(int report)> body);
  /// Starts this program anew with these arguments, which reports to its standard output. Throws Error.
  static GuardChild started(const std::string& path, const std::vector<std::string>& arguments);
  ~GuardChild();
  GuardChild(GuardChild&& other) noexcept;
  GuardChild& operator=(GuardChild&&) = delete;

  enum class End : char { Itself, TooLong, Stopped };
  /// Waits until the child has ended, or ends it: after `limit`, or when `stop_requested` says so.
  End wait(std::chrono::seconds limit, const std::function<bool()>& stop_requested);
  /// What it has said, at most 64 KiB.
  const std::string& said() const { return said_; }
  /// The signal that ended it; 0 for none.
  int signal() const { return signal_; }

 private:
  GuardChild(pid_t process, int report) : process_(process), report_(report) {}
  void collect();

  pid_t process_;
  int report_;
  int signal_ = 0;
  std::string said_;
};

}  // namespace backflow::io::detail

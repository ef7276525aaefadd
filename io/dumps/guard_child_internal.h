#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

/// What a message of the child is: bytes that it sends, or how it ended, with a text.
enum class GuardWord : char { Bytes = 'B', Done = 'D', Failed = 'F', NoMemory = 'M' };

/// In the child: what it sends to the parent through a pipe.
class GuardReport {
 public:
  explicit GuardReport(int pipe) : pipe_(pipe) {}

  /// Sends bytes, which the parent takes by GuardedRead::receive().
  void send(std::span<const std::byte> bytes);
  /// The last message. The text is cut to some 64 KiB.
  void end(GuardWord word, std::string_view text = {});

 private:
  void write(const void* data, std::size_t bytes) const;

  int pipe_;
};

/// In the child: takes the limits, calls `body`, reports how it went, and ends the process. An error whose text does
/// not start with `path` is one of memory.
[[noreturn]] void run_guard_child(int pipe, const std::string& path, const GuardLimits& limits, pid_t parent,
                                  FunctionRef<void(GuardReport&)> body);

/// In the parent: a child and the pipe that it reports to.
class GuardChild {
 public:
  /// How long the parent waits: `real_time` from now on, and a few seconds once `stop_requested` says true.
  struct Patience {
    explicit Patience(std::chrono::seconds real_time, std::function<bool()> stop = {});

    std::chrono::steady_clock::time_point last;
    std::function<bool()> stop_requested;
  };

  /// Starts a copy of this process that calls `body(pipe)`, which must end it. Throws Error.
  static GuardChild forked(const std::string& path, FunctionRef<void(int pipe)> body);
  /// Starts this program anew with these arguments, which reports to its standard output. Throws Error.
  static GuardChild started(const std::string& path, const std::vector<std::string>& arguments);
  ~GuardChild();
  GuardChild(GuardChild&& other) noexcept;
  GuardChild& operator=(GuardChild&&) = delete;

  enum class End : char { None, Itself, TooLong, Stopped };
  /// Takes what it has sent, up to `to.size()` bytes, and waits for some. 0 when it has ended, or is to be ended:
  /// end() says which.
  std::size_t receive(std::span<std::byte> to, const Patience& patience);
  End end() const { return end_; }
  /// The signal that ended it by itself; 0 for none.
  int signal() const { return signal_; }

 private:
  GuardChild(pid_t process, int pipe) : process_(process), pipe_(pipe) {}
  void collect();

  pid_t process_;
  int pipe_;
  int signal_ = 0;
  End end_ = End::None;
  std::optional<std::chrono::steady_clock::time_point> stopped_;  // when a stop was requested first
};

}  // namespace backflow::io::detail

#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace backflow::train {

/// How a write has ended.
struct WriteEnd {
  double seconds = 0;
  std::string error;  ///< what() of its exception; empty when all is written
};

/// Calls `write`, and tells how it ended.
WriteEnd run_write(const std::function<void()>& write);

/// Writes in the background, one thing at a time, while the threads of the pool compute. The write runs on a thread of
/// its own at lower priority: it uses cores that are idle, and takes about a tenth of one that is not. Loops inside it
/// run on this thread alone, not on the pool. Signals that the caller blocks are blocked there too.
///
/// For one caller; only is_busy() may be called from other threads.
class BackgroundWriter {
 public:
  BackgroundWriter() = default;
  /// Waits for the end of the write.
  ~BackgroundWriter() { wait(); }
  BackgroundWriter(const BackgroundWriter&) = delete;
  BackgroundWriter& operator=(const BackgroundWriter&) = delete;

  /// Begins to call `write`, which may throw. At most one write is in flight: if there is one, waits for its end first.
  /// What `write` uses must live and stay as it is until then. Throws Error when no thread can be started; `write` is
  /// not called then.
  void start(std::function<void()> write);
  /// Waits until nothing is being written.
  void wait();
  bool is_busy() const { return busy_.load(std::memory_order_acquire); }
  /// How the last write ended: once, after it has. Nothing before that.
  std::optional<WriteEnd> take_end();

 private:
  std::thread thread_;
  std::atomic<bool> busy_{false};
  std::optional<WriteEnd> end_;  ///< written by the thread before it stops being busy
};

}  // namespace backflow::train

#include <backflow/train/run/background_writer.h>

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow::train {
namespace {

/// By so much nicer than the caller: a busy core gives such a thread a tenth of its time. With 19 that is a seventieth:
/// on a machine whose cores are all busy, a second of checksums would take a minute.
constexpr int kNicer = 10;

/// On Linux a priority belongs to a thread, and those that it starts inherit it.
void lower_priority() {
  // The kernel takes 19 for more. Where it is not possible at all, the write is as important as computing.
  const auto self = static_cast<id_t>(::gettid());
  static_cast<void>(::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + kNicer));
}

}  // namespace

WriteEnd run_write(const std::function<void()>& write) {
  const auto start = std::chrono::steady_clock::now();
  WriteEnd end;
  try {
    write();
  } catch (const std::exception& error) {
    end.error = *error.what() == '\0' ? "unknown error" : error.what();
  }
  end.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return end;
}

void BackgroundWriter::start(std::function<void()> write) {
  wait();
  end_.reset();
  busy_ = true;
  try {
    thread_ = std::thread([this, write = std::move(write)] {
      lower_priority();
      end_ = run_write([&] { run_on_fresh_stack([&] { write(); }); });
      busy_.store(false, std::memory_order_release);
    });
  } catch (const std::system_error& error) {
    busy_ = false;
    fail("background writer: cannot start a thread: ", error.what(), ": need one; checkpoint.async = false needs none");
  }
}

void BackgroundWriter::wait() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

std::optional<WriteEnd> BackgroundWriter::take_end() {
  return is_busy() ? std::nullopt : std::exchange(end_, std::nullopt);
}

}  // namespace backflow::train

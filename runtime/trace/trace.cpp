#include <backflow/runtime/trace/trace.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <set>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/trace/trace_internal.h>

namespace backflow::trace {
namespace {

constexpr std::size_t kChunk = 256;  // events that a buffer grows by
constexpr std::size_t kMaxChunks = std::size_t{1} << 14;

std::atomic<std::uint32_t> session{0};  // counts the calls of start()
std::atomic<std::size_t> limit{0};
std::atomic<Observer*> current_observer{nullptr};

/// Events of one thread, which appends, while another may read those that are complete: `size` is published after them.
class Buffer {
 public:
  void append(const Event& event) {
    const std::uint32_t now_on = session.load(std::memory_order_acquire);
    if (session_.load(std::memory_order_relaxed) != now_on) {
      size_.store(0, std::memory_order_relaxed);
      dropped_.store(0, std::memory_order_relaxed);
      session_.store(now_on, std::memory_order_release);
    }
    const std::size_t n = size_.load(std::memory_order_relaxed);
    if (n >= limit.load(std::memory_order_relaxed)) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    std::unique_ptr<Event[]>& chunk = chunks_[n / kChunk];
    if (!chunk) {
      chunk = std::make_unique<Event[]>(kChunk);
    }
    chunk[n % kChunk] = event;
    size_.store(n + 1, std::memory_order_release);
  }

  void read(ThreadEvents& out, std::int64_t since) const {
    if (session_.load(std::memory_order_acquire) != session.load(std::memory_order_relaxed)) {
      return;
    }
    const std::size_t n = size_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < n; ++i) {
      const Event& event = chunks_[i / kChunk][i % kChunk];
      if (event.start >= since) {
        out.events.push_back(event);
      }
    }
    out.dropped = dropped_.load(std::memory_order_relaxed);
  }

  // Guarded by the registry's mutex.
  std::string name;
  int worker = 0;  // its number among those without a name
  bool in_use = true;

 private:
  std::atomic<std::uint32_t> session_{0};
  std::atomic<std::size_t> size_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::vector<std::unique_ptr<Event[]>> chunks_{kMaxChunks};
};

struct Registry {
  std::mutex mutex;
  std::deque<Buffer> buffers;  // by row
  std::set<std::string, std::less<>> texts;
  int workers = 0;

  /// A buffer that an ended thread of this name has left, or a new one.
  Buffer& take(std::string_view name) {
    const std::lock_guard lock(mutex);
    for (Buffer& buffer : buffers) {
      if (!buffer.in_use && buffer.name == name) {
        buffer.in_use = true;
        return buffer;
      }
    }
    Buffer& buffer = buffers.emplace_back();
    buffer.name = name;
    buffer.worker = name.empty() ? ++workers : 0;
    return buffer;
  }

  void give_back(Buffer& buffer) {
    const std::lock_guard lock(mutex);
    buffer.in_use = false;
  }
};

Registry& registry() {
  static auto* registry = new Registry;  // never destroyed: threads of oneTBB may outlive static objects
  return *registry;
}

struct ThisThread {
  Buffer* buffer = nullptr;
  int depth = 0;
  ~ThisThread() {
    if (buffer != nullptr) {
      registry().give_back(*buffer);
    }
  }
};

ThisThread& this_thread() {
  static thread_local ThisThread state;
  return state;
}

}  // namespace

void Shapes::add(const Tensor& x) {
  ++count_;
  const std::size_t dims = x.defined() ? x.sizes().size() : 0;
  bytes_ += x.defined() ? static_cast<double>(x.nbytes()) : 0;
  if (size_ + 1U != count_ || size_ == kMaxTensors || used_ + dims > kMaxSizes) {
    return;
  }
  entries_[size_++] = {used_, static_cast<std::uint8_t>(dims),
                       x.defined() ? static_cast<std::uint8_t>(x.scalar_type()) : kUndefined};
  for (std::size_t d = 0; d < dims; ++d) {
    sizes_[used_++] = x.sizes()[d];
  }
}

IntArrayRef Shapes::sizes(std::size_t i) const { return {sizes_.data() + entries_[i].first, entries_[i].dims}; }

std::string Shapes::text() const {
  std::string text;
  for (std::size_t i = 0; i < size_; ++i) {
    text += i == 0 ? "" : ", ";
    text += entries_[i].dtype == kUndefined ? "-"
                                            : to_text(short_name(static_cast<ScalarType>(entries_[i].dtype)), sizes(i));
  }
  return size_ == count_ ? text : text + (size_ == 0 ? "..." : ", ...");
}

void append(const Event& event) {
  ThisThread& thread = this_thread();
  if (thread.buffer == nullptr) {
    thread.buffer = &registry().take("");
  }
  thread.buffer->append(event);
}

Observer* observer() { return current_observer.load(std::memory_order_acquire); }

int& depth() { return this_thread().depth; }

void start(const Options& options) {
  check(!is_on(), "trace: tracing is on already: need stop() first");
  if (this_thread().buffer == nullptr) {
    name_thread("main");
  }
  limit = std::min(options.max_events, kChunk * kMaxChunks);
  current_observer = options.observer;
  session.fetch_add(1, std::memory_order_release);
  detail::on = true;
}

void stop() {
  detail::on = false;
  current_observer = nullptr;
}

std::vector<ThreadEvents> collect(std::int64_t since) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::vector<ThreadEvents> threads;
  for (int row = 0; const Buffer& buffer : all.buffers) {
    ThreadEvents thread;
    thread.name = buffer.name.empty() ? to_text("worker ", buffer.worker) : buffer.name;
    thread.row = row++;
    buffer.read(thread, since);
    if (!thread.events.empty() || thread.dropped > 0 || (buffer.in_use && !buffer.name.empty())) {
      threads.push_back(std::move(thread));
    }
  }
  return threads;
}

void name_thread(std::string_view name) {
  ThisThread& thread = this_thread();
  if (thread.buffer != nullptr) {
    registry().give_back(*thread.buffer);
  }
  thread.buffer = &registry().take(name);
}

std::string_view intern(std::string_view text) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto it = all.texts.find(text);
  return it != all.texts.end() ? *it : *all.texts.emplace(text).first;
}

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Span::end() const {
  Event event;
  event.name = name_;
  event.kind = kind_;
  event.start = start_;
  event.end = now();
  event.live_bytes = live_bytes();
  event.bytes = static_cast<double>(bytes_);
  append(event);
}

}  // namespace backflow::trace

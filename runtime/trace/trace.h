#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

/// Records what each thread does and when: operators, nodes of backward passes, spans that the program names. Off until
/// start(); each operation then costs one relaxed load. On, it costs two readings of the clock and a copy into a buffer
/// of the thread's own, without a lock.
namespace backflow::trace {

/// Shapes and dtypes of some tensors, held inline. Tensors that do not fit are only counted.
class Shapes {
 public:
  static constexpr std::size_t kMaxTensors = 8;
  static constexpr std::size_t kMaxSizes = 16;  ///< of all tensors together

  /// An undefined tensor takes a place too.
  void add(const Tensor& x);
  /// All tensors that were added.
  std::size_t count() const { return count_; }
  /// Those whose shapes are here: the first ones.
  std::size_t size() const { return size_; }
  /// Undefined tensors have no sizes; see text().
  IntArrayRef sizes(std::size_t i) const;
  /// Bytes of all tensors that were added, undefined ones having none.
  double bytes() const { return bytes_; }
  /// "f32[128, 784], -, f64[], ..."
  std::string text() const;

 private:
  static constexpr std::uint8_t kUndefined = 255;

  struct Entry {
    std::uint8_t first;
    std::uint8_t dims;
    std::uint8_t dtype;
  };

  double bytes_ = 0;
  std::uint32_t count_ = 0;
  std::uint8_t size_ = 0;
  std::uint8_t used_ = 0;  // of sizes_
  std::array<Entry, kMaxTensors> entries_;
  std::array<std::int64_t, kMaxSizes> sizes_;
};

enum class Kind : std::uint8_t {
  kSpan,      ///< part of the program, see Span
  kOperator,  ///< an operator called from outside of operators and backward nodes
  kNode,      ///< one node of a backward pass
  kTask,      ///< a task of a backward pass, see pass_task.h
  kPass,      ///< a backward pass, from its start to its end
};

inline constexpr std::uint32_t kNoNode = ~std::uint32_t{0};

/// What a thread did from `start` to `end`, in ns of std::chrono::steady_clock. The events of a thread nest.
struct Event {
  std::string_view name;  ///< lives as long as the process
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t live_bytes = 0;  ///< of tensors at `end`, exact to 64 KiB a thread
  double flop = 0;      ///< floating-point operations, estimated from shapes; of an operator made of others, theirs
  double bytes = 0;     ///< read and written: of `in` and `out` or, if larger, of an estimate; 0 for a view
  double work = 0;      ///< of a kPass: the times of its nodes and tasks together, ns
  double critical = 0;  ///< of a kPass: the longest path of them through it, ns
  std::uint32_t node = kNoNode;  ///< of a kNode: its position in the plan; of communication: a BucketNumber
  Kind kind = Kind::kSpan;
  bool nested = false;  ///< inside of another operator, node or pass
  Shapes in;            ///< operands of an operator; gradients that come to a node
  Shapes out;           ///< the result of an operator; gradients that a node hands on
};

/// Is called when an operator or a node ends, by the thread that ran it, one at a time. For drawing a graph.
class Observer {
 public:
  virtual ~Observer() = default;
  /// `operands`: as many as event.in has shapes; null for an undefined one.
  virtual void on_operator(const Event& event, std::span<const TensorImpl* const> operands, const Tensor& y) = 0;
  virtual void on_node(const Event& event) = 0;
};

struct Options {
  std::size_t max_events = std::size_t{1} << 16;  ///< of each thread; later ones are dropped, and counted
  Observer* observer = nullptr;                   ///< must live until stop()
};

/// Events of one thread, in the order in which they ended.
struct ThreadEvents {
  std::string name;  ///< "main", "worker 1", "communication"
  int row = 0;       ///< a number of its own
  std::vector<Event> events;
  std::uint64_t dropped = 0;
};

namespace detail {
inline constinit std::atomic<bool> on{false};
}  // namespace detail

inline bool is_on() { return detail::on.load(std::memory_order_relaxed); }

/// Forgets earlier events and records from now on. The calling thread is "main" unless it has another name. Throws
/// Error when tracing is on already. start, stop and collect must not be called by several threads at once.
void start(const Options& options = {});
/// Stops recording; operations that are under way are still recorded when they end. Events stay until the next start().
void stop();
/// The events that have ended so far and started at `since` or later, of all threads that have any or have a name.
std::vector<ThreadEvents> collect(std::int64_t since = 0);

/// Names the calling thread. Threads without a name are "worker 1", "worker 2", ... A new thread takes over name and
/// row of one that has ended.
void name_thread(std::string_view name);
/// The same text, for as long as the process lives.
std::string_view intern(std::string_view text);
/// std::chrono::steady_clock, in ns.
std::int64_t now();

/// Records the time from here to the end of the scope, under a name that lives as long as the process.
class Span {
 public:
  explicit Span(std::string_view name, std::size_t bytes = 0, Kind kind = Kind::kSpan) : is_on_(is_on()) {
    if (is_on_) [[unlikely]] {
      name_ = name;
      kind_ = kind;
      bytes_ = bytes;
      start_ = now();
    }
  }
  ~Span() {
    if (is_on_) [[unlikely]] {
      end();
    }
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  void end() const;

  bool is_on_;
  Kind kind_ = Kind::kSpan;
  std::string_view name_;
  std::size_t bytes_ = 0;
  std::int64_t start_ = 0;
};

}  // namespace backflow::trace

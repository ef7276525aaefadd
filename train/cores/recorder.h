#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <backflow/runtime/threads/observed_work.h>

namespace backflow::train {

/// What a WorkObserver is told.
enum class Mark : std::uint8_t { BeginLoop, BeginGraph, BeginTask, EndTask, End, EndStep };

/// What one step consists of.
struct Marks {
  /// With the tasks of a loop, the number of a graph, that of a task.
  std::vector<std::pair<Mark, std::uint32_t>> marks;
  std::vector<std::vector<std::vector<std::uint32_t>>> graphs;  ///< the successors of their tasks

  friend bool operator==(const Marks&, const Marks&) = default;
};

/// Notes what it is told, and when: a mark each. Between two marks lies a stretch of work.
///
/// The time of a long stretch is that of the processor, whose clock is slow to read: others that run on this core
/// meanwhile do not count. Short stretches are measured with the clock on the wall, since an interruption would have
/// made them long.
class Recorder final : public WorkObserver {
 public:
  void begin_loop(std::int64_t tasks) override { note(Mark::BeginLoop, static_cast<std::uint32_t>(tasks)); }
  void begin_graph(std::span<const std::vector<std::uint32_t>> successors) override;
  void begin_task(std::size_t task) override { note(Mark::BeginTask, static_cast<std::uint32_t>(task)); }
  void end_task() override { note(Mark::EndTask, 0); }
  void end() override { note(Mark::End, 0); }

  /// Runs one step on this thread, cut for so many.
  void record(const std::function<void()>& step, int threads);

  Marks marks;
  std::vector<std::int64_t> times;  ///< of the start of the step, and of its marks, on the clock of trace::now()
  std::vector<double> durations;    ///< of the stretch before each mark, in ns

 private:
  void note(Mark mark, std::uint32_t value);
  void synchronize();

  std::int64_t last_ = 0;       // when the stretch began
  std::int64_t processor_ = 0;  // time of the processor, when it was last read
  std::int64_t since_ = 0;      // ns of work since then
};

/// What two marks cost with nothing in between, in ns.
double cost_of_mark();

/// The value that this fraction of the others is below. Reorders the values.
double quantile(std::vector<double>& values, double fraction);

}  // namespace backflow::train

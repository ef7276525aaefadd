#include <backflow/train/cores/recording.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <ctime>

#include <backflow/runtime/base/error.h>
#include <backflow/runtime/threads/observed_work.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/cores/timeline.h>

namespace backflow::train {
namespace {

enum class Mark : std::uint8_t { BeginLoop, BeginGraph, BeginTask, EndTask, End, EndStep };

using Durations = std::vector<double>;
using Times = std::vector<std::int64_t>;

constexpr int kLeastRepetitions = 3;
constexpr int kTraced = 5;              // steps, at most
constexpr std::int64_t kLong = 50'000;  // ns; whatever else runs on this core takes longer

std::int64_t processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Notes what it is told, and when: a mark each. Between two marks lies a stretch of work.
///
/// The time of a long stretch is that of the processor, whose clock is slow to read: others that run on this core
/// meanwhile do not count. Short stretches are measured with the clock on the wall, since an interruption would have
/// made them long.
class Recorder final : public WorkObserver {
 public:
  void begin_loop(std::int64_t tasks) override { note(Mark::BeginLoop, static_cast<std::uint32_t>(tasks)); }
  void begin_graph(std::span<const std::vector<std::uint32_t>> successors) override {
    note(Mark::BeginGraph, static_cast<std::uint32_t>(graphs.size()));
    graphs.emplace_back(successors.begin(), successors.end());
    synchronize();  // the copy is ours
  }
  void begin_task(std::size_t task) override { note(Mark::BeginTask, static_cast<std::uint32_t>(task)); }
  void end_task() override { note(Mark::EndTask, 0); }
  void end() override { note(Mark::End, 0); }

  /// Runs one step.
  void record(const std::function<void()>& step, int threads) {
    marks.clear();
    graphs.clear();
    times.clear();
    durations.clear();
    synchronize();
    times.push_back(last_);
    {
      const ObservedWork observed(*this, threads);
      step();
    }
    note(Mark::EndStep, 0);
  }

  std::vector<std::pair<Mark, std::uint32_t>> marks;
  std::vector<std::vector<std::vector<std::uint32_t>>> graphs;
  Times times;          ///< of the start of the step, and of its marks
  Durations durations;  ///< of the stretch before each mark, in ns

 private:
  void note(Mark mark, std::uint32_t value) {
    std::int64_t now = trace::now();
    std::int64_t duration = now - last_;
    times.push_back(now);
    marks.emplace_back(mark, value);
    if (duration > kLong) {
      const std::int64_t before = processor_ + since_;
      synchronize();
      duration = std::min(duration, processor_ - before);
    } else {
      since_ += duration;
      last_ = now;
    }
    durations.push_back(static_cast<double>(duration));
  }

  void synchronize() {
    processor_ = processor_time();
    since_ = 0;
    last_ = trace::now();
  }

  std::int64_t last_ = 0;       // when the stretch began
  std::int64_t processor_ = 0;  // time of the processor, when it was last read
  std::int64_t since_ = 0;      // ns of work since then
};

/// The lower quartile. Reorders the values.
double lower_quartile(std::vector<double>& values) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 4);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// What two marks cost with nothing in between, in ns.
double cost_of_mark() {
  constexpr int kTasks = 4096;
  Recorder recorder;
  const auto loop = [] { parallel_for(kTasks, [](std::int64_t) {}); };
  recorder.record(loop, 1);
  recorder.record(loop, 1);
  std::vector<double> costs;
  for (std::size_t i = 0; i < recorder.marks.size(); ++i) {
    if (recorder.marks[i].first == Mark::EndTask) {
      costs.push_back(recorder.durations[i]);
    }
  }
  return lower_quartile(costs);
}

/// What one step consists of, and the typical time of each of its stretches.
struct Steps {
  std::vector<std::pair<Mark, std::uint32_t>> marks;
  std::vector<std::vector<std::vector<std::uint32_t>>> graphs;
  std::vector<double> stretches;  ///< stretch i ends with mark i, in ns
  int repetitions = 0;
  bool differs = false;  ///< some repetition had other marks, and was left out
};

/// Whether so many seconds have passed since `start`; never for 0.
bool is_over(std::int64_t start, double seconds) {
  return seconds > 0 && static_cast<double>(trace::now() - start) > seconds * 1e9;
}

Steps record_steps(const std::function<void()>& step, const RecordingOptions& options, Recorder& recorder) {
  for (int i = 0; i < options.warm_up; ++i) {
    recorder.record(step, options.threads);
  }
  Steps steps;
  std::vector<Durations> all;
  const std::int64_t start = trace::now();
  for (int i = 0; i < options.repetitions && (i < kLeastRepetitions || !is_over(start, options.seconds)); ++i) {
    recorder.record(step, options.threads);
    if (all.empty()) {
      steps.marks = recorder.marks;
      steps.graphs = recorder.graphs;
    } else if (recorder.marks != steps.marks || recorder.graphs != steps.graphs) {
      steps.differs = true;
      continue;
    }
    all.push_back(recorder.durations);
  }
  steps.repetitions = static_cast<int>(all.size());
  const double cost = cost_of_mark();
  std::vector<double> values(all.size());
  for (std::size_t i = 0; i < steps.marks.size(); ++i) {
    std::transform(all.begin(), all.end(), values.begin(), [i](const Durations& durations) { return durations[i]; });
    steps.stretches.push_back(std::max(lower_quartile(values) - cost, 0.0));
  }
  return steps;
}

/// Tracing is on until the end of the scope.
struct Tracing {
  Tracing() { trace::start({.max_events = std::size_t{1} << 21}); }
  ~Tracing() { trace::stop(); }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

std::vector<trace::Event> events_of_this_thread() {
  std::vector<trace::ThreadEvents> threads = trace::collect();
  const auto most = std::max_element(threads.begin(), threads.end(),
                                     [](const auto& a, const auto& b) { return a.events.size() < b.events.size(); });
  return most == threads.end() ? std::vector<trace::Event>() : std::move(most->events);
}

/// A step that was traced: when each mark was, and what the thread was in.
struct TracedStep {
  Times times;
  Timeline timeline;
};

/// Makes the tree of one step from its marks.
class TreeBuilder {
 public:
  TreeBuilder(const Steps& steps, const std::vector<TracedStep>& traced) : steps_(steps), traced_(traced) {}

  WorkTree build() { return {traced_[0].timeline.labels(), task()}; }

 private:
  /// What comes from here to the mark that ends the task.
  WorkTask task() {
    WorkTask task;
    for (;;) {
      add_stretch(task);
      const auto [mark, value] = steps_.marks[at_++];
      if (mark == Mark::EndTask || mark == Mark::EndStep) {
        return task;
      }
      WorkPart part;
      part.group = std::make_unique<WorkGroup>();
      part.group->is_graph = mark == Mark::BeginGraph;
      if (part.group->is_graph) {
        part.group->successors = steps_.graphs[value];
      }
      const std::int64_t begin = traced_[0].times[at_];
      traced_[0].timeline.split(begin, begin, [&](const auto& in, double) { part.label = in.label; });
      while (steps_.marks[at_++].first == Mark::BeginTask) {  // what lies between two tasks is nobody's work
        part.group->tasks.push_back(this->task());
      }
      task.parts.push_back(std::move(part));
    }
  }

  /// Adds the stretch before the next mark, shared out among those that it belongs to.
  void add_stretch(WorkTask& task) const {
    const double time = steps_.stretches[at_];
    if (time <= 0) {
      return;
    }
    const std::vector<WorkPart> pieces = pieces_of_stretch();
    double whole = 0;
    for (const WorkPart& piece : pieces) {
      whole += piece.nanoseconds;
    }
    for (const WorkPart& piece : pieces) {
      const double part = whole > 0 ? time * piece.nanoseconds / whole : time / static_cast<double>(pieces.size());
      WorkPart* last = task.parts.empty() ? nullptr : &task.parts.back();
      if (last != nullptr && !last->group && last->label == piece.label && last->bytes_per_ns == piece.bytes_per_ns) {
        last->nanoseconds += part;
      } else if (part > 0) {
        task.parts.push_back({part, piece.bytes_per_ns, piece.label});
      }
    }
  }

  /// What a stretch consists of. All traced steps have the same pieces, unless two events touched; the shortest time
  /// of each counts.
  std::vector<WorkPart> pieces_of_stretch() const {
    std::vector<WorkPart> pieces;
    std::vector<WorkPart> others;
    for (const TracedStep& step : traced_) {
      std::vector<WorkPart>& here = &step == traced_.data() ? pieces : others;
      here.clear();
      step.timeline.split(step.times[at_], step.times[at_ + 1], [&](const Timeline::Interval& in, double time) {
        here.push_back({time, in.bytes_per_ns, in.label});
      });
      if (here.size() == pieces.size()) {
        for (std::size_t i = 0; i < here.size() && here[i].label == pieces[i].label; ++i) {
          pieces[i].nanoseconds = std::min(pieces[i].nanoseconds, here[i].nanoseconds);
          pieces[i].bytes_per_ns = std::max(pieces[i].bytes_per_ns, here[i].bytes_per_ns);
        }
      }
    }
    return pieces;
  }

  const Steps& steps_;
  const std::vector<TracedStep>& traced_;
  std::size_t at_ = 0;  // the next mark
};

/// Steps that are traced, which have the same marks.
std::vector<TracedStep> trace_steps(const std::function<void()>& step, const RecordingOptions& options,
                                    const Steps& steps, Recorder& recorder) {
  const Timeline::Limits limits{options.bytes_per_ns, options.cached_bytes};
  std::vector<TracedStep> traced;
  const std::int64_t start = trace::now();
  for (int i = 0; i < kTraced && (i == 0 || !is_over(start, options.seconds / 4)); ++i) {
    {
      const Tracing tracing;
      recorder.record(step, options.threads);
    }
    Timeline timeline(events_of_this_thread(), limits);
    if (recorder.marks == steps.marks && (traced.empty() || traced[0].timeline.labels() == timeline.labels())) {
      traced.push_back({recorder.times, std::move(timeline)});
    }
  }
  if (traced.empty()) {
    traced.push_back({Times(steps.marks.size() + 1), Timeline({}, limits)});
  }
  return traced;
}

}  // namespace

double work_of(const WorkTask& task) {
  double sum = 0;
  for (const WorkPart& part : task.parts) {
    sum += part.nanoseconds;
    if (part.group) {
      for (const WorkTask& inner : part.group->tasks) {
        sum += work_of(inner);
      }
    }
  }
  return sum;
}

Recording record_work(const std::function<void()>& step, const RecordingOptions& options) {
  Recorder recorder;
  const Steps steps = record_steps(step, options, recorder);
  Recording recording;
  recording.repetitions = steps.repetitions;
  recording.warning = steps.differs ? "some steps did other work than the first: they were left out" : "";
  const std::vector<TracedStep> traced = trace_steps(step, options, steps, recorder);
  recording.tree = TreeBuilder(steps, traced).build();
  return recording;
}

}  // namespace backflow::train

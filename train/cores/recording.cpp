#include <backflow/train/cores/recording.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include <backflow/runtime/trace/trace.h>
#include <backflow/train/cores/recorder.h>
#include <backflow/train/cores/timeline.h>
#include <backflow/train/cores/tree_builder.h>

namespace backflow::train {
namespace {

constexpr int kLeastRepetitions = 3;
constexpr int kTraced = 5;  // steps, at most

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

/// Steps that are cut for one number of threads.
class Cut {
 public:
  Cut(const std::function<void()>& step, int threads) : step_(step), threads_(threads) {}

  void warm_up() { recorder_.record(step_, threads_); }

  void repeat() {
    recorder_.record(step_, threads_);
    if (durations_.empty()) {
      marks_ = recorder_.marks;
    }
    if (recorder_.marks == marks_) {
      durations_.push_back(recorder_.durations);
    } else {
      differs_ = true;
    }
  }

  void trace(const Timeline::Limits& limits) {
    {
      const Tracing tracing;
      recorder_.record(step_, threads_);
    }
    Timeline timeline(events_of_this_thread(), limits);
    if (recorder_.marks == marks_ && (traced_.empty() || traced_[0].timeline.labels() == timeline.labels())) {
      traced_.push_back({recorder_.times, std::move(timeline)});
    }
  }

  Recording finish(double cost_of_mark) {
    Recording recording{
        .threads = threads_, .tree = {}, .repetitions = static_cast<int>(durations_.size()), .warning = {}};
    if (traced_.empty()) {
      recording.warning = "the steps that were traced did other work than the first: nothing has a name";
      traced_.push_back({std::vector<std::int64_t>(marks_.marks.size() + 1), Timeline({}, {})});
    } else if (differs_) {
      recording.warning = "some steps did other work than the first: they were left out";
    }
    recording.tree = build_tree(marks_, stretches(cost_of_mark), traced_);
    return recording;
  }

 private:
  std::vector<double> stretches(double cost_of_mark) const {
    std::vector<double> typical(marks_.marks.size());
    std::vector<double> values(durations_.size());
    for (std::size_t i = 0; i < typical.size(); ++i) {
      std::transform(durations_.begin(), durations_.end(), values.begin(), [i](const auto& step) { return step[i]; });
      typical[i] = std::max(quantile(values, 0.5) - cost_of_mark, 0.0);
    }
    return typical;
  }

  const std::function<void()>& step_;
  const int threads_;
  Recorder recorder_;
  Marks marks_;                                 // of the first repetition
  std::vector<std::vector<double>> durations_;  // of the repetitions that have these marks
  std::vector<TracedStep> traced_;              // the same
  bool differs_ = false;                        // some had others
};

/// Calls f for each of the cuts in turn, `least` times, then up to `most` times as long as `seconds` have not passed; 0
/// stands for any time.
template <class F>
void repeat_for(std::vector<Cut>& cuts, int least, int most, double seconds, const F& f) {
  const std::int64_t start = trace::now();
  const auto is_over = [&] { return seconds > 0 && static_cast<double>(trace::now() - start) > seconds * 1e9; };
  for (int i = 0; i < most && (i < least || !is_over()); ++i) {
    std::for_each(cuts.begin(), cuts.end(), f);
  }
}

}  // namespace

std::vector<Recording> record_work(const std::function<void()>& step, const RecordingOptions& options) {
  std::vector<Cut> cuts;
  for (const int threads : options.threads) {
    cuts.emplace_back(step, threads);
  }
  repeat_for(cuts, options.warm_up, options.warm_up, 0, [](Cut& cut) { cut.warm_up(); });
  repeat_for(cuts, std::min(options.repetitions, kLeastRepetitions), options.repetitions, options.seconds,
             [](Cut& cut) { cut.repeat(); });
  const Timeline::Limits limits{options.bytes_per_ns, options.cached_bytes};
  repeat_for(cuts, 1, kTraced, options.seconds / 4, [&limits](Cut& cut) { cut.trace(limits); });
  const double cost = cost_of_mark();
  std::vector<Recording> recordings;
  std::transform(cuts.begin(), cuts.end(), std::back_inserter(recordings),
                 [cost](Cut& cut) { return cut.finish(cost); });
  return recordings;
}

}  // namespace backflow::train

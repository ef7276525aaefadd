#include <backflow/train/cores/recorder.h>

#include <algorithm>

#include <ctime>

#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::train {
namespace {

constexpr std::int64_t kLong = 50'000;  // ns; whatever else runs on this core takes longer

std::int64_t processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void Recorder::begin_graph(std::span<const std::vector<std::uint32_t>> successors) {
  note(Mark::BeginGraph, static_cast<std::uint32_t>(marks.graphs.size()));
  marks.graphs.emplace_back(successors.begin(), successors.end());
  synchronize();  // the copy is ours
}

void Recorder::record(const std::function<void()>& step, int threads) {
  marks.marks.clear();
  marks.graphs.clear();
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

void Recorder::note(Mark mark, std::uint32_t value) {
  const std::int64_t now = trace::now();
  std::int64_t duration = now - last_;
  times.push_back(now);
  marks.marks.emplace_back(mark, value);
  if (duration > kLong) {
    const std::int64_t before = processor_ + since_;
    synchronize();
    duration = std::clamp<std::int64_t>(processor_ - before, 0, duration);
  } else {
    since_ += duration;
    last_ = now;
  }
  durations.push_back(static_cast<double>(duration));
}

void Recorder::synchronize() {
  processor_ = processor_time();
  since_ = 0;
  last_ = trace::now();
}

double cost_of_mark() {
  constexpr int kTasks = 4096;
  Recorder recorder;
  const auto loop = [] { parallel_for(kTasks, [](std::int64_t) {}); };
  recorder.record(loop, 1);
  recorder.record(loop, 1);
  std::vector<double> costs;
  for (std::size_t i = 0; i < recorder.durations.size(); ++i) {
    if (recorder.marks.marks[i].first == Mark::EndTask) {
      costs.push_back(recorder.durations[i]);
    }
  }
  return quantile(costs, 0.25);
}

double quantile(std::vector<double>& values, double fraction) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size()));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace backflow::train

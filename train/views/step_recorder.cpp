#include <backflow/train/views/step_recorder.h>

#include <algorithm>

#include <backflow/io/trace_file.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::train {

RecordedSteps::RecordedSteps(std::int64_t total, std::int64_t traced)
    : trace_begin_(std::clamp<std::int64_t>(total - traced, 0, kWarmUp)),
      trace_end_(trace_begin_ + traced),
      profile_begin_(std::clamp<std::int64_t>(total - kLeastProfiled, 0, kWarmUp)),
      interval_(std::clamp<std::int64_t>((total - profile_begin_) / kLeastProfiled, 1, kInterval)) {}

StepRecorder::~StepRecorder() {
  if (trace::is_on()) {  // a step threw
    trace::stop();
  }
}

std::string StepRecorder::trace_path() const {
  return rank_ == 0 ? directory_ + "/trace.json" : to_text(directory_, "/trace-rank", rank_, ".json");
}

void StepRecorder::begin_step(std::int64_t step) {
  if (step == steps_.trace_begin() && step < steps_.trace_end()) {
    traces_ = true;
    trace::start();
  } else if (!traces_ && steps_.is_profiled(step)) {
    trace::start();
  }
  step_start_ = trace::now();
  reset_peak_memory();
}

bool StepRecorder::end_step(std::int64_t step) {
  if (steps_.is_profiled(step)) {
    const std::vector<trace::ThreadEvents> threads = trace::collect(step_start_);
    communication_.add_step(threads);
    if (gather_ == Gather::Profile) {
      profile_.add_step(threads, memory_stats().peak_bytes);
    }
    if (!traces_) {
      trace::stop();
    }
  }
  if (!traces_ || step + 1 < steps_.trace_end()) {
    return false;
  }
  write();
  return true;
}

bool StepRecorder::end_run() {
  const bool incomplete = traces_;
  if (incomplete) {
    write();
  }
  return incomplete;
}

void StepRecorder::write() {
  trace::stop();
  traces_ = false;
  io::write_trace(trace_path(), trace::collect(), rank_);
}

}  // namespace backflow::train

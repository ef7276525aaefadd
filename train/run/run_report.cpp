#include <backflow/train/run/run_report.h>

namespace backflow::train {

void RunReport::say(const std::string& text, const std::string& log_text) {
  const std::lock_guard lock(mutex_);
  progress_.line(text);
  log(log_text);
  if (const std::string loss = progress_.take_loss_of_output(); !loss.empty()) {
    log("warning: " + loss);
  }
}

void RunReport::warn(const std::string& text) {
  const std::lock_guard lock(mutex_);
  progress_.warning(to_text("backflow: warning: ", rank_ == 0 ? "" : to_text("rank ", rank_, ": "), text));
  log("warning: " + text);
}

void RunReport::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  log(text);
}

void RunReport::result(const std::string& dump) {
  const std::lock_guard lock(mutex_);
  if (rank_ == 0 && verbosity_ == Progress::Verbosity::Quiet) {
    progress_.result(dump);
  }
}

void RunReport::start_progress(std::int64_t first_step) {
  const std::lock_guard lock(mutex_);
  progress_.start(first_step);
}

void RunReport::progress(const Progress::State& state) {
  const std::lock_guard lock(mutex_);
  progress_.update(state);
}

void RunReport::log(const std::string& text) {
  if (files_ != nullptr) {
    files_->log(text);
  }
}

}  // namespace backflow::train

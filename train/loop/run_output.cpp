#include <backflow/train/loop/run_output.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <unistd.h>

#include <backflow/runtime/memory/memory.h>
#include <backflow/train/formatted.h>
#include <backflow/train/loop/evaluation_text.h>
#include <backflow/train/run/shared_failure.h>
#include <backflow/train/views/terminal.h>

namespace backflow::train {

RunOutput::Warnings::Warnings(RunReport& report)
    : previous(set_warning_handler([&report](const std::string& text) { report.warn(text); })) {}

RunOutput::Warnings::~Warnings() { set_warning_handler(previous); }

RunOutput::RunOutput(const Experiment& experiment, const Task& task, const RunOptions& options,
                     std::shared_ptr<distributed::Communicator> world)
    : experiment_(experiment),
      task_(task),
      options_(options),
      world_(std::move(world)),
      report_(world_->rank(), options.verbosity) {}

void RunOutput::open(const Platform& platform) {
  // Rank 0 alone writes.
  run_on_rank_0(*world_, [&] {
    files_.emplace(options_.start, experiment_.name, options_.resolved_config, environment_json(*world_, platform));
    if (experiment_.log.tensorboard) {
      files_->write_events(options_.start.dump.step);
    }
    report_.set_files(*files_);
  });
  directory_ = world_->all_gather(files_ ? files_->directory() : "").front();
  if (!options_.report.empty()) {
    say(options_.report);
  }
  if (files_) {
    for (const std::string& warning : platform.warnings) {
      files_->log("warning: " + warning);  // said before, on standard error
    }
    for (const std::string& warning : files_->warnings()) {
      report_.warn(warning);
    }
  }
}

void RunOutput::metric(std::string_view event, const io::MetricRecord& fields) {
  if (!files_) {
    return;
  }
  try {
    files_->metric(event, fields);
  } catch (const Error& error) {
    if (experiment_.checkpoint.on_error == OnWriteError::Stop) {
      throw;
    }
    if (!std::exchange(has_lost_metrics_, true)) {
      report_.warn(to_text(error.what(), "; the run goes on, and lines are missing in that file"));
    }
  }
}

void RunOutput::step(const StepFacts& facts, const StepResult& result) {
  const double rate = static_cast<double>(facts.samples) / std::max(facts.seconds, 1e-9);
  step_seconds_ += facts.seconds;
  stall_seconds_ += facts.stall_seconds;
  if (files_) {
    io::MetricRecord record = {{"step", facts.step},         {"epoch", facts.epoch},
                               {"loss", result.loss},        {"lr", facts.lr},
                               {"samples_per_second", rate}, {"peak_bytes", memory_stats().peak_bytes}};
    for (const auto& [name, value] : result.others) {
      record.emplace_back(name, value);
    }
    if (facts.grad_norm) {
      record.emplace_back("grad_norm", *facts.grad_norm);
    }
    record.emplace_back("stall_seconds", facts.stall_seconds);
    metric("step", record);
  }
  report_.progress({.epoch = facts.epoch,
                    .epochs = facts.epochs,
                    .step = facts.step,
                    .steps = facts.steps,
                    .loss = result.loss,
                    .samples_per_second = rate});
}

void RunOutput::evaluation(const Evaluation& evaluation, const char* split, std::int64_t step, std::int64_t epoch) {
  if (!files_) {
    return;
  }
  if (has_confusion_record(evaluation)) {
    metric("confusion", confusion_record(evaluation, split, step));
  }
  io::MetricRecord record = {{"split", split}, {"step", step}, {"epoch", epoch}};
  append_metrics(evaluation, record);
  metric("eval", record);
}

void RunOutput::recorded(const Profile& profile, const std::optional<CommunicationView>& communication) {
  if (communication) {
    metric("communication", communication->record());
  }
  if (profile.steps() > 0) {
    metric("profile", profile.record());
    if (options_.profile) {
      const std::size_t columns = terminal_columns(STDOUT_FILENO);
      report_.say(profile.table(columns > 1 ? columns - 1 : Profile::kUsualColumns), profile.table());
    }
  }
  if (communication) {
    say((options_.profile ? communication->table() : "") + communication->summary());
  }
}

void RunOutput::end(const RunEnd& end) {
  const bool has_best = end.best != nullptr && end.best->best();
  io::MetricRecord record;
  std::string text =
      to_text("run directory: ", files_->directory(), "\n", end.dump.empty() ? "" : to_text("dump: ", end.dump, '\n'));
  std::string found;
  if (end.evaluation) {
    append_metrics(*end.evaluation, record, to_text(end.split, "_"));
    const std::string headline = task_.headline();
    found = formatted("%s %s %.4f after ", end.split, headline.c_str(), end.evaluation->metric(headline));
  }
  if (has_best) {
    record.emplace_back("best_" + end.best->metric(), *end.best->best());
    record.emplace_back("best_step", end.best->best_step());
    text += to_text("best ", end.best->metric(), formatted(" %.4f", *end.best->best()), " after ",
                    end.best->best_step(), " steps: checkpoints/best.h5\n");
  }
  if (step_seconds_ > 0) {
    text += formatted("waiting for data: %.2f%% of the steps' time\n", 100 * stall_seconds_ / step_seconds_);
  }
  record.emplace_back("step_seconds", step_seconds_);
  record.emplace_back("stall_seconds", stall_seconds_);
  record.emplace_back("seconds", end.seconds);
  record.emplace_back("steps", end.steps);
  if (!end.dump.empty()) {
    record.emplace_back("dump", end.dump);
  }
  metric("final", record);
  say(text + found + formatted("%lld steps in %.1f s", static_cast<long long>(end.steps), end.seconds));
  if (!end.dump.empty()) {
    report_.result(end.dump);
  }
}

}  // namespace backflow::train

#include <backflow/train/run/run_files.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <backflow/exchange/atomic_file.h>
#include <backflow/io/run_contents.h>
#include <backflow/runtime/base/error.h>

namespace backflow::train {
namespace {

std::shared_ptr<spdlog::logger> open_log(const std::string& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(path);  // which appends
    auto logger = std::make_shared<spdlog::logger>("run", std::move(sink));
    logger->flush_on(spdlog::level::info);
    return logger;
  } catch (const spdlog::spdlog_ex& error) {
    fail(path, ": ", error.what());
  }
}

/// The numbers of an event as TensorBoard groups them: "train/loss", "validation/accuracy".
std::vector<std::pair<std::string, double>> scalars_of(std::string_view event, const io::MetricRecord& fields) {
  std::string group = "train/";
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : fields) {
    if (const auto* split = std::get_if<std::string>(&value); split != nullptr && key == "split") {
      group = *split + "/";
    }
  }
  if (event == "eval" && group == "train/") {
    group = "test/";
  }
  for (const auto& [key, value] : fields) {
    if (key == "step") {
      continue;
    }
    if (const auto* number = std::get_if<double>(&value)) {
      scalars.emplace_back(group + key, *number);
    } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      scalars.emplace_back(group + key, static_cast<double>(*whole));
    }
  }
  return scalars;
}

}  // namespace

RunFiles::RunFiles(const RunStart& start, const std::string& name, const std::string& config,
                   const std::string& environment)
    : directory_(start.out.empty() ? io::RunDirectory::unique(name) : io::RunDirectory::at(start.out)),
      lock_(start.lock),
      warnings_(start.warnings) {
  take(start);
  adopt_dumps(start);
  adopt_best(start);
  io::write_file_atomically(directory_.file("config.toml"), config);
  io::write_file_atomically(directory_.file("environment.json"), environment);
  metrics_.emplace(directory_.file("metrics.jsonl"), io::MetricsWriter::Mode::Append);
  logger_ = open_log(directory_.file("log.txt"));
}

RunFiles::~RunFiles() = default;

void RunFiles::take(const RunStart& start) {
  if (lock_ == nullptr) {  // the directory is new; another job may have made the same one
    lock_ = lock_run(directory());
    refuse_run(directory());
  }
  if (!lock_->is_enforced()) {
    warnings_.push_back(
        to_text(directory(), ": a file system without locks: nothing keeps a second job out of this run directory"));
  }
  if (start.existing == ExistingRun::Overwrite) {
    io::remove_run(directory());
  }
  io::remove_temporaries(directory());
}

void RunFiles::adopt_dumps(const RunStart& start) {
  for (const io::DumpFile& file : io::list_dumps(directory())) {
    std::error_code error;
    const bool is_start = std::filesystem::equivalent(file.path, start.dump_path, error);
    if (is_start || file.step < start.dump.step) {
      dumps_.push_back(file.path);
    } else {
      warnings_.push_back(to_text(file.path, ": is newer than the dump that this run goes on from: kept as ",
                                  io::set_aside(file.path)));
    }
  }
}

void RunFiles::metric(std::string_view event, const io::MetricRecord& fields) {
  metrics_->write(event, fields);
  if (events_ && (event == "step" || event == "eval")) {
    events_->scalars(static_cast<std::int64_t>(io::metric_number(fields, "step")), scalars_of(event, fields));
  }
}

/// A best dump of steps that this run has still to do would be in its way.
void RunFiles::adopt_best(const RunStart& start) {
  const std::string path = directory_.checkpoints() + "/" + io::RunDirectory::kBest;
  std::error_code error;
  has_best_ = std::filesystem::exists(path, error);
  if (!has_best_) {
    return;
  }
  bool is_of_past = false;
  try {
    is_of_past = !start.dump_path.empty() && io::read_dump(path).step <= start.dump.step;
  } catch (const Error& damage) {
    warnings_.push_back(damage.what());
  }
  if (!is_of_past) {
    warnings_.push_back(to_text(path, ": is newer than the dump that this run goes on from, or damaged: kept as ",
                                io::set_aside(path)));
  }
}

void RunFiles::make_checkpoints() {
  std::error_code error;                                               // writing says it better
  std::filesystem::create_directory(directory_.checkpoints(), error);  // somebody may have removed it
  if (!has_failed_) {
    return;
  }
  // What could not be written could not always be removed: in a directory that was read-only for a while.
  try {
    io::remove_temporaries_of(directory_.checkpoints());
  } catch (const Error&) {
    return;  // it still is
  }
}

void RunFiles::write_checkpoint(const std::string& path, const io::Dump& dump) {
  make_checkpoints();
  has_failed_ = true;
  io::write_dump(path, dump, dump_options_);
  has_failed_ = false;
}

void RunFiles::best(const io::Dump& dump) {
  const std::string path = directory_.checkpoints() + "/" + io::RunDirectory::kBest;
  write_checkpoint(path, dump);
}

void RunFiles::log(const std::string& text) { logger_->info(text); }

void RunFiles::checkpoint(const io::Dump& dump, std::int64_t keep_last) {
  const std::string path = directory_.checkpoint(dump.step);
  write_checkpoint(path, dump);
  std::erase(dumps_, path);
  dumps_.push_back(path);
  const auto surplus = std::max<std::ptrdiff_t>(std::ssize(dumps_) - keep_last, 0);
  for (std::ptrdiff_t i = 0; i < surplus; ++i) {
    std::error_code ignored;  // a file that the user has removed already
    std::filesystem::remove(dumps_[static_cast<std::size_t>(i)], ignored);
  }
  dumps_.erase(dumps_.begin(), dumps_.begin() + surplus);
}

void log_failure(const std::string& directory, const std::string& text) noexcept {
  const std::string path = directory + "/log.txt";
  try {
    if (std::filesystem::exists(path)) {
      open_log(path)->error(text);
    }
  } catch (const std::exception&) {
    // The error itself is what the user has to see, and does on standard error.
    return;
  }
}

}  // namespace backflow::train

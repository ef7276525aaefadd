#include <backflow/train/run_files.h>

#include <algorithm>
#include <filesystem>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <backflow/io/atomic_file.h>

namespace backflow::train {

RunFiles::RunFiles(const std::string& out, const std::string& name, const std::string& config,
                   const std::string& environment, Mode mode)
    : directory_(out.empty() ? io::RunDirectory::unique(name) : io::RunDirectory::at(out)) {
  io::write_file_atomically(directory_.file("config.toml"), config);
  io::write_file_atomically(directory_.file("environment.json"), environment);
  metrics_.emplace(directory_.file("metrics.jsonl"), mode);
  try {
    logger_ = std::make_shared<spdlog::logger>(
        "run", std::make_shared<spdlog::sinks::basic_file_sink_st>(directory_.file("log.txt"), mode == Mode::Truncate));
  } catch (const spdlog::spdlog_ex& error) {
    fail(directory_.file("log.txt"), ": ", error.what());
  }
  logger_->flush_on(spdlog::level::info);
}

RunFiles::~RunFiles() = default;

void RunFiles::log(const std::string& text) { logger_->info(text); }

std::string RunFiles::checkpoint(const io::Dump& dump, std::int64_t keep_last) {
  const std::string path = directory_.checkpoint(dump.step);
  io::write_dump(path, dump);
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.checkpoints())) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".h5")) {
      all.push_back(entry.path().string());
    }
  }
  std::sort(all.begin(), all.end());
  const auto surplus = static_cast<std::ptrdiff_t>(all.size()) - keep_last;
  for (std::ptrdiff_t i = 0; i < surplus; ++i) {
    std::error_code ignored;  // a file that another run has removed already
    std::filesystem::remove(all[static_cast<std::size_t>(i)], ignored);
  }
  return path;
}

}  // namespace backflow::train

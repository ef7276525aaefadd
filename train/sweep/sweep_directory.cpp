#include <backflow/train/sweep/sweep_directory.h>

#include <ctime>
#include <filesystem>
#include <system_error>

#include <backflow/exchange/atomic_file.h>
#include <backflow/io/config.h>
#include <backflow/train/report/run_texts.h>

namespace backflow::train {
namespace {

namespace fs = std::filesystem;

void make_directories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  check(!error, path, ": cannot make the directory: ", error.message());
}

/// A directory that nobody has: the name of another one gets "-2", "-3" and so on behind it.
std::string unique_path(const std::string& name) {
  char time[32];
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  std::strftime(time, sizeof time, "%Y-%m-%d_%H-%M-%S", &local);
  const std::string parent = "sweeps/" + name;
  make_directories(parent);
  for (int count = 1;; ++count) {
    const std::string path = to_text(parent, '/', time, count == 1 ? "" : to_text('-', count));
    std::error_code error;
    if (fs::create_directory(path, error)) {
      return path;
    }
    check(!error, path, ": cannot make the directory: ", error.message());
  }
}

}  // namespace

SweepDirectory::SweepDirectory(const std::string& path, const std::string& name, bool resume)
    : path_(path.empty() ? unique_path(name) : path) {
  std::error_code error;
  if (!resume && fs::exists(path_ + "/configs", error)) {
    throw io::ConfigError(path_ + ": holds a sweep already: need --resume to go on with it, or another --out");
  }
  for (const char* folder : {"/configs", "/runs", "/logs"}) {
    make_directories(path_ + folder);
  }
  lock_ = io::RunLock::try_take(path_);
  if (lock_ == nullptr) {
    throw io::ConfigError(path_ + ": in use by " + io::RunLock::holder(path_) + ": need its end, or another --out");
  }
}

void SweepDirectory::add_config(const std::string& name, const std::string& text) const {
  std::error_code error;
  if (!fs::exists(config(name), error)) {
    io::write_file_atomically(config(name), text);
    return;
  }
  const std::string before = head_of(config(name), text.size() + 1);
  if (before == text) {
    return;
  }
  const Differences found = differences({settings_in(before), settings_in(text)});
  const std::string what = found.keys.empty() ? "its text differs"
                                              : to_text(found.keys.front(), " is ", found.values[0].front(), " there, ",
                                                        found.values[1].front(), " now");
  throw io::ConfigError(config(name) + ": another configuration: " + what + ": need the same, or another --out");
}

}  // namespace backflow::train

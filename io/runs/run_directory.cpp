#include <backflow/io/run_directory.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check(!error, path, ": cannot make the directory: ", error.message());
  check(std::filesystem::is_directory(path, error), path, ": not a directory: need one for the run");
}

}  // namespace

RunDirectory::RunDirectory(std::string path) : path_(std::move(path)) {
  make_directories(path_ + "/checkpoints");
  for (const std::string& directory : {path_, checkpoints()}) {
    check(::access(directory.c_str(), W_OK | X_OK) == 0, directory, ": cannot write: ", std::strerror(errno));
  }
}

RunDirectory RunDirectory::at(const std::string& directory) {
  check(!directory.empty(), "'': cannot make the directory: need a name");
  make_directories(directory);
  return RunDirectory(directory);
}

RunDirectory RunDirectory::unique(const std::string& name, const std::string& parent, std::time_t now) {
  const bool usable = !name.empty() && name != "." && name != ".." && name.size() < 200 &&
                      name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
  check(usable, "run name '", name, "': need a name that a directory can have");
  const std::string folder = parent + "/" + name;
  make_directories(folder);
  std::tm local{};
  localtime_r(&now, &local);
  char stamp[64];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%d_%H-%M-%S", &local);
  const std::string base = folder + "/" + stamp;
  std::string path = base;
  // mkdir, unlike create_directories, tells whether it was this process that made it.
  for (int count = 2; ::mkdir(path.c_str(), 0777) != 0; ++count) {
    check(errno == EEXIST, path, ": cannot make the directory: ", std::strerror(errno));
    path = to_text(base, "-", count);
  }
  return RunDirectory(path);
}

std::string RunDirectory::checkpoint(long long step) const { return checkpoints() + "/" + checkpoint_name(step); }

std::string RunDirectory::checkpoint_name(long long step) {
  char name[48];
  std::snprintf(name, sizeof name, "step-%09lld.h5", step);
  return name;
}

}  // namespace backflow::io

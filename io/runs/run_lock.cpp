#include <backflow/io/run_lock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

std::string path_of(const std::string& directory) { return directory + "/lock"; }

bool means_no_locks(int error) { return error == ENOLCK || error == ENOTSUP || error == ENOSYS || error == EINVAL; }

enum class Taken { Yes, No, NoLocks };

Taken take(int file, const std::string& path) {
  while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Taken::No;
    if (means_no_locks(errno)) return Taken::NoLocks;
    check(errno == EINTR, path, ": cannot lock: ", std::strerror(errno));
  }
  return Taken::Yes;
}

}  // namespace

std::shared_ptr<RunLock> RunLock::try_take(const std::string& directory) {
  const std::string path = path_of(directory);
  for (;;) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    check(file >= 0, path, ": cannot open: ", std::strerror(errno), ": need a run directory that can be written");
    Taken taken = Taken::No;
    try {
      taken = take(file, path);
    } catch (...) {
      ::close(file);
      throw;
    }
    if (taken == Taken::No) {
      ::close(file);
      return nullptr;
    }
    // A holder that ended after the open has removed the file, and a third process may have made and locked a new one.
    std::shared_ptr<RunLock> lock(new RunLock(path, file));
    lock->enforced_ = taken == Taken::Yes;
    if (lock->is_of_path()) {
      lock->write_holder();
      return lock;
    }
  }
}

std::string RunLock::holder(const std::string& directory) {
  std::ifstream file(path_of(directory));
  std::string host;
  long long pid = 0;
  return file >> host >> pid ? to_text("process ", pid, " on ", host) : "another process";
}

bool RunLock::is_taken(const std::string& directory) {
  const int file = ::open(path_of(directory).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  const bool taken = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return taken;
}

RunLock::~RunLock() {
  if (is_of_path()) ::unlink(path_.c_str());
  ::close(file_);
}

bool RunLock::is_of_path() const {
  struct stat by_name {};
  struct stat by_file {};
  return ::stat(path_.c_str(), &by_name) == 0 && ::fstat(file_, &by_file) == 0 && by_name.st_dev == by_file.st_dev &&
         by_name.st_ino == by_file.st_ino;
}

void RunLock::write_holder() const {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::string text = to_text(host, ' ', ::getpid(), '\n');
  const bool written =
      ::ftruncate(file_, 0) == 0 && ::pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  check(written, path_, ": cannot write: ", std::strerror(errno));
}

}  // namespace backflow::io

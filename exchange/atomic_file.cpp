#include <backflow/exchange/atomic_file.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

constexpr std::string_view kPrefix = ".backflow-";
constexpr std::string_view kSuffix = ".tmp";

// A name that no other process, on this host or another, is likely to try at once; O_EXCL finds the rest.
std::string temporary_name(const std::string& directory) {
  static std::atomic<unsigned> count{0};
  char host[64] = {};
  ::gethostname(host, sizeof host - 1);
  return to_text(directory, '/', kPrefix, host, '-', ::getpid(), '-', count++, kSuffix);
}

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // Linux writes at most 2 GiB in one call

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  const std::size_t slash = path_.rfind('/');
  directory_ = slash == std::string::npos ? "." : path_.substr(0, std::max<std::size_t>(slash, 1));
  check(slash + 1 != path_.size(), "'", path_, "': cannot write: need the name of a file");
  do {
    temporary_ = temporary_name(directory_);
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (file_ < 0 && errno == EEXIST);
  if (file_ < 0) fail_to("write");
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_to(const char* what) const { fail(path_, ": cannot ", what, ": ", std::strerror(errno)); }

void AtomicFile::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(file_, from, std::min(bytes, kMostAtOnce));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to("write");
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::write_at(std::uint64_t offset, const void* data, std::size_t bytes) const {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(file_, from, std::min(bytes, kMostAtOnce), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to("write");
    from += written;
    offset += static_cast<std::uint64_t>(written);
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::reserve(std::uint64_t bytes) const {
  resize(bytes);
  if (::fallocate(file_, 0, 0, static_cast<off_t>(bytes)) == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EINTR) fail_to("write");
}

void AtomicFile::resize(std::uint64_t bytes) const {
  if (::ftruncate(file_, static_cast<off_t>(bytes)) != 0) fail_to("write");
}

void AtomicFile::flush() const {
  if (::fsync(file_) != 0) fail_to("write");
}

void AtomicFile::start_flush(std::uint64_t offset, std::size_t bytes) const {
  // A hint: commit() flushes everything, and reports what fails.
  ::sync_file_range(file_, static_cast<off_t>(offset), static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE);
}

void AtomicFile::commit() {
  flush();
  // Some file systems tell only now that there is no room.
  if (::close(std::exchange(file_, -1)) != 0) fail_to("write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_to("replace");
  temporary_.clear();
  // The new name survives a power cut only with its directory. Not all file systems can flush one.
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  const int status = ::fsync(directory);
  const int error = errno;
  ::close(directory);
  errno = error;
  if (status != 0 && error != EINVAL && error != ENOTSUP && error != EROFS) fail_to("write");
}

bool is_temporary(std::string_view name) {
  const std::size_t end = name.rfind(kSuffix);
  if (!name.starts_with(kPrefix) || end == std::string_view::npos) return false;
  const std::string_view rest = name.substr(end + kSuffix.size());
  return rest.empty() || rest.starts_with('.');
}

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content.data(), content.size());
  file.commit();
}

}  // namespace backflow::io

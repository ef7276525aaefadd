#include <backflow/train/report/line_reader.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <backflow/runtime/base/error.h>

namespace backflow::train {

LineReader::~LineReader() {
  if (file_ >= 0) {
    ::close(file_);
  }
}

bool LineReader::open() {
  // A pipe would wait for a writer; a directory, or a device, has no lines.
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  check(file >= 0, path_, ": cannot open: ", std::strerror(errno));
  struct stat now = {};
  struct stat before = {};
  const bool regular = ::fstat(file, &now) == 0 && S_ISREG(now.st_mode);
  if (!regular) {
    ::close(file);
    fail(path_, ": not a file: need a regular one");
  }
  const bool same = file_ >= 0 && ::fstat(file_, &before) == 0 && before.st_ino == now.st_ino &&
                    before.st_dev == now.st_dev && now.st_size >= offset_;
  end_ = now.st_size;
  if (same) {
    ::close(file);
    return false;
  }
  if (file_ >= 0) {
    ::close(file_);
  }
  file_ = file;
  offset_ = 0;
  taken_ = searched_ = 0;
  buffer_.clear();
  too_long_ = false;
  return true;
}

bool LineReader::fill() {
  constexpr std::int64_t kBlock = std::int64_t{256} << 10;
  buffer_.erase(0, taken_);
  searched_ -= taken_;
  taken_ = 0;
  const std::size_t before = buffer_.size();
  const auto wanted = static_cast<std::size_t>(std::min(kBlock, end_ - offset_));
  buffer_.resize(before + wanted);
  ssize_t got = 0;
  do {
    got = ::pread(file_, buffer_.data() + before, wanted, offset_);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
  check(got >= 0, path_, ": cannot read: ", std::strerror(errno));
  offset_ += got;
  return got > 0;
}

LineReader::Found LineReader::next(std::string& line) {
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched_);
    if (end != std::string::npos) {
      const bool skip = too_long_ || end - taken_ > longest_;
      line.assign(buffer_, taken_, skip ? 0 : end - taken_);
      taken_ = searched_ = end + 1;
      too_long_ = false;
      return skip ? Found::TooLong : Found::Line;
    }
    searched_ = buffer_.size();
    if (buffer_.size() - taken_ > longest_) {
      too_long_ = true;
      taken_ = buffer_.size();
    }
    if (!fill()) {
      return Found::Nothing;
    }
  }
}

}  // namespace backflow::train

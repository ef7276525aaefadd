#include <backflow/exchange/input_file.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow::io {

// O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
InputFile::InputFile(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  check(file_ >= 0, path, ": cannot open: ", std::strerror(errno));
  struct stat status {};
  const bool known = ::fstat(file_, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    const int error = errno;
    ::close(file_);
    check(known, path, ": cannot open: ", std::strerror(error));
    fail(path, ": not a regular file: need a file of tensors");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::InputFile(std::span<const std::byte> bytes, std::string name)
    : path_(std::move(name)), size_(bytes.size()), bytes_(bytes.data()) {}

InputFile::~InputFile() {
  if (file_ >= 0) ::close(file_);
}

void InputFile::read_at(std::uint64_t offset, void* data, std::size_t bytes) const {
  check(offset <= size_ && bytes <= size_ - offset, path_, ": truncated: need ", bytes, " bytes from offset ", offset,
        ", the file has ", size_);
  if (file_ < 0) {
    if (bytes > 0) std::memcpy(data, bytes_ + offset, bytes);
    return;
  }
  constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // Linux reads at most 2 GiB in one call
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(file_, static_cast<char*>(data) + done, std::min(bytes - done, kMostAtOnce),
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, path_, ": offset ", offset + done, ": cannot read: ", std::strerror(errno));
    check(got > 0, path_, ": became shorter while it was read: need a file that stays as it is");
    done += static_cast<std::size_t>(got);
  }
}

std::string InputFile::text_at(std::uint64_t offset, std::size_t bytes) const {
  std::string text(std::min<std::uint64_t>(bytes, size_ - std::min(size_, offset)), '\0');
  read_at(std::min(size_, offset), text.data(), text.size());
  return text;
}

std::shared_ptr<std::byte> InputFile::map() const {
  const std::size_t bytes = size_;
  if (file_ < 0 || bytes == 0) {
    std::shared_ptr<std::byte> copy(new std::byte[bytes + 1], std::default_delete<std::byte[]>());
    read_at(0, copy.get(), bytes);
    return copy;
  }
  void* const start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file_, 0);
  check(start != MAP_FAILED, path_, ": cannot map ", bytes, " bytes: ", std::strerror(errno));
  return {static_cast<std::byte*>(start), [bytes](std::byte* p) { ::munmap(p, bytes); }};
}

}  // namespace backflow::io

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <zlib.h>

#include <backflow/io/byte_source_internal.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/base/warning.h>

namespace backflow::io::detail {

namespace {

constexpr std::array<std::uint8_t, 2> kMagic = {0x1f, 0x8b};  // what a gzip member starts with

}  // namespace

// The state of the decompression, and the compressed bytes that wait for it.
struct ByteSource::Inflater {
  z_stream stream{};
  std::array<std::uint8_t, 64 * 1024> buffer{};
  bool inside_member = true;
  bool at_end = false;  // behind the last member
};

ByteSource::ByteSource(const std::string& path) : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  check(file_ >= 0, path, ": cannot open: ", std::strerror(errno));
  try {
    struct stat status {};
    check(::fstat(file_, &status) == 0, path, ": cannot open: ", std::strerror(errno));
    check(S_ISREG(status.st_mode), path, ": not a regular file: need a file of data");
    file_bytes_ = static_cast<std::uint64_t>(status.st_size);
    std::array<std::uint8_t, 2> magic{};
    const auto found = ::pread(file_, magic.data(), magic.size(), 0);
    check(found >= 0, path, ": cannot read: ", std::strerror(errno));
    if (found == 2 && magic == kMagic) {
      auto inflater = std::make_unique<Inflater>();
      constexpr int kGzipWindow = 15 + 16;  // the largest window, and the wrapping of gzip alone
      check(inflateInit2(&inflater->stream, kGzipWindow) == Z_OK, path, ": no memory to decompress");
      inflater_ = std::move(inflater);
    }
  } catch (...) {
    ::close(file_);
    throw;
  }
}

ByteSource::~ByteSource() {
  if (inflater_) inflateEnd(&inflater_->stream);
  ::close(file_);
}

std::string ByteSource::where() const {
  return to_text(path_, ": offset ", offset_ - (inflater_ ? inflater_->stream.avail_in : 0));
}

std::uint64_t ByteSource::size_bound() const {
  constexpr std::uint64_t kMostInflation = 1032;  // the limit of the deflate format
  return inflater_ ? file_bytes_ * kMostInflation : file_bytes_;
}

std::size_t ByteSource::read_file(void* data, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::read(file_, static_cast<char*>(data) + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, where(), ": cannot read: ", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    offset_ += static_cast<std::uint64_t>(got);
  }
  return done;
}

bool ByteSource::refill() {
  z_stream& stream = inflater_->stream;
  if (stream.avail_in > 0) return true;
  stream.avail_in = static_cast<uInt>(read_file(inflater_->buffer.data(), inflater_->buffer.size()));
  stream.next_in = inflater_->buffer.data();
  return stream.avail_in > 0;
}

bool ByteSource::another_member() {
  z_stream& stream = inflater_->stream;
  if (stream.avail_in < 2) {  // a member's first bytes may lie on both sides of the end of the buffer
    std::copy_n(stream.next_in, stream.avail_in, inflater_->buffer.data());
    stream.next_in = inflater_->buffer.data();
    stream.avail_in += static_cast<uInt>(
        read_file(inflater_->buffer.data() + stream.avail_in, inflater_->buffer.size() - stream.avail_in));
  }
  return stream.avail_in >= 2 && stream.next_in[0] == kMagic[0] && stream.next_in[1] == kMagic[1];
}

void ByteSource::skip_rest() {
  z_stream& stream = inflater_->stream;
  const std::string start = where();
  while (refill()) {
    const std::uint8_t* const end = stream.next_in + stream.avail_in;
    if (std::any_of(static_cast<const std::uint8_t*>(stream.next_in), end, [](std::uint8_t x) { return x != 0; })) {
      warn(start, ": what follows the gzip stream is ignored: need a file that ends here");
      return;
    }
    stream.avail_in = 0;
  }
}

void ByteSource::start_next_member() {
  check(inflateReset(&inflater_->stream) == Z_OK, where(), ": cannot decompress");
  inflater_->inside_member = true;
}

std::size_t ByteSource::read_inflated(std::uint8_t* data, std::size_t bytes) {
  z_stream& stream = inflater_->stream;
  std::size_t done = 0;
  while (true) {
    // Once the caller has all it asked for, one more round with no room still checks a member that ends just here.
    const bool more = refill();
    if (!inflater_->inside_member) {
      if (!more || inflater_->at_end || done == bytes) return done;
      if (!another_member()) {
        inflater_->at_end = true;
        skip_rest();
        return done;
      }
      start_next_member();
    }
    check(more, where(), ": the gzip stream is truncated: need the rest of the file");
    const std::size_t room = std::min<std::size_t>(bytes - done, 1U << 30);
    std::uint8_t nothing = 0;
    stream.next_out = room > 0 ? data + done : &nothing;
    stream.avail_out = static_cast<uInt>(room);
    const uInt waiting = stream.avail_in;
    const int status = inflate(&stream, Z_NO_FLUSH);
    done += room - stream.avail_out;
    if (status == Z_STREAM_END) {
      inflater_->inside_member = false;
    } else {
      check(status == Z_OK || status == Z_BUF_ERROR, where(), ": the gzip stream is damaged (",
            stream.msg != nullptr ? stream.msg : "no reason given", "): need an intact copy of the file");
      if (room == 0 && stream.avail_in == waiting) return done;
    }
  }
}

std::size_t ByteSource::read(void* data, std::size_t bytes) {
  return inflater_ ? read_inflated(static_cast<std::uint8_t*>(data), bytes) : read_file(data, bytes);
}

}  // namespace backflow::io::detail

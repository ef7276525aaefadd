#include <backflow/io/event_file.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

// The messages of tensorflow/core/util/event.proto and framework/summary.proto, as far as they are needed:
//   Event: 1 wall_time (double), 2 step (int64), 3 file_version (string), 5 summary, 7 session_log
//   Summary: 1 value; Value: 1 tag (string), 2 simple_value (float); SessionLog: 1 status (1 is START)

template <class T>
void append_little_endian(std::string& text, T bits) {
  for (std::size_t i = 0; i < sizeof bits; ++i) text += static_cast<char>((bits >> (8 * i)) & 0xff);
}

void append_varint(std::string& text, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) text += static_cast<char>((value & 0x7f) | 0x80);
  text += static_cast<char>(value);
}

enum class Wire : std::uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

void append_key(std::string& text, std::uint64_t field, Wire wire) {
  append_varint(text, field << 3U | static_cast<std::uint64_t>(wire));
}

void append_bytes(std::string& text, std::uint64_t field, std::string_view bytes) {
  append_key(text, field, Wire::Bytes);
  append_varint(text, bytes.size());
  text += bytes;
}

/// An Event of the present time.
std::string event_of(std::int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  append_key(event, 1, Wire::Fixed64);
  append_little_endian(event, std::bit_cast<std::uint64_t>(now.count()));
  if (step > 0) {
    append_key(event, 2, Wire::Varint);
    append_varint(event, static_cast<std::uint64_t>(step));
  }
  return event;
}

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table = {};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1U ^ (0x82f63b78U & (0U - (crc & 1U)));
    table[i] = crc;
  }
  return table;
}

/// TFRecord stores checksums so that those of data which hold checksums stay good.
std::uint32_t masked(std::uint32_t crc) { return (crc >> 15U | crc << 17U) + 0xa282ead8U; }

std::string host_name() {
  std::array<char, 256> name = {};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) crc = crc >> 8U ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xffU];
  return ~crc;
}

bool EventFile::is_name(const std::string& name) { return name.starts_with(kPrefix); }

EventFile::EventFile(const std::string& directory, std::int64_t first_step) {
  const std::time_t now = std::time(nullptr);
  for (int number = 0; file_ < 0; ++number) {
    path_ = to_text(directory, '/', kPrefix, now, '.', host_name(), '.', ::getpid(), '.', number);
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    check(file_ >= 0 || errno == EEXIST, path_, ": cannot make: ", std::strerror(errno));
  }
  try {
    std::string version = event_of(0);
    append_bytes(version, 3, "brain.Event:2");
    write(version);
    if (first_step > 0) {
      std::string start = event_of(first_step);
      append_bytes(start, 7, std::string_view("\x08\x01", 2));
      write(start);
    }
  } catch (...) {
    ::close(file_);
    throw;
  }
}

EventFile::~EventFile() { ::close(file_); }

void EventFile::scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;
  for (const auto& [tag, number] : values) {
    std::string value;
    append_bytes(value, 1, tag);
    append_key(value, 2, Wire::Fixed32);
    append_little_endian(value, std::bit_cast<std::uint32_t>(static_cast<float>(number)));
    append_bytes(summary, 1, value);
  }
  std::string event = event_of(step);
  append_bytes(event, 5, summary);
  write(event);
}

void EventFile::write(const std::string& event) {
  std::string record;
  append_little_endian(record, static_cast<std::uint64_t>(event.size()));
  append_little_endian(record, masked(crc32c(record)));
  record += event;
  append_little_endian(record, masked(crc32c(event)));
  for (std::size_t done = 0; done < record.size();) {
    const ssize_t written = ::write(file_, record.data() + done, record.size() - done);
    if (written < 0 && errno == EINTR) continue;
    check(written >= 0, path_, ": cannot write: ", std::strerror(errno));
    done += static_cast<std::size_t>(written);
  }
}

}  // namespace backflow::io

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backflow::io {

/// An event file of TensorBoard, with scalars. Records are framed as TFRecord: length, its masked CRC32-C, an Event
/// message of Protocol Buffers, its masked CRC32-C; all little-endian. Not thread-safe.
class EventFile {
 public:
  /// Makes DIRECTORY/events.out.tfevents.TIME.HOST.PROCESS.0, with a number in place of 0 that no file has yet. With
  /// `first_step` above 0, the step from which a resumed run goes on, TensorBoard leaves out what earlier files of the
  /// directory have from that step on. Throws Error.
  explicit EventFile(const std::string& directory, std::int64_t first_step = 0);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// Appends scalars of a step, as {{"train/loss", 0.25}}, as one event of the present time. They are float32. Handed
  /// to the operating system at once. Throws Error when the disk is full.
  void scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);

  const std::string& path() const { return path_; }
  /// Whether this is the name of such a file.
  static bool is_name(const std::string& name);

 private:
  void write(const std::string& event);

  std::string path_;
  int file_ = -1;
};

/// CRC-32C (Castagnoli) of some bytes. "123456789" has 0xe3069283.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace backflow::io

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace backflow::io::detail {

/// The bytes of a regular file, those of its content if it is compressed with gzip (RFC 1952, several members too). As
/// with gzip, zeros behind the last member are padding, and anything else is ignored with a warning. Errors name the
/// file and the offset in it. Not thread-safe.
class ByteSource {
 public:
  /// Throws Error when the file cannot be opened or is no regular file.
  explicit ByteSource(const std::string& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Reads up to `bytes` bytes; fewer only at the end. Throws Error when the file is damaged or cannot be read.
  std::size_t read(void* data, std::size_t bytes);
  /// The most bytes that can come, told from the file's size before anything is decompressed.
  std::uint64_t size_bound() const;
  bool is_compressed() const { return static_cast<bool>(inflater_); }

 private:
  struct Inflater;
  std::size_t read_file(void* data, std::size_t bytes);
  std::size_t read_inflated(std::uint8_t* data, std::size_t bytes);
  bool refill();
  bool another_member();
  void skip_rest();
  void start_next_member();
  std::string where() const;

  std::string path_;
  int file_ = -1;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t offset_ = 0;  // of the file, behind what is in the buffer
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace backflow::io::detail

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace backflow::io {

/// The bytes of a regular file, read at any offset. Every read is checked against the file's size, so a file that
/// another program shortens meanwhile gives an Error and no signal. Thread-safe.
class InputFile {
 public:
  /// Throws Error when the file cannot be opened or is no regular file.
  explicit InputFile(const std::string& path);
  /// Bytes of the caller's, which must outlive this object; `name` stands for the path in messages.
  InputFile(std::span<const std::byte> bytes, std::string name);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Reads exactly `bytes` bytes from `offset` on. Throws Error unless the file has them.
  void read_at(std::uint64_t offset, void* data, std::size_t bytes) const;
  /// The bytes from `offset` on as text: `bytes` of them, or fewer where the file ends.
  std::string text_at(std::uint64_t offset, std::size_t bytes) const;
  /// The whole file, mapped into memory by this call: shared by all who hold the pointer, pages private to this process
  /// (a change is not written back). A file that is shortened while it is mapped ends the process by SIGBUS, as with
  /// every mapping. Bytes of the caller's are not mapped but copied.
  std::shared_ptr<std::byte> map() const;

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
  const std::byte* bytes_ = nullptr;
};

}  // namespace backflow::io

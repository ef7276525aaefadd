#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <backflow/exchange/input_file.h>

namespace backflow::io {

/// Bytes that are read once, from first to last: a part of a file, or the content of an archive's entry. Not
/// thread-safe.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Reads exactly `bytes` bytes. Throws Error when there are fewer or when they are damaged.
  virtual void read(void* data, std::size_t bytes) = 0;
  /// How many bytes are left, as the file declares it.
  virtual std::uint64_t left() const = 0;
  /// For messages: the path, and the entry's name if there is one.
  virtual const std::string& where() const = 0;
};

/// A part of a file. The file must outlive this object.
class FileStream final : public ByteStream {
 public:
  FileStream(const InputFile& file, std::uint64_t offset, std::uint64_t bytes);
  explicit FileStream(const InputFile& file) : FileStream(file, 0, file.size()) {}
  void read(void* data, std::size_t bytes) override;
  std::uint64_t left() const override { return left_; }
  const std::string& where() const override { return file_.path(); }

 private:
  const InputFile& file_;
  std::uint64_t offset_;
  std::uint64_t left_;
};

}  // namespace backflow::io

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <backflow/exchange/byte_stream.h>
#include <backflow/exchange/input_file.h>

namespace backflow::io {

class AtomicFile;

enum class ZipMethod : std::uint8_t { Stored, Deflate };

/// A file inside of a zip archive.
struct ZipEntry {
  std::string name;
  ZipMethod method = ZipMethod::Stored;
  std::uint32_t crc = 0;               ///< CRC-32 of the content
  std::uint64_t compressed_bytes = 0;  ///< in the archive
  std::uint64_t bytes = 0;             ///< of the content
  std::uint64_t offset = 0;            ///< of the first compressed byte in the archive
};

/// A zip archive (PKWARE's APPNOTE 6.3.3), read: stored and deflated entries, zip64. Nothing in it is trusted. An Error
/// are: entries that overlap, leave the file, have two names alike or headers that contradict the directory; encryption
/// and other methods; archives in several parts; and contents that expand to more than 256 MiB and more than 100 times
/// the file. Thread-safe.
class ZipReader {
 public:
  /// Reads the directory. The file must outlive this object.
  explicit ZipReader(const InputFile& file);

  const InputFile& file() const { return file_; }
  /// In the directory's order.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry of that name, or null.
  const ZipEntry* find(const std::string& name) const;
  /// The content of an entry from its start on. Reading its last byte verifies the CRC-32. The stream must not outlive
  /// this object.
  std::unique_ptr<ByteStream> open(const ZipEntry& entry) const;
  /// The whole content. Throws Error when it is longer than `most` bytes.
  std::string read(const ZipEntry& entry, std::uint64_t most) const;

 private:
  const InputFile& file_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, std::size_t> by_name_;
};

/// Writes a zip archive to a file that is written from its start. Entries are stored, uncompressed; their content
/// starts at a multiple of 64 bytes, as PyTorch has it. Dates are 1980-01-01: equal contents give equal files. Sizes
/// from 4 GiB on are written as zip64. Not thread-safe.
class ZipWriter {
 public:
  /// `path` is for messages alone. The file must outlive this object.
  ZipWriter(AtomicFile& file, std::string path);
  /// Throws Error for a name that is empty, longer than 65,279 bytes or there already.
  void add(const std::string& name, std::span<const std::byte> content);
  /// The same, in pieces that follow each other.
  void add(const std::string& name, std::span<const std::span<const std::byte>> pieces);
  /// Writes the directory. Nothing may be added after it. The file is not committed.
  void finish();

 private:
  void write(const std::string& bytes);

  AtomicFile& file_;
  std::string path_;
  std::vector<ZipEntry> entries_;
  std::set<std::string> names_;
  std::vector<std::uint64_t> headers_;  // offsets of the local headers
  std::uint64_t offset_ = 0;
};

}  // namespace backflow::io

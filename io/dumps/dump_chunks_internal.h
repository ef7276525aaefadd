#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/input_file.h>
#include <backflow/io/hdf5/hdf5_storage_internal.h>

namespace backflow::io::detail {

/// What the user block of a dump of format 3 says: the file behind it is cut into chunks, of which each has a CRC-32.
/// docs/file_format.md has the bytes.
struct ChunkTable {
  std::uint64_t file_bytes = 0;
  std::uint64_t block_bytes = 0;  ///< of the user block
  std::uint64_t chunk_bytes = 0;
  std::vector<std::uint32_t> crcs;

  std::uint64_t content_bytes() const { return file_bytes - block_bytes; }
};
/// The length of a user block whose table has place for so many bytes behind it.
std::uint64_t block_bytes_for(std::uint64_t content_bytes, std::uint64_t chunk_bytes);
/// The user block's bytes.
std::string user_block(const ChunkTable& table);
/// None when the file has no such block. Throws Error for one that is damaged or does not fit the file, and for a newer
/// format. The chunks are not read.
std::optional<ChunkTable> read_chunk_table(const InputFile& file);
/// Throws Error: the file does not match its digest.
[[noreturn]] void fail_damaged(const std::string& path, std::uint64_t file_bytes);

/// A tensor's elements as they lie in the file. Offsets count from the end of the user block.
template <class Byte>
struct DataRange {
  std::uint64_t offset = 0;
  std::span<Byte> data;
  std::uint32_t crc = 0;  ///< of the data, once they are written or read
};

/// Fills the ranges from a file without a table, on the threads of the pool, and sets their `crc`. Offsets count from
/// the file's start.
void read_ranges(const InputFile& file, std::span<DataRange<std::byte>> ranges);

/// Bytes of one chunk, with their CRC-32. Offsets count from the end of the user block.
struct ChunkPiece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
};
/// The pieces that the chunks of a dump that is written cut its data into, with their CRC-32, which the threads of the
/// pool make.
std::vector<ChunkPiece> pieces_of(std::span<const DataRange<const std::byte>> ranges);

/// Writes a dump around HDF5's own structures: data go from the tensors into the file, on the threads of the pool, and
/// their CRC-32 is made on the way.
class ChunkWriter {
 public:
  /// For a file of `content_bytes` behind the user block, or up to a chunk more. `target` must outlive this object.
  ChunkWriter(const AtomicFile& target, std::uint64_t content_bytes);

  /// Writes the ranges, of any order, and sets their `crc`.
  void write(std::span<DataRange<const std::byte>> ranges);
  /// Takes note of data that somebody else has written.
  void add(const ChunkPiece& piece);
  /// Writes what lies between the data, and the user block.
  void finish(Hdf5MemoryStorage& structure);

  /// Of the user block.
  std::uint64_t block_bytes() const { return table_.block_bytes; }

 private:
  void write_piece(ChunkPiece& piece, const std::byte* data) const;
  std::uint32_t finish_chunk(std::vector<ChunkPiece>& pieces, std::uint64_t start, std::uint64_t end,
                             Hdf5MemoryStorage& structure) const;

  const AtomicFile& target_;
  ChunkTable table_;
  std::vector<std::vector<ChunkPiece>> chunks_;  // what is written, by chunk
};

/// A dump of format 3 that is read. HDF5 sees bytes of chunks alone that match the table. read_data() calls no HDF5.
class ChunkReader : public Hdf5Storage {
 public:
  /// `file` must outlive this object.
  ChunkReader(const InputFile& file, ChunkTable table);

  void read(std::uint64_t offset, std::span<std::byte> to) override;
  void write(std::uint64_t offset, std::span<const std::byte> from) override;

  /// Fills the ranges, which are sorted and do not overlap, and sets their `crc`. Reads and checks all chunks on the
  /// way, on the threads of the pool. Throws Error for a damaged one.
  void read_data(std::span<DataRange<std::byte>> ranges) const;

 private:
  struct Part {
    std::size_t range = 0;
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };
  const std::vector<std::byte>& chunk(std::uint64_t index);
  std::vector<Part> read_chunk(std::uint64_t index, std::span<DataRange<std::byte>> ranges) const;

  const InputFile& file_;
  ChunkTable table_;
  std::deque<std::pair<std::uint64_t, std::vector<std::byte>>> kept_;  // chunks that HDF5 has read last
};

}  // namespace backflow::io::detail

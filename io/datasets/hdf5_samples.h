#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// A dataset of an HDF5 file whose first dimension counts samples. Any layout (contiguous, compact, chunked) and the
/// compression that the library has: gzip, shuffle, fletcher32, szip. Samples are read as they are asked for, through a
/// bounded cache of blocks of rows; a block is what one row of chunks holds, or about 1 MiB.
///
/// HDF5 1.10 can crash or hang on a damaged file. So a child process opens the file first, reads its structure and some
/// of its data; when that fails in such a way, the file is an Error (see guarded_read.h). Sizes are compared with the
/// file's before memory is asked for. Not accepted: data in other files (external, virtual), filters that HDF5 finds as
/// plugins, and chunks that need more memory than the cache has.
///
/// Thread-safe. One lock guards all calls of HDF5. Chunks of whole rows that are packed by gzip alone, or by shuffle
/// and gzip, and hold numbers as memory does, are unpacked outside of it, so that several threads do so at a time.
class Hdf5Samples {
 public:
  /// Opens dataset `name` of a file. Throws Error, which names file and dataset.
  Hdf5Samples(const std::string& path, const std::string& name, std::uint64_t cache_bytes);
  ~Hdf5Samples();
  Hdf5Samples(const Hdf5Samples&) = delete;
  Hdf5Samples& operator=(const Hdf5Samples&) = delete;

  /// [n, ...]; at least one dimension.
  const DimVector& sizes() const;
  /// uint8 for unsigned bytes, int64 for other integers and truth values, float32 for floating-point numbers of up to 4
  /// bytes, else float64.
  ScalarType dtype() const;
  /// Bytes of a row, and of all.
  std::uint64_t row_bytes() const;
  std::uint64_t bytes() const;
  /// Rows of a block, and blocks in the cache.
  std::int64_t block_rows() const;
  std::int64_t kept_blocks() const;

  /// All rows, row-major, past the cache.
  Tensor read_all() const;
  /// Writes these rows to `to`, one behind the other.
  void read_rows(std::span<const std::int64_t> rows, std::byte* to) const;

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace backflow::io

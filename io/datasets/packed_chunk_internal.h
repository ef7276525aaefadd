#pragma once

#include <cstddef>
#include <span>

namespace backflow::io::detail {

/// How the chunks of an HDF5 dataset are packed: by gzip, in some datasets after HDF5's shuffle filter, which puts the
/// first bytes of all elements in front, then the second ones, and so on.
struct ChunkPacking {
  bool shuffled = false;
  std::size_t element_bytes = 1;
};

/// Unpacks a chunk into `to`, which has its full size. False when the bytes are no gzip data of that size.
///
/// Done with libdeflate, which takes half of zlib's time. HDF5 unpacks with zlib, under its lock.
bool unpack_chunk(std::span<const std::byte> packed, const ChunkPacking& packing, std::span<std::byte> to);

}  // namespace backflow::io::detail

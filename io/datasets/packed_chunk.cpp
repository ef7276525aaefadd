#include <memory>
#include <new>
#include <vector>

#include <libdeflate.h>

#include <backflow/io/datasets/packed_chunk_internal.h>

namespace backflow::io::detail {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* decompressor) const { libdeflate_free_decompressor(decompressor); }
};

bool inflate_all(std::span<const std::byte> packed, std::span<std::byte> to) {
  const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  // Without a place for the size it succeeds for data of exactly this size alone.
  return libdeflate_zlib_decompress(decompressor.get(), packed.data(), packed.size(), to.data(), to.size(), nullptr) ==
         LIBDEFLATE_SUCCESS;
}

}  // namespace

bool unpack_chunk(std::span<const std::byte> packed, const ChunkPacking& packing, std::span<std::byte> to) {
  const std::size_t width = packing.element_bytes;
  if (!packing.shuffled || width <= 1) return inflate_all(packed, to);
  std::vector<std::byte> shuffled(to.size());
  if (!inflate_all(packed, shuffled)) return false;
  const std::size_t elements = to.size() / width;
  for (std::size_t byte = 0; byte < width; ++byte) {
    const std::byte* const from = shuffled.data() + byte * elements;
    for (std::size_t i = 0; i < elements; ++i) to[i * width + byte] = from[i];
  }
  return true;
}

}  // namespace backflow::io::detail

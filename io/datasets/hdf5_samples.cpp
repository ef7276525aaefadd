#include <backflow/io/datasets/hdf5_samples.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <vector>

#include <backflow/io/datasets/block_cache_internal.h>
#include <backflow/io/datasets/open_samples_internal.h>
#include <backflow/io/dump.h>
#include <backflow/io/dumps/guarded_read_internal.h>

namespace backflow::io {

using namespace detail;

namespace detail {

// Walks the index of chunks, and reads the first 64 blocks and the last: the structure is tried as a whole, of the
// data a part. Damaged data are no danger, since they are compared with their sizes when they are unpacked.
void try_out_samples(const std::string& path, const std::string& name, std::uint64_t cache_bytes) {
  const OpenSamples samples(path, name);
  samples.count_chunks();
  const std::int64_t rows = samples.block_rows();
  const std::uint64_t bytes = samples.row_bytes * static_cast<std::uint64_t>(rows);
  if (bytes > cache_bytes) return;
  std::vector<std::byte> block(bytes);
  const std::int64_t n = samples.sizes[0];
  constexpr std::int64_t kAll = 64;  // a small file is tried as a whole
  const std::int64_t blocks = (n + rows - 1) / rows;
  for (std::int64_t i = 0; i < blocks; ++i) {
    if (i >= kAll && i + 1 < blocks) continue;
    const std::int64_t count = std::min(rows, n - i * rows);
    const std::vector<std::vector<std::byte>> chunks = samples.packed_chunks(i * rows, count);
    chunks.empty() ? samples.read(i * rows, count, block.data())
                   : samples.unpack(chunks, i * rows, count, block.data());
  }
}

}  // namespace detail

struct Hdf5Samples::Body {
  std::unique_ptr<OpenSamples> samples;
  std::int64_t block_rows = 1;
  std::size_t kept_blocks = 1;
  std::unique_ptr<BlockCache> cache;
  mutable std::array<std::mutex, 64> turns;  // by block number, so that one thread reads a block

  ~Body() {
    const Hdf5Lock lock;
    samples.reset();
  }

  std::int64_t rows_of(std::int64_t number) const {
    return std::min(block_rows, samples->sizes[0] - number * block_rows);
  }

  /// Reads a block. Where it can be unpacked without HDF5, other threads read and unpack theirs meanwhile.
  void load(std::int64_t number, std::byte* to) const {
    const std::int64_t first = number * block_rows;
    std::vector<std::vector<std::byte>> chunks;
    {
      const Hdf5Lock lock;
      chunks = samples->packed_chunks(first, rows_of(number));
      if (chunks.empty()) return samples->read(first, rows_of(number), to);
    }
    samples->unpack(chunks, first, rows_of(number), to);
  }

  BlockCache::Block block(std::int64_t number) const {
    if (BlockCache::Block found = cache->find(number)) return found;
    const std::lock_guard turn(turns[static_cast<std::size_t>(number) % turns.size()]);
    if (BlockCache::Block found = cache->find(number)) return found;  // read by another thread meanwhile
    auto bytes =
        std::make_shared<std::vector<std::byte>>(samples->row_bytes * static_cast<std::uint64_t>(rows_of(number)));
    load(number, bytes->data());
    cache->add(number, bytes);
    return bytes;
  }
};

Hdf5Samples::Hdf5Samples(const std::string& path, const std::string& name, std::uint64_t cache_bytes)
    : body_(std::make_unique<Body>()) {
  start_hdf5();
  std::error_code error;
  check(std::filesystem::is_regular_file(path, error), path, ": no such file: need an HDF5 file");
  read_in_child({path, name, cache_bytes}, [&] { try_out_samples(path, name, cache_bytes); });
  const Hdf5Lock lock;
  body_->samples = std::make_unique<OpenSamples>(path, name);
  const OpenSamples& samples = *body_->samples;
  body_->block_rows = samples.block_rows();
  const std::uint64_t block_bytes = samples.row_bytes * static_cast<std::uint64_t>(body_->block_rows);
  check(block_bytes <= cache_bytes, path, ": '", name, "' is read in blocks of ", body_->block_rows, " rows, ",
        block_bytes, " bytes: need at most the ", cache_bytes,
        " of the cache; 'h5repack -l CHUNK=...' makes a copy in smaller chunks");
  body_->kept_blocks = static_cast<std::size_t>(cache_bytes / block_bytes);
  body_->cache = std::make_unique<BlockCache>(body_->kept_blocks);
}

Hdf5Samples::~Hdf5Samples() = default;

const DimVector& Hdf5Samples::sizes() const { return body_->samples->sizes; }
ScalarType Hdf5Samples::dtype() const { return body_->samples->dtype; }
std::uint64_t Hdf5Samples::row_bytes() const { return body_->samples->row_bytes; }
std::uint64_t Hdf5Samples::bytes() const { return row_bytes() * static_cast<std::uint64_t>(sizes()[0]); }
std::int64_t Hdf5Samples::block_rows() const { return body_->block_rows; }
std::int64_t Hdf5Samples::kept_blocks() const { return static_cast<std::int64_t>(body_->kept_blocks); }

Tensor Hdf5Samples::read_all() const {
  Tensor all = empty_tensor(sizes(), dtype());
  auto* to = static_cast<std::byte*>(all.mutable_data_ptr());
  const std::uint64_t block_bytes = row_bytes() * static_cast<std::uint64_t>(body_->block_rows);
  for (std::int64_t number = 0; number * body_->block_rows < sizes()[0]; ++number) {
    body_->load(number, to + static_cast<std::uint64_t>(number) * block_bytes);
  }
  return all;
}

void Hdf5Samples::read_rows(std::span<const std::int64_t> rows, std::byte* to) const {
  const std::uint64_t bytes = row_bytes();
  std::vector<std::size_t> places(rows.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  // By block, so that a small cache reads none twice.
  std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return rows[a] < rows[b]; });
  std::int64_t number = -1;
  BlockCache::Block block;
  for (const std::size_t place : places) {
    const std::int64_t row = rows[place];
    if (row / body_->block_rows != number) {
      number = row / body_->block_rows;
      block = body_->block(number);
    }
    std::memcpy(to + place * bytes, block->data() + static_cast<std::uint64_t>(row % body_->block_rows) * bytes, bytes);
  }
}

}  // namespace backflow::io

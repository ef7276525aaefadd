#include <backflow/io/datasets/hdf5_samples.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <vector>

#include <backflow/io/datasets/block_cache_internal.h>
#include <backflow/io/datasets/probe_internal.h>
#include <backflow/io/dump.h>
#include <backflow/io/hdf5_internal.h>

namespace backflow::io {
namespace {

using namespace detail;

constexpr std::uint64_t kUsualBlock = std::uint64_t{1} << 20;

/// An open dataset and what was found of it. Made, used and closed under the lock.
struct OpenSamples {
  std::string path;
  std::string name;
  std::string what;
  Hdf5File file;
  Hdf5Dataset dataset;
  DimVector sizes;
  ScalarType dtype = kFloat32;
  std::int64_t chunk_rows = 0;  // 0: not chunked
  std::uint64_t row_bytes = 0;

  OpenSamples(const std::string& path, const std::string& name)
      : path(path),
        name(name),
        what("read '" + name + "'"),
        file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), path, "open"),
        dataset(open()) {
    read_sizes();
    read_type();
    check_storage();
  }

  Hdf5Dataset open() const {
    const Hdf5Object object(H5Oopen(file, name.c_str(), H5P_DEFAULT), path, what);
    check(H5Iget_type(object) == H5I_DATASET, path, ": '", name,
          "' is no dataset: need one with a row for each sample");
    const Hdf5Properties access(H5Pcreate(H5P_DATASET_ACCESS), path, what);
    // A block reads each chunk once: HDF5's own cache would only hold them a second time.
    if (H5Pset_chunk_cache(access, 1, 0, 1) < 0) fail_hdf5(path, what);
    return {H5Dopen2(file, name.c_str(), access), path, what};
  }

  void read_sizes() {
    const Hdf5Space space(H5Dget_space(dataset), path, what);
    const int rank = H5Sget_simple_extent_type(space) == H5S_SIMPLE ? H5Sget_simple_extent_ndims(space) : 0;
    check(rank >= 1 && static_cast<std::size_t>(rank) <= kMaxDims, path, ": '", name, "' has ", rank,
          " dimensions: need 1 to ", kMaxDims, ", the first of samples");
    hsize_t dims[H5S_MAX_RANK] = {};
    H5Sget_simple_extent_dims(space, dims, nullptr);
    for (int i = 0; i < rank; ++i) {
      check(dims[i] > 0 && dims[i] <= INT64_MAX, path, ": '", name, "' has a dimension of ", dims[i],
            ": need at least 1 and at most 2^63 - 1");
      sizes.push_back(static_cast<std::int64_t>(dims[i]));
    }
  }

  void read_type() {
    const Hdf5Type type(H5Dget_type(dataset), path, what);
    const H5T_class_t kind = H5Tget_class(type);
    const std::size_t bytes = H5Tget_size(type);
    if (kind == H5T_FLOAT) {
      dtype = bytes <= sizeof(float) ? kFloat32 : kFloat64;
    } else if (kind == H5T_INTEGER) {
      dtype = bytes == 1 && H5Tget_sign(type) == H5T_SGN_NONE ? kUInt8 : kInt64;
    } else {
      check(kind == H5T_ENUM && H5Tequal(type, bool_type(path, what)) > 0, path, ": '", name,
            "' holds no numbers: need floating-point numbers, integers or truth values");
      dtype = kInt64;
    }
  }

  hid_t memory_type() const {
    return dtype == kUInt8     ? H5T_NATIVE_UINT8
           : dtype == kInt64   ? H5T_NATIVE_INT64
           : dtype == kFloat32 ? H5T_NATIVE_FLOAT
                               : H5T_NATIVE_DOUBLE;
  }

  /// Compares sizes with the file's, and finds the rows of a chunk.
  void check_storage() {
    const Hdf5Properties creation(H5Dget_create_plist(dataset), path, what);
    const H5D_layout_t layout = H5Pget_layout(creation);
    check(layout != H5D_VIRTUAL && H5Pget_external_count(creation) == 0, path, ": '", name,
          "' has its data in another file: need them in this one");
    std::uint64_t bytes = element_size(dtype);
    bool fits = true;
    for (std::size_t i = 1; i < sizes.size(); ++i) fits = fits && !__builtin_mul_overflow(bytes, sizes[i], &bytes);
    row_bytes = bytes;
    fits = fits && !__builtin_mul_overflow(bytes, sizes[0], &bytes) && bytes <= INT64_MAX;
    check(fits, path, ": '", name, "' has sizes ", sizes, ": need fewer than 2^63 bytes");
    // Numbers of a byte may become eight in memory.
    constexpr std::uint64_t kMostGrowth = 8;
    const std::uint64_t file_bytes = std::filesystem::file_size(path);
    const std::uint64_t most_compression = layout == H5D_CHUNKED ? 2000 : 1;
    check(bytes / (kMostGrowth * most_compression) <= file_bytes, path, ": '", name, "' has sizes ", sizes,
          " in a file of ", file_bytes, " bytes: need a file that holds them");
    if (layout == H5D_CHUNKED) read_chunks(creation);
  }

  void read_chunks(hid_t creation) {
    hsize_t dims[H5S_MAX_RANK] = {};
    if (H5Pget_chunk(creation, static_cast<int>(sizes.size()), dims) < 0) fail_hdf5(path, what);
    chunk_rows = static_cast<std::int64_t>(std::min<hsize_t>(dims[0], static_cast<hsize_t>(sizes[0])));
    const int filters = H5Pget_nfilters(creation);
    for (int i = 0; i < filters; ++i) {
      unsigned flags = 0;
      unsigned config = 0;
      std::size_t values = 0;
      char filter_name[64] = "";
      const H5Z_filter_t filter = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr,
                                                 sizeof filter_name, filter_name, &config);
      const bool known = filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE ||
                         filter == H5Z_FILTER_FLETCHER32 || filter == H5Z_FILTER_SZIP;
      check(known && H5Zfilter_avail(filter) > 0, path, ": '", name, "' is compressed by filter ", filter, " (",
            filter_name, "): need gzip, shuffle, fletcher32 or szip; 'h5repack -f GZIP=4' makes a copy so");
    }
  }

  /// Reads `count` rows from `first` on.
  void read(std::int64_t first, std::int64_t count, void* to) const {
    const Hdf5Space space(H5Dget_space(dataset), path, what);
    hsize_t start[H5S_MAX_RANK] = {static_cast<hsize_t>(first)};
    hsize_t counts[H5S_MAX_RANK] = {static_cast<hsize_t>(count)};
    for (std::size_t i = 1; i < sizes.size(); ++i) counts[i] = static_cast<hsize_t>(sizes[i]);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, counts, nullptr) < 0) fail_hdf5(path, what);
    const Hdf5Space memory(H5Screate_simple(static_cast<int>(sizes.size()), counts, nullptr), path, what);
    if (H5Dread(dataset, memory_type(), memory, space, H5P_DEFAULT, to) < 0) fail_hdf5(path, what);
  }

  /// Rows that are read at once.
  std::int64_t block_rows() const {
    const std::int64_t unit = std::max<std::int64_t>(chunk_rows, 1);
    const auto units = static_cast<std::int64_t>(
        kUsualBlock / std::max<std::uint64_t>(1, row_bytes * static_cast<std::uint64_t>(unit)));
    return std::min(sizes[0], unit * std::max<std::int64_t>(units, 1));
  }
};

/// Reads the first and the last block, whose chunks lead through most of the file's structure.
void try_out(const std::string& path, const std::string& name, std::uint64_t cache_bytes) {
  const OpenSamples samples(path, name);
  const std::int64_t rows = samples.block_rows();
  const std::uint64_t bytes = samples.row_bytes * static_cast<std::uint64_t>(rows);
  if (bytes > cache_bytes) return;
  std::vector<std::byte> block(bytes);
  const std::int64_t n = samples.sizes[0];
  constexpr std::int64_t kAll = 64;  // a small file is tried as a whole
  const std::int64_t blocks = (n + rows - 1) / rows;
  for (std::int64_t i = 0; i < blocks; ++i) {
    if (i < kAll || i + 1 == blocks) samples.read(i * rows, std::min(rows, n - i * rows), block.data());
  }
}

}  // namespace

struct Hdf5Samples::Body {
  std::unique_ptr<OpenSamples> samples;
  std::int64_t block_rows = 1;
  std::size_t kept_blocks = 1;
  std::unique_ptr<BlockCache> cache;

  ~Body() {
    const Hdf5Lock lock;
    samples.reset();
  }

  BlockCache::Block block(std::int64_t number) const {
    if (BlockCache::Block found = cache->find(number)) return found;
    const Hdf5Lock lock;
    if (BlockCache::Block found = cache->find(number)) return found;  // read by another thread meanwhile
    const std::int64_t first = number * block_rows;
    const std::int64_t count = std::min(block_rows, samples->sizes[0] - first);
    auto bytes = std::make_shared<std::vector<std::byte>>(samples->row_bytes * static_cast<std::uint64_t>(count));
    samples->read(first, count, bytes->data());
    cache->add(number, bytes);
    return bytes;
  }
};

Hdf5Samples::Hdf5Samples(const std::string& path, const std::string& name, std::uint64_t cache_bytes)
    : body_(std::make_unique<Body>()) {
  start_hdf5();
  std::error_code error;
  check(std::filesystem::is_regular_file(path, error), path, ": no such file: need an HDF5 file");
  const Hdf5Lock lock;
  probe_in_child(path, [&] { try_out(path, name, cache_bytes); });
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
  const Hdf5Lock lock;
  auto* to = static_cast<std::byte*>(all.mutable_data_ptr());
  for (std::int64_t first = 0; first < sizes()[0]; first += body_->block_rows) {
    const std::int64_t count = std::min(body_->block_rows, sizes()[0] - first);
    body_->samples->read(first, count, to + static_cast<std::uint64_t>(first) * row_bytes());
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

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <backflow/io/datasets/packed_chunk_internal.h>
#include <backflow/io/hdf5/hdf5_internal.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io::detail {

constexpr std::uint64_t kUsualBlock = std::uint64_t{1} << 20;

/// An open dataset of samples and what was found of it: see Hdf5Samples. Made, used and closed under Hdf5Lock, but for
/// unpack().
struct OpenSamples {
  std::string path;
  std::string name;
  std::string what;
  Hdf5File file;
  Hdf5Dataset dataset;
  DimVector sizes;
  ScalarType dtype = kFloat32;
  bool is_native = false;               // memory and file have the numbers in the same form
  std::int64_t chunk_rows = 0;          // 0: not chunked
  std::optional<ChunkPacking> packing;  // of chunks that need not be unpacked by HDF5
  std::uint64_t row_bytes = 0;

  OpenSamples(const std::string& of_path, const std::string& of_name)
      : path(of_path),
        name(of_name),
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
    is_native = H5Tequal(type, memory_type()) > 0;
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
    std::vector<H5Z_filter_t> found;
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
      found.push_back(filter);
    }
    bool whole_rows = dims[0] <= static_cast<hsize_t>(sizes[0]);
    for (std::size_t i = 1; i < sizes.size(); ++i) whole_rows = whole_rows && dims[i] == static_cast<hsize_t>(sizes[i]);
    const bool shuffled = !found.empty() && found.front() == H5Z_FILTER_SHUFFLE;
    if (shuffled) found.erase(found.begin());
    if (is_native && whole_rows && found == std::vector<H5Z_filter_t>{H5Z_FILTER_DEFLATE}) {
      packing = ChunkPacking{shuffled, element_size(dtype)};
    }
  }

  /// The number of stored chunks, for which HDF5 reads the whole index of them; 0 where there is none.
  hsize_t count_chunks() const {
    hsize_t count = 0;
    const Hdf5Space space(H5Dget_space(dataset), path, what);  // HDF5 1.10 takes no H5S_ALL here
    if (chunk_rows > 0 && H5Dget_num_chunks(dataset, space, &count) < 0) fail_hdf5(path, what);
    return count;
  }

  /// The packed bytes of the chunk that begins with this row; none where HDF5 has to read it.
  std::vector<std::byte> packed_chunk(std::int64_t first) const {
    hsize_t offset[H5S_MAX_RANK] = {static_cast<hsize_t>(first)};
    hsize_t bytes = 0;
    const std::uint64_t most = 2 * row_bytes * static_cast<std::uint64_t>(chunk_rows) + 1024;  // gzip adds little
    if (H5Dget_chunk_storage_size(dataset, offset, &bytes) < 0 || bytes > most) return {};
    std::vector<std::byte> packed(bytes);
    std::uint32_t left_out = 0;  // filters, of this chunk
    if (bytes == 0 || H5Dread_chunk(dataset, H5P_DEFAULT, offset, &left_out, packed.data()) < 0 || left_out != 0) {
      return {};
    }
    return packed;
  }

  /// Those of all chunks of these rows, which begin with a chunk; nothing where HDF5 has to read one of them.
  std::vector<std::vector<std::byte>> packed_chunks(std::int64_t first, std::int64_t count) const {
    std::vector<std::vector<std::byte>> chunks;
    for (std::int64_t row = first; packing && row < first + count; row += chunk_rows) {
      chunks.push_back(packed_chunk(row));
      if (chunks.back().empty()) return {};
    }
    return chunks;
  }

  /// Needs no lock.
  void unpack(const std::vector<std::vector<std::byte>>& chunks, std::int64_t first, std::int64_t count,
              std::byte* to) const {
    const std::uint64_t whole = row_bytes * static_cast<std::uint64_t>(chunk_rows);
    std::uint64_t left = row_bytes * static_cast<std::uint64_t>(count);
    std::vector<std::byte> last;  // the dataset may end within a chunk
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const std::uint64_t bytes = std::min(whole, left);
      if (bytes < whole) last.resize(whole);
      const std::span<std::byte> place(bytes < whole ? last.data() : to, whole);
      check(unpack_chunk(chunks[i], *packing, place), path, ": '", name, "': the chunk of sample ",
            first + static_cast<std::int64_t>(i) * chunk_rows, ", counted from 0, is damaged: need an intact copy");
      if (bytes < whole) std::memcpy(to, last.data(), bytes);
      to += bytes;
      left -= bytes;
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

/// In a child process: does what Hdf5Samples does with such a file. Called under Hdf5Lock. Throws Error.
void try_out_samples(const std::string& path, const std::string& name, std::uint64_t cache_bytes);

}  // namespace backflow::io::detail

#include <algorithm>
#include <utility>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dump_reader_internal.h>

namespace backflow::io::detail {

// Memory is asked for once it is known that the tensors lie apart, so that all together fit the file.
void DumpReader::read_deferred(const ChunkReader& chunks, RawDump& dump) {
  std::sort(deferred_.begin(), deferred_.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::uint64_t end = 0;
  for (const Deferred& tensor : deferred_) {
    const DumpEntry& entry = dump.entries[tensor.entry];
    check(tensor.offset >= end, path_, ": '/", entry.group, "/", entry.name,
          "' lies on top of another tensor: need data that are apart");
    end = tensor.offset + tensor.bytes();
  }
  std::vector<DataRange<std::byte>> ranges;
  for (const Deferred& tensor : deferred_) {
    Tensor& x = dump.entries[tensor.entry].value = empty_tensor(tensor.sizes, tensor.dtype);
    ranges.push_back({tensor.offset, {static_cast<std::byte*>(x.mutable_data_ptr()), x.nbytes()}, 0});
  }
  chunks.read_data(ranges);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    DumpEntry& entry = dump.entries[deferred_[i].entry];
    entry.checksum = ranges[i].crc;
    if (entry.type == ElementType::Bool) check_truth(entry.value, "/" + entry.group + "/" + entry.name);
  }
}

DumpEntry DumpReader::read_tensor(hid_t group, const std::string& group_name, const std::string& name,
                                  std::size_t index) {
  const std::string full = "/" + group_name + "/" + name;
  const Hdf5Object dataset = open_object(group, name, full);
  check(H5Iget_type(dataset) == H5I_DATASET, path_, ": '", full, "' is no dataset: need one for each tensor, as '/",
        group_name, "/0.weight'");
  const ElementType type = type_of(dataset, full);
  const DimVector sizes = sizes_of(dataset, full);
  check_storage(dataset, full, sizes, type);
  DumpEntry entry{group_name, name, type, {}, {}, 0};
  if (has_attribute(dataset, "checksum", path_)) {
    const bool named = has_attribute(dataset, "checksum_kind", path_);
    const std::string kind = named ? read_text_attribute(dataset, "checksum_kind", path_) : "crc32";
    check(kind == "crc32", path_, ": '", full, "' has a checksum of kind '", kind, "': need crc32");
    entry.stated_checksum = read_integer_attribute(dataset, "checksum", path_);
  }
  const Hdf5Type file_type(H5Dget_type(dataset), path_, "read '" + full + "'");
  if (defer(dataset, full, file_type, {index, 0, sizes, dtype_of_elements(type)})) return entry;
  entry.value = empty_tensor(sizes, dtype_of_elements(type));
  read_elements(dataset, file_type, entry, full);
  return entry;
}

// Elements that lie in one piece, as they are in memory, are left to read_deferred().
bool DumpReader::defer(hid_t dataset, const std::string& name, hid_t file_type, Deferred tensor) {
  const Hdf5Properties creation(H5Dget_create_plist(dataset), path_, "read '" + name + "'");
  const bool is_possible = content_bytes_ && H5Pget_layout(creation) == H5D_CONTIGUOUS &&
                           H5Tget_order(file_type) != H5T_ORDER_BE &&
                           H5Tget_size(file_type) == element_size(tensor.dtype) && numel_of(tensor.sizes) > 0;
  if (!is_possible) return false;
  tensor.offset = H5Dget_offset(dataset);
  const bool is_inside = tensor.offset <= *content_bytes_ && tensor.bytes() <= *content_bytes_ - tensor.offset;
  check(is_inside, path_, ": '", name, "' lies outside of the file: need a file that holds it");
  deferred_.push_back(std::move(tensor));
  return true;
}

void DumpReader::read_elements(hid_t dataset, hid_t file_type, DumpEntry& entry, const std::string& full) const {
  const std::string what = "read '" + full + "'";
  const std::span<std::byte> bytes{static_cast<std::byte*>(entry.value.mutable_data_ptr()), entry.value.nbytes()};
  if (entry.type == ElementType::Float16) {  // which no tensor has
    std::vector<std::byte> half(bytes.size() / 2);
    const Hdf5Type type = half_type(path_, what);
    if (!half.empty() && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, half.data()) < 0) fail_hdf5(path_, what);
    decode_elements(entry.type, ByteOrder::Little, half, entry.value, 0, path_);
    entry.checksum = crc32(half);
    return;
  }
  const Hdf5Type memory_type(H5Tget_native_type(file_type, H5T_DIR_ASCEND), path_, what);
  if (!bytes.empty() && H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    fail_hdf5(path_, what);
  }
  if (entry.type == ElementType::Bool) check_truth(entry.value, full);
  entry.checksum = crc32(bytes);
}

ElementType DumpReader::type_of(hid_t dataset, const std::string& name) const {
  const std::string what = "read '" + name + "'";
  const Hdf5Type type(H5Dget_type(dataset), path_, what);
  using enum ElementType;
  for (const auto& [file_type, known] :
       {std::pair(H5T_IEEE_F32LE, Float32), std::pair(H5T_IEEE_F32BE, Float32), std::pair(H5T_IEEE_F64LE, Float64),
        std::pair(H5T_IEEE_F64BE, Float64), std::pair(H5T_STD_I64LE, Int64), std::pair(H5T_STD_I64BE, Int64),
        std::pair(H5T_STD_I32LE, Int32), std::pair(H5T_STD_I32BE, Int32), std::pair(H5T_STD_U8LE, UInt8),
        std::pair(H5T_STD_U8BE, UInt8)}) {
    if (H5Tequal(type, file_type) > 0) return known;
  }
  if (H5Tequal(type, bool_type(path_, what)) > 0) return Bool;
  if (H5Tequal(type, half_type(path_, what)) > 0) return Float16;
  const bool is_short = H5Tequal(type, H5T_STD_U16LE) > 0 || H5Tequal(type, H5T_STD_U16BE) > 0;
  if (is_short && has_attribute(dataset, "dtype", path_) &&
      read_text_attribute(dataset, "dtype", path_) == io::name(BFloat16)) {
    return BFloat16;
  }
  fail(path_, ": '", name, "' has another dtype (", H5Tget_size(type),
       " bytes an element): need float32, float64, float16, bfloat16, int32, int64, uint8 or bool");
}

// A file may have any byte where C++ knows but two.
void DumpReader::check_truth(const Tensor& x, const std::string& name) const {
  const auto* bytes = static_cast<const unsigned char*>(x.const_data_ptr());
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    check(bytes[i] <= 1, path_, ": '", name, "' has a truth value of ", int{bytes[i]}, ": need 0 or 1");
  }
}

DimVector DumpReader::sizes_of(hid_t dataset, const std::string& name) const {
  const Hdf5Space space(H5Dget_space(dataset), path_, "read '" + name + "'");
  check(H5Sget_simple_extent_type(space) != H5S_NULL, path_, ": '", name, "' has no data: need a tensor");
  const int rank = H5Sget_simple_extent_ndims(space);
  check(rank >= 0 && static_cast<std::size_t>(rank) <= kMaxDims, path_, ": '", name, "' has ", rank,
        " dimensions: need at most ", kMaxDims);
  hsize_t sizes[H5S_MAX_RANK] = {};
  H5Sget_simple_extent_dims(space, sizes, nullptr);
  DimVector result;
  for (int i = 0; i < rank; ++i) {
    check(sizes[i] <= INT64_MAX, path_, ": '", name, "' has a dimension of ", sizes[i], ": need at most 2^63 - 1");
    result.push_back(static_cast<std::int64_t>(sizes[i]));
  }
  return result;
}

void DumpReader::check_storage(hid_t dataset, const std::string& name, const DimVector& sizes, ElementType type) const {
  const Hdf5Properties creation(H5Dget_create_plist(dataset), path_, "read '" + name + "'");
  const H5D_layout_t layout = H5Pget_layout(creation);
  const bool inside = layout != H5D_VIRTUAL && H5Pget_external_count(creation) == 0;
  check(inside, path_, ": '", name, "' has its data in another file: need them in this one");
  std::int64_t bytes = static_cast<std::int64_t>(element_size(type));
  bool fits = true;
  for (const std::int64_t size : sizes)
    fits = fits && !__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
  check(fits, path_, ": '", name, "' has sizes ", sizes, ": need fewer than 2^63 bytes");
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) bytes = 0;
  if (layout == H5D_CHUNKED) {
    constexpr std::int64_t kMostCompression = 2000;
    check(bytes / kMostCompression <= file_bytes_, path_, ": '", name, "' has sizes ", sizes, " in a file of ",
          file_bytes_, " bytes: need a file that can hold them");
  } else {
    const auto stored = static_cast<std::int64_t>(H5Dget_storage_size(dataset));
    check(stored == bytes && bytes <= file_bytes_, path_, ": '", name, "' has sizes ", sizes, " and ", stored,
          " bytes of data: need ", bytes);
  }
}

}  // namespace backflow::io::detail

#include <algorithm>
#include <utility>

#include <backflow/io/dumps/dump_reader_internal.h>

namespace backflow::io::detail {

StoredTensor DumpReader::read_tensor(hid_t group, const std::string& group_name, const std::string& name) const {
  const std::string full = "/" + group_name + "/" + name;
  const Hdf5Object dataset = open_object(group, name, full);
  check(H5Iget_type(dataset) == H5I_DATASET, path_, ": '", full, "' is no dataset: need one for each tensor, as '/",
        group_name, "/0.weight'");
  StoredTensor tensor{group_name, name, type_of(dataset, full), sizes_of(dataset, full)};
  check_storage(dataset, full, tensor);
  if (has_attribute(dataset, "checksum", path_)) {
    const bool named = has_attribute(dataset, "checksum_kind", path_);
    const std::string kind = named ? read_text_attribute(dataset, "checksum_kind", path_) : "crc32";
    check(kind == "crc32", path_, ": '", full, "' has a checksum of kind '", kind, "': need crc32");
    tensor.stated_checksum = read_integer_attribute(dataset, "checksum", path_);
  }
  find_offset(dataset, full, tensor);
  return tensor;
}

void DumpReader::find_offset(hid_t dataset, const std::string& name, StoredTensor& tensor) const {
  const Hdf5Type file_type(H5Dget_type(dataset), path_, "read '" + name + "'");
  const Hdf5Properties creation(H5Dget_create_plist(dataset), path_, "read '" + name + "'");
  const bool is_direct = H5Pget_layout(creation) == H5D_CONTIGUOUS && H5Tget_order(file_type) != H5T_ORDER_BE &&
                         element_size(tensor.type) == element_size(dtype_of_elements(tensor.type)) &&
                         *tensor.bytes() > 0;
  if (!is_direct) return;
  const haddr_t offset = H5Dget_offset(dataset);
  const bool is_inside = offset <= file_bytes_ - first_byte_ && *tensor.bytes() <= file_bytes_ - first_byte_ - offset;
  check(is_inside, path_, ": '", name, "' lies outside of the file: need a file that holds it");
  tensor.offset = first_byte_ + offset;
}

void DumpReader::send_elements(hid_t file, const StoredTensor& tensor, GuardReport& report) const {
  const std::string full = "/" + tensor.group + "/" + tensor.name;
  const std::string what = "read '" + full + "'";
  const Hdf5Object group = open_object(file, tensor.group, "/" + tensor.group);
  const Hdf5Object dataset = open_object(group, tensor.name, full);
  std::vector<std::byte> elements(*tensor.bytes());
  if (H5Dread(dataset, memory_type(tensor.type, what), H5S_ALL, H5S_ALL, H5P_DEFAULT, elements.data()) < 0) {
    fail_hdf5(path_, what);
  }
  report.send(elements);
}

// The type of elements that are sent.
Hdf5Type DumpReader::memory_type(ElementType type, const std::string& what) const {
  using enum ElementType;
  if (type == Bool) return bool_type(path_, what);
  if (type == Float16) return half_type(path_, what);
  return {H5Tcopy(type == UInt8      ? H5T_STD_U8LE
                  : type == Int32    ? H5T_STD_I32LE
                  : type == Int64    ? H5T_STD_I64LE
                  : type == BFloat16 ? H5T_STD_U16LE
                  : type == Float32  ? H5T_IEEE_F32LE
                                     : H5T_IEEE_F64LE),
          path_, what};
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

void DumpReader::check_storage(hid_t dataset, const std::string& name, const StoredTensor& tensor) const {
  const Hdf5Properties creation(H5Dget_create_plist(dataset), path_, "read '" + name + "'");
  const H5D_layout_t layout = H5Pget_layout(creation);
  const bool inside = layout != H5D_VIRTUAL && H5Pget_external_count(creation) == 0;
  check(inside, path_, ": '", name, "' has its data in another file: need them in this one");
  const std::optional<std::uint64_t> bytes = tensor.bytes();
  check(bytes.has_value(), path_, ": '", name, "' has sizes ", tensor.sizes, ": need fewer than 2^63 bytes");
  if (layout == H5D_CHUNKED) {
    constexpr std::uint64_t kMostCompression = 2000;
    check(*bytes / kMostCompression <= file_bytes_, path_, ": '", name, "' has sizes ", tensor.sizes, " in a file of ",
          file_bytes_, " bytes: need a file that can hold them");
  } else {
    const hsize_t stored = H5Dget_storage_size(dataset);
    check(stored == *bytes && stored <= file_bytes_, path_, ": '", name, "' has sizes ", tensor.sizes, " and ", stored,
          " bytes of data: need ", *bytes);
  }
}

}  // namespace backflow::io::detail

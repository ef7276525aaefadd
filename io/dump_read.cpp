#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <backflow/io/dump_internal.h>
#include <backflow/io/guarded_read_internal.h>
#include <backflow/io/hdf5_internal.h>

namespace backflow::io {
namespace detail {
namespace {

// Reads one file. Nothing in it is trusted: every size is compared with that of the file before memory is allocated.
class DumpReader {
 public:
  explicit DumpReader(const std::string& path) : path_(path) {}

  RawDump read();

 private:
  void read_contents(RawDump& dump);
  Hdf5File open();
  void read_information(hid_t file, RawDump& dump) const;
  std::map<std::string, std::string> read_texts(hid_t file, const std::string& group) const;
  void read_group(hid_t file, const std::string& name, std::vector<DumpEntry>& entries) const;
  DumpEntry read_tensor(hid_t group, const std::string& group_name, const std::string& name) const;
  ScalarType dtype_of(hid_t dataset, const std::string& name) const;
  void check_truth(const Tensor& x, const std::string& name) const;
  DimVector sizes_of(hid_t dataset, const std::string& name) const;
  void check_storage(hid_t dataset, const std::string& name, const DimVector& sizes, ScalarType dtype) const;
  bool has_link(hid_t file, const std::string& name) const;
  Hdf5Object open_object(hid_t group, const std::string& name, const std::string& full_name) const;

  const std::string& path_;
  std::int64_t file_bytes_ = 0;
};

RawDump DumpReader::read() {
  RawDump dump;
  dump.digest = verify_digest(path_);
  const auto try_out = [&] {
    RawDump tried;
    read_contents(tried);
  };
  if (dump.digest == Digest::Absent) read_in_child({path_}, try_out);
  read_contents(dump);
  return dump;
}

void DumpReader::read_contents(RawDump& dump) {
  const Hdf5File file = open();
  read_information(file, dump);
  check(has_link(file, "parameters"), path_, ": no group /parameters: need a dump of parameters");
  for (const DumpGroup& group : kDumpGroups) {
    if (has_link(file, group.name)) read_group(file, group.name, dump.entries);
  }
}

Hdf5File DumpReader::open() {
  struct stat status {};
  check(::stat(path_.c_str(), &status) == 0, path_, ": cannot open: ", std::strerror(errno));
  file_bytes_ = status.st_size;
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), path_, "open");
  // Many clusters' file systems have no locks; nobody writes to a file of ours once it has its name.
  constexpr hbool_t kNoLocks = false;
  if (H5Pset_file_locking(access, kNoLocks, true) < 0) fail_hdf5(path_, "open");
  const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access);
  if (file < 0) fail_hdf5(path_, "open as an HDF5 file");
  return {file, path_, "open"};
}

bool DumpReader::has_link(hid_t file, const std::string& name) const {
  const htri_t there = H5Lexists(file, name.c_str(), H5P_DEFAULT);
  if (there < 0) fail_hdf5(path_, "read '/" + name + "'");
  return there > 0;
}

Hdf5Object DumpReader::open_object(hid_t group, const std::string& name, const std::string& full_name) const {
  const std::string what = "read '" + full_name + "'";
  H5L_info_t link{};
  if (H5Lget_info(group, name.c_str(), &link, H5P_DEFAULT) < 0) fail_hdf5(path_, what);
  check(link.type == H5L_TYPE_HARD, path_, ": '", full_name, "' is a link: need the object itself, in this file");
  return {H5Oopen(group, name.c_str(), H5P_DEFAULT), path_, what};
}

void DumpReader::read_information(hid_t file, RawDump& dump) const {
  const auto integer = [&](const char* name, std::int64_t otherwise = 0) {
    return has_attribute(file, name, path_) ? read_integer_attribute(file, name, path_) : otherwise;
  };
  dump.format_version = integer("format_version");
  check(dump.format_version >= 0 && dump.format_version <= kDumpFormat, path_, ": format version ", dump.format_version,
        ": need at most ", kDumpFormat, "; a newer Backflow wrote this file");
  dump.info.step = integer("step");
  dump.info.epoch = integer("epoch");
  dump.info.sampler_epoch = integer("sampler_epoch", -1);
  dump.info.sampler_position = integer("sampler_position");
  const auto text = [&](const char* name) {
    return has_attribute(file, name, path_) ? read_text_attribute(file, name, path_) : std::string();
  };
  dump.info.config = text("config");
  dump.info.train_data = text("train_data");
  dump.info.test_data = text("test_data");
  if (has_link(file, "versions")) dump.info.versions = read_texts(file, "versions");
  if (has_link(file, "metadata")) dump.info.metadata = read_texts(file, "metadata");
}

std::map<std::string, std::string> DumpReader::read_texts(hid_t file, const std::string& group) const {
  const std::string what = "read '/" + group + "'";
  const Hdf5Object object = open_object(file, group, "/" + group);
  std::map<std::string, std::string> texts;
  const int count = H5Aget_num_attrs(object);
  for (int i = 0; i < count; ++i) {
    const Hdf5Attribute attribute(
        H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, static_cast<hsize_t>(i), H5P_DEFAULT, H5P_DEFAULT),
        path_, what);
    constexpr ssize_t kLongestName = 4096;
    const ssize_t length = H5Aget_name(attribute, 0, nullptr);
    if (length < 0 || length > kLongestName) fail_hdf5(path_, what);
    std::string name(static_cast<std::size_t>(length) + 1, '\0');
    if (H5Aget_name(attribute, name.size(), name.data()) < 0) fail_hdf5(path_, what);
    name.pop_back();
    texts[name] = read_text_attribute(object, name, path_);
  }
  return texts;
}

void DumpReader::read_group(hid_t file, const std::string& name, std::vector<DumpEntry>& entries) const {
  const std::string what = "read '/" + name + "'";
  const Hdf5Object group = open_object(file, name, "/" + name);
  check(H5Iget_type(group) == H5I_GROUP, path_, ": '/", name, "' is no group: need a group of datasets");
  const Hdf5Properties creation(H5Gget_create_plist(group), path_, what);
  unsigned order = 0;
  H5G_info_t info{};
  if (H5Pget_link_creation_order(creation, &order) < 0 || H5Gget_info(group, &info) < 0) fail_hdf5(path_, what);
  const H5_index_t index = (order & H5P_CRT_ORDER_INDEXED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const ssize_t length = H5Lget_name_by_idx(group, ".", index, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    if (length < 0) fail_hdf5(path_, what);
    std::string entry(static_cast<std::size_t>(length) + 1, '\0');
    if (H5Lget_name_by_idx(group, ".", index, H5_ITER_INC, i, entry.data(), entry.size(), H5P_DEFAULT) < 0) {
      fail_hdf5(path_, what);
    }
    entry.pop_back();
    entries.push_back(read_tensor(group, name, entry));
  }
}

DumpEntry DumpReader::read_tensor(hid_t group, const std::string& group_name, const std::string& name) const {
  const std::string full = "/" + group_name + "/" + name;
  const std::string what = "read '" + full + "'";
  const Hdf5Object dataset = open_object(group, name, full);
  check(H5Iget_type(dataset) == H5I_DATASET, path_, ": '", full, "' is no dataset: need one for each tensor, as '/",
        group_name, "/0.weight'");
  const ScalarType dtype = dtype_of(dataset, full);
  const DimVector sizes = sizes_of(dataset, full);
  check_storage(dataset, full, sizes, dtype);
  DumpEntry entry{group_name, name, empty_tensor(sizes, dtype), {}, 0};
  const Hdf5Type file_type(H5Dget_type(dataset), path_, what);
  const Hdf5Type memory_type(H5Tget_native_type(file_type, H5T_DIR_ASCEND), path_, what);
  if (entry.value.numel() > 0 &&
      H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, entry.value.mutable_data_ptr()) < 0) {
    fail_hdf5(path_, what);
  }
  if (dtype == kBool) check_truth(entry.value, full);
  entry.checksum = crc32({static_cast<const std::byte*>(entry.value.const_data_ptr()), entry.value.nbytes()});
  if (has_attribute(dataset, "checksum", path_)) {
    const bool named = has_attribute(dataset, "checksum_kind", path_);
    const std::string kind = named ? read_text_attribute(dataset, "checksum_kind", path_) : "crc32";
    check(kind == "crc32", path_, ": '", full, "' has a checksum of kind '", kind, "': need crc32");
    entry.stated_checksum = read_integer_attribute(dataset, "checksum", path_);
  }
  return entry;
}

ScalarType DumpReader::dtype_of(hid_t dataset, const std::string& name) const {
  const Hdf5Type type(H5Dget_type(dataset), path_, "read '" + name + "'");
  for (const auto& [file_type, dtype] :
       {std::pair(H5T_IEEE_F32LE, kFloat32), std::pair(H5T_IEEE_F32BE, kFloat32), std::pair(H5T_IEEE_F64LE, kFloat64),
        std::pair(H5T_IEEE_F64BE, kFloat64), std::pair(H5T_STD_I64LE, kInt64), std::pair(H5T_STD_I64BE, kInt64),
        std::pair(H5T_STD_I32LE, kInt32), std::pair(H5T_STD_I32BE, kInt32), std::pair(H5T_STD_U8LE, kUInt8),
        std::pair(H5T_STD_U8BE, kUInt8)}) {
    if (H5Tequal(type, file_type) > 0) return dtype;
  }
  if (H5Tequal(type, bool_type(path_, "read '" + name + "'")) > 0) return kBool;
  const bool is_short = H5Tequal(type, H5T_STD_U16LE) > 0 || H5Tequal(type, H5T_STD_U16BE) > 0;
  if (is_short && has_attribute(dataset, "dtype", path_) &&
      read_text_attribute(dataset, "dtype", path_) == backflow::name(kBFloat16)) {
    return kBFloat16;
  }
  fail(path_, ": '", name, "' has another dtype (", H5Tget_size(type),
       " bytes an element): need float32, float64, bfloat16, int32, int64, uint8 or bool");
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

void DumpReader::check_storage(hid_t dataset, const std::string& name, const DimVector& sizes, ScalarType dtype) const {
  const Hdf5Properties creation(H5Dget_create_plist(dataset), path_, "read '" + name + "'");
  const H5D_layout_t layout = H5Pget_layout(creation);
  const bool inside = layout != H5D_VIRTUAL && H5Pget_external_count(creation) == 0;
  check(inside, path_, ": '", name, "' has its data in another file: need them in this one");
  std::int64_t bytes = static_cast<std::int64_t>(element_size(dtype));
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

}  // namespace

RawDump read_raw_dump(const std::string& path) {
  const Hdf5Lock lock;
  return DumpReader(path).read();
}

}  // namespace detail

Dump read_dump(const std::string& path) {
  detail::RawDump raw = detail::read_raw_dump(path);
  Dump dump = std::move(raw.info);
  for (detail::DumpEntry& entry : raw.entries) {
    check(entry.is_intact(), path, ": '/", entry.group, "/", entry.name,
          "' does not match its checksum: need an intact copy");
    const auto* group = std::find_if(std::begin(detail::kDumpGroups), std::end(detail::kDumpGroups),
                                     [&](const detail::DumpGroup& known) { return entry.group == known.name; });
    (dump.*group->tensors).emplace_back(entry.name, std::move(entry.value));
  }
  return dump;
}

}  // namespace backflow::io

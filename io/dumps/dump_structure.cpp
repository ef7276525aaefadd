#include <algorithm>
#include <set>
#include <utility>

#include <backflow/exchange/crc32.h>
#include <backflow/io/dumps/dump_structure_internal.h>

namespace backflow::io::detail {
namespace {

void check_names(const PlannedGroup& group, const std::string& path) {
  std::set<std::string> seen;
  for (const PlannedTensor& tensor : group.tensors) {
    const std::string& name = tensor.name;
    const bool usable =
        !name.empty() && name != "." && name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
    check(usable, path, ": ", group.name, " name '", name, "': need a name without '/'");
    check(seen.insert(name).second, path, ": two tensors '", name, "' in ", group.name, ": need different names");
  }
}

// Optimizers and the loop go on from the numbers that they had.
bool is_exported(const DumpGroup& group) { return group.tensors != &Dump::optimizer && group.tensors != &Dump::loop; }

}  // namespace

std::vector<PlannedGroup> plan_groups(const std::string& path, const Dump& dump, const DumpOptions& options) {
  std::vector<PlannedGroup> groups;
  for (const DumpGroup& group : kDumpGroups) {
    PlannedGroup planned{group.name, is_always_written(group), {}};
    for (const auto& [name, tensor] : dump.*group.tensors) {
      check(tensor.defined(), path, ": tensor '", name, "' in ", group.name, " is undefined: need one with a value");
      const ElementType type = is_exported(group) ? stored_elements(tensor, options.floating_point)
                                                  : elements_of_dtype(tensor.scalar_type());
      planned.tensors.push_back({name, {tensor.sizes().begin(), tensor.sizes().end()}, type, tensor});
    }
    groups.push_back(std::move(planned));
  }
  return groups;
}

std::uint64_t bytes_of(const PlannedTensor& tensor) {
  std::uint64_t bytes = element_size(tensor.type);
  for (const std::int64_t size : tensor.sizes) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

// What HDF5's structures take, about. Those of many tensors lie in several blocks, of which the last may stay empty.
std::uint64_t DumpStructure::structure_bytes(const Dump& dump, const std::vector<PlannedGroup>& groups) {
  constexpr std::uint64_t kPerFile = 4096;
  constexpr std::uint64_t kPerTensor = 704;
  constexpr std::uint64_t kMost = 256 * 1024;
  std::uint64_t bytes = kPerFile + dump.config.size() + dump.train_data.size() + dump.test_data.size();
  for (const PlannedGroup& group : groups) {
    for (const PlannedTensor& tensor : group.tensors) bytes += 2 * tensor.name.size() + kPerTensor;
  }
  return std::min(bytes, kMost);
}

DumpStructure::DumpStructure(const std::string& path, const Dump& dump, std::vector<PlannedGroup> groups,
                             const DumpOptions& options)
    : path_(path),
      dump_(dump),
      options_(options),
      groups_(std::move(groups)),
      file_(std::in_place, create_hdf5(storage_, structure_bytes(dump, groups_), path)) {
  make_information();
  for (const PlannedGroup& group : groups_) {
    check_names(group, path_);
    if (group.is_always_written || !group.tensors.empty()) make_group(group);
  }
  // Now HDF5 has given all of its structures a place, too.
  flush();
}

void DumpStructure::flush() {
  if (H5Fflush(*file_, H5F_SCOPE_GLOBAL) < 0) fail_hdf5(path_, "write");
}

// The type of the elements in the file. Truth values are what h5py makes of numpy's: an enumeration of bytes. HDF5 has
// no bfloat16, whose bits are written as integers; an attribute says so.
Hdf5Type DumpStructure::file_type_of(ElementType type, const std::string& what) const {
  if (type == ElementType::Bool) return bool_type(path_, what);
  if (type == ElementType::Float16) return half_type(path_, what);
  const hid_t known = type == ElementType::UInt8      ? H5T_STD_U8LE
                      : type == ElementType::Int32    ? H5T_STD_I32LE
                      : type == ElementType::Int64    ? H5T_STD_I64LE
                      : type == ElementType::BFloat16 ? H5T_STD_U16LE
                      : type == ElementType::Float32  ? H5T_IEEE_F32LE
                                                      : H5T_IEEE_F64LE;
  return {H5Tcopy(known), path_, what};
}

// Small ones would not become smaller: each chunk has an entry in an index.
bool DumpStructure::is_compressed(const PlannedTensor& tensor) const {
  constexpr std::uint64_t kLeast = 4096;
  return options_.compression == DumpCompression::Gzip && bytes_of(tensor) >= kLeast && !tensor.sizes.empty();
}

void DumpStructure::place_data(const Hdf5Properties& creation, const std::vector<hsize_t>& sizes, ElementType type,
                               bool compressed, const std::string& what) const {
  if (H5Pset_obj_track_times(creation, false) < 0) fail_hdf5(path_, what);
  if (!compressed) {
    const bool is_set = H5Pset_layout(creation, H5D_CONTIGUOUS) >= 0 &&
                        H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
                        H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER) >= 0;
    if (!is_set) fail_hdf5(path_, what);
    return;
  }
  std::vector<hsize_t> chunk(sizes.size());
  hsize_t inner = element_size(type);
  for (std::size_t d = sizes.size(); d-- > 0;) {
    chunk[d] = std::clamp<hsize_t>(static_cast<hsize_t>(options_.chunk_bytes) / inner, 1, sizes[d]);
    inner *= chunk[d];
  }
  const bool is_set = H5Pset_chunk(creation, static_cast<int>(chunk.size()), chunk.data()) >= 0 &&
                      H5Pset_shuffle(creation) >= 0 &&
                      H5Pset_deflate(creation, static_cast<unsigned>(options_.gzip_level)) >= 0;
  if (!is_set) fail_hdf5(path_, what);
}

// New objects take their names as UTF-8.
Hdf5Properties DumpStructure::utf8_names() const {
  Hdf5Properties properties(H5Pcreate(H5P_LINK_CREATE), path_, "write");
  if (H5Pset_char_encoding(properties, H5T_CSET_UTF8) < 0) fail_hdf5(path_, "write");
  return properties;
}

void DumpStructure::make_tensor(hid_t group, const char* group_name, const PlannedTensor& tensor) {
  const std::string what = "write '" + tensor.name + "'";
  const std::vector<hsize_t> sizes(tensor.sizes.begin(), tensor.sizes.end());
  const Hdf5Type file_type = file_type_of(tensor.type, what);
  const Hdf5Space space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), path_, what);
  const Hdf5Properties creation(H5Pcreate(H5P_DATASET_CREATE), path_, what);
  const bool compressed = is_compressed(tensor);
  place_data(creation, sizes, tensor.type, compressed, what);
  const Hdf5Dataset dataset(
      H5Dcreate2(group, tensor.name.c_str(), file_type, space, utf8_names(), creation, H5P_DEFAULT), path_, what);
  if (tensor.type == ElementType::BFloat16) write_fixed_text(dataset, "dtype", io::name(tensor.type), path_);
  write_attribute(dataset, "checksum", std::int64_t{0}, path_);
  write_fixed_text(dataset, "checksum_kind", "crc32", path_);
  Hdf5Attribute checksum(H5Aopen(dataset, "checksum", H5P_DEFAULT), path_, what);
  if (compressed) {
    const EncodedElements elements(tensor.tensor, tensor.type);
    const std::int64_t crc{crc32(elements.bytes())};
    if (H5Dwrite(dataset, file_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, elements.bytes().data()) < 0 ||
        H5Awrite(checksum, H5T_NATIVE_INT64, &crc) < 0) {
      fail_hdf5(path_, what);
    }
  } else if (bytes_of(tensor) > 0) {
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF) fail_hdf5(path_, what);
    placed_.push_back({to_text(group_name, '/', tensor.name), &tensor, offset, 0});
    checksums_.push_back(std::move(checksum));
  }
}

void DumpStructure::make_group(const PlannedGroup& group) {
  const std::string what = std::string("write '/") + group.name + "'";
  const Hdf5Properties creation(H5Pcreate(H5P_GROUP_CREATE), path_, what);
  // The order of the parameters is that of the model; by itself HDF5 would only know the alphabet's.
  if (H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) < 0) fail_hdf5(path_, what);
  const Hdf5Group object(H5Gcreate2(*file_, group.name, H5P_DEFAULT, creation, H5P_DEFAULT), path_, what);
  for (const PlannedTensor& tensor : group.tensors) make_tensor(object, group.name, tensor);
}

// A text is an attribute; one that is too long for that is a dataset in /texts.
void DumpStructure::make_text(hid_t object, const std::string& group, const std::string& key, const std::string& text) {
  if (key.size() + text.size() <= kMostFixedText) return write_fixed_text(object, key, text, path_);
  const std::string what = "write the text '" + key + "'";
  check(text.find('\0') == std::string::npos, path_, ": text of '", key, "' contains a NUL: need text without");
  const htri_t there = H5Lexists(*file_, "texts", H5P_DEFAULT);
  if (there < 0) fail_hdf5(path_, what);
  const Hdf5Group texts(there > 0 ? H5Gopen2(*file_, "texts", H5P_DEFAULT)
                                  : H5Gcreate2(*file_, "texts", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                        path_, what);
  H5G_info_t info{};
  if (H5Gget_info(texts, &info) < 0) fail_hdf5(path_, what);
  const std::string name = group.empty() ? key : to_text(group, ".", info.nlinks);
  const Hdf5Type type = text_type(text.size(), path_);
  const Hdf5Space space(H5Screate(H5S_SCALAR), path_, what);
  const Hdf5Dataset dataset = make_dataset(texts, name, type, space, H5P_DEFAULT, path_, what);
  write_fixed_text(dataset, "group", group, path_);
  write_fixed_text(dataset, "key", key, path_);
  if (H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) < 0) fail_hdf5(path_, what);
}

void DumpStructure::make_texts(const std::string& name, const std::map<std::string, std::string>& texts) {
  const Hdf5Group group(H5Gcreate2(*file_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), path_,
                        "write '/" + name + "'");
  for (const auto& [key, text] : texts) make_text(group, name, key, text);
}

void DumpStructure::make_information() {
  write_attribute(*file_, "format_version", kDumpFormat, path_);
  write_attribute(*file_, "step", dump_.step, path_);
  write_attribute(*file_, "epoch", dump_.epoch, path_);
  if (dump_.sampler_epoch >= 0) {
    write_attribute(*file_, "sampler_epoch", dump_.sampler_epoch, path_);
    write_attribute(*file_, "sampler_position", dump_.sampler_position, path_);
  }
  make_text(*file_, "", "config", dump_.config);
  if (!dump_.train_data.empty()) make_text(*file_, "", "train_data", dump_.train_data);
  if (!dump_.test_data.empty()) make_text(*file_, "", "test_data", dump_.test_data);
  make_texts("versions", dump_.versions);
  if (!dump_.metadata.empty()) make_texts("metadata", dump_.metadata);
}

Hdf5MemoryStorage& DumpStructure::finish() {
  for (std::size_t i = 0; i < placed_.size(); ++i) {
    const std::int64_t crc{placed_[i].crc};
    if (H5Awrite(checksums_[i], H5T_NATIVE_INT64, &crc) < 0) fail_hdf5(path_, "write a checksum");
  }
  checksums_.clear();
  flush();
  file_.reset();
  storage_.rethrow();
  return storage_;
}

}  // namespace backflow::io::detail

#include <set>

#include <backflow/io/atomic_file.h>
#include <backflow/io/dump_internal.h>
#include <backflow/io/hdf5_internal.h>
#include <backflow/io/row_major_internal.h>

namespace backflow::io {
namespace {

using namespace detail;

// The type of the elements in the file. Truth values are what h5py makes of numpy's: an enumeration of bytes. HDF5 has
// no bfloat16, whose bits are written as integers; an attribute says so.
Hdf5Type file_type_of(ScalarType dtype, const std::string& path, const std::string& what) {
  if (dtype == kBool) return bool_type(path, what);
  const hid_t type = dtype == kUInt8      ? H5T_STD_U8LE
                     : dtype == kInt32    ? H5T_STD_I32LE
                     : dtype == kInt64    ? H5T_STD_I64LE
                     : dtype == kBFloat16 ? H5T_STD_U16LE
                     : dtype == kFloat32  ? H5T_IEEE_F32LE
                                          : H5T_IEEE_F64LE;
  return {H5Tcopy(type), path, what};
}

void check_names(const NamedTensors& tensors, const std::string& group, const std::string& path) {
  std::set<std::string> seen;
  for (const auto& [name, tensor] : tensors) {
    const bool usable =
        !name.empty() && name != "." && name.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
    check(usable, path, ": ", group, " name '", name, "': need a name without '/'");
    check(seen.insert(name).second, path, ": two tensors '", name, "' in ", group, ": need different names");
    check(tensor.defined(), path, ": tensor '", name, "' in ", group, " is undefined: need one with a value");
  }
}

// New objects take their names as UTF-8.
Hdf5Properties utf8_names(const std::string& path) {
  Hdf5Properties properties(H5Pcreate(H5P_LINK_CREATE), path, "write");
  if (H5Pset_char_encoding(properties, H5T_CSET_UTF8) < 0) fail_hdf5(path, "write");
  return properties;
}

void write_tensor(hid_t group, const std::string& name, const Tensor& tensor, const std::string& path) {
  const std::string what = "write '" + name + "'";
  std::vector<std::byte> copy;
  if (!tensor.is_contiguous()) copy = row_major_bytes(tensor);
  const void* data = tensor.is_contiguous() ? tensor.const_data_ptr() : copy.data();
  const std::vector<hsize_t> sizes(tensor.sizes().begin(), tensor.sizes().end());
  const Hdf5Type type = file_type_of(tensor.scalar_type(), path, what);
  const Hdf5Space space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), path, what);
  const Hdf5Properties links = utf8_names(path);
  const Hdf5Dataset dataset = make_dataset(group, name, type, space, links, path, what);
  if (tensor.numel() > 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) fail_hdf5(path, what);
  if (tensor.scalar_type() == kBFloat16) write_attribute(dataset, "dtype", backflow::name(kBFloat16), path);
  const auto checksum = crc32({static_cast<const std::byte*>(data), tensor.nbytes()});
  write_attribute(dataset, "checksum", std::int64_t{checksum}, path);
  write_attribute(dataset, "checksum_kind", "crc32", path);
}

void write_group(hid_t file, const std::string& name, const NamedTensors& tensors, const std::string& path) {
  const std::string what = "write '/" + name + "'";
  const Hdf5Properties creation(H5Pcreate(H5P_GROUP_CREATE), path, what);
  // The order of the parameters is that of the model; by itself HDF5 would only know the alphabet's.
  if (H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) < 0) fail_hdf5(path, what);
  const Hdf5Group group(H5Gcreate2(file, name.c_str(), H5P_DEFAULT, creation, H5P_DEFAULT), path, what);
  for (const auto& [tensor_name, tensor] : tensors) write_tensor(group, tensor_name, tensor, path);
}

// A group whose attributes are these texts.
void write_texts(hid_t file, const std::string& name, const std::map<std::string, std::string>& texts,
                 const std::string& path) {
  const Hdf5Group group(H5Gcreate2(file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), path,
                        "write '/" + name + "'");
  for (const auto& [key, text] : texts) write_attribute(group, key, text, path);
}

void write_information(hid_t file, const Dump& dump, const std::string& path) {
  write_attribute(file, "format_version", dump.trained.empty() ? kPlainFormat : kDumpFormat, path);
  write_attribute(file, "step", dump.step, path);
  write_attribute(file, "epoch", dump.epoch, path);
  if (dump.sampler_epoch >= 0) {
    write_attribute(file, "sampler_epoch", dump.sampler_epoch, path);
    write_attribute(file, "sampler_position", dump.sampler_position, path);
  }
  write_attribute(file, "config", dump.config, path);
  if (!dump.train_data.empty()) write_attribute(file, "train_data", dump.train_data, path);
  if (!dump.test_data.empty()) write_attribute(file, "test_data", dump.test_data, path);
  write_texts(file, "versions", dump.versions, path);
  if (!dump.metadata.empty()) write_texts(file, "metadata", dump.metadata, path);
}

// What the file will take, and a little more.
std::size_t expected_bytes(const Dump& dump) {
  constexpr std::size_t kPerFile = 64 * 1024;
  constexpr std::size_t kPerTensor = 4 * 1024;
  std::size_t bytes = kPerFile + 2 * dump.config.size();
  for (const DumpGroup& group : kDumpGroups) {
    for (const auto& [name, tensor] : dump.*group.tensors) bytes += tensor.nbytes() + name.size() + kPerTensor;
  }
  return bytes;
}

}  // namespace

void start_hdf5() {
  const Hdf5Lock lock;
  check(H5open() >= 0, "HDF5: cannot start: need a working installation");
}

void write_dump(const std::string& path, const Dump& dump) {
  for (const DumpGroup& group : kDumpGroups) check_names(dump.*group.tensors, group.name, path);
  // The target is opened first, so that a directory which cannot be written costs nothing.
  AtomicFile target(path);
  const Hdf5Lock lock;
  Hdf5MemoryFile file(expected_bytes(dump), path);
  write_information(file.id(), dump, path);
  for (const DumpGroup& group : kDumpGroups) {
    const NamedTensors& tensors = dump.*group.tensors;
    if (is_always_written(group) || !tensors.empty()) write_group(file.id(), group.name, tensors, path);
  }
  const std::span<const std::byte> image = file.finish();
  // HDF5 looks for the start of a file at 0, 512, 1024 ...: what is before it is a user block, as h5jam makes them too.
  const std::string block = user_block(kUserBlockBytes + image.size(), crc32(image));
  target.write(block.data(), block.size());
  target.write(image.data(), image.size());
  target.commit();
}

}  // namespace backflow::io

#include <algorithm>
#include <set>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/crc32.h>
#include <backflow/io/dump_chunks_internal.h>
#include <backflow/io/dump_internal.h>
#include <backflow/io/hdf5_internal.h>

namespace backflow::io {
namespace {

using namespace detail;

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

// Optimizers and the loop go on from the numbers that they had.
bool is_exported(const DumpGroup& group) { return group.tensors != &Dump::optimizer && group.tensors != &Dump::loop; }

// Writes one file. HDF5 makes groups, datasets and attributes in memory and gives each tensor a place in the file; the
// elements are written there by ChunkWriter; then their checksums are known and put into the attributes.
class DumpWriter {
 public:
  DumpWriter(const std::string& path, const Dump& dump, const DumpOptions& options)
      : path_(path), dump_(dump), options_(options), file_(create_hdf5(structure_, structure_bytes(dump), path)) {}

  void write(const AtomicFile& target, Hdf5Lock& lock);

 private:
  // A tensor that has its place, and its attribute that waits for the checksum.
  struct Placed {
    Tensor tensor;
    ElementType type;
    std::uint64_t offset;
    Hdf5Attribute checksum;
    std::uint32_t crc;
  };

  static std::uint64_t structure_bytes(const Dump& dump);
  void make_information();
  void make_texts(const std::string& name, const std::map<std::string, std::string>& texts);
  void make_text(hid_t object, const std::string& group, const std::string& key, const std::string& text);
  void make_group(const DumpGroup& group);
  void make_tensor(hid_t group, const std::string& name, const Tensor& tensor, ElementType type);
  Hdf5Type file_type_of(ElementType type, const std::string& what) const;
  bool is_compressed(const Tensor& tensor, ElementType type) const;
  void place_data(const Hdf5Properties& creation, const std::vector<hsize_t>& sizes, ElementType type, bool compressed,
                  const std::string& what) const;
  Hdf5Properties utf8_names() const;
  void write_data(ChunkWriter& chunks);

  const std::string& path_;
  const Dump& dump_;
  const DumpOptions& options_;
  Hdf5MemoryStorage structure_;
  Hdf5File file_;
  std::vector<Placed> placed_;
};

// What HDF5's structures take, about. Those of many tensors lie in several blocks, of which the last may stay empty.
std::uint64_t DumpWriter::structure_bytes(const Dump& dump) {
  constexpr std::uint64_t kPerFile = 4096;
  constexpr std::uint64_t kPerTensor = 704;
  constexpr std::uint64_t kMost = 256 * 1024;
  std::uint64_t bytes = kPerFile + dump.config.size() + dump.train_data.size() + dump.test_data.size();
  for (const DumpGroup& group : kDumpGroups) {
    for (const auto& [name, tensor] : dump.*group.tensors) bytes += 2 * name.size() + kPerTensor;
  }
  return std::min(bytes, kMost);
}

// The type of the elements in the file. Truth values are what h5py makes of numpy's: an enumeration of bytes. HDF5 has
// no bfloat16, whose bits are written as integers; an attribute says so.
Hdf5Type DumpWriter::file_type_of(ElementType type, const std::string& what) const {
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
bool DumpWriter::is_compressed(const Tensor& tensor, ElementType type) const {
  constexpr std::size_t kLeast = 4096;
  return options_.compression == DumpCompression::Gzip &&
         static_cast<std::size_t>(tensor.numel()) * element_size(type) >= kLeast && tensor.dim() > 0;
}

void DumpWriter::place_data(const Hdf5Properties& creation, const std::vector<hsize_t>& sizes, ElementType type,
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
Hdf5Properties DumpWriter::utf8_names() const {
  Hdf5Properties properties(H5Pcreate(H5P_LINK_CREATE), path_, "write");
  if (H5Pset_char_encoding(properties, H5T_CSET_UTF8) < 0) fail_hdf5(path_, "write");
  return properties;
}

void DumpWriter::make_tensor(hid_t group, const std::string& name, const Tensor& tensor, ElementType type) {
  const std::string what = "write '" + name + "'";
  const std::vector<hsize_t> sizes(tensor.sizes().begin(), tensor.sizes().end());
  const Hdf5Type file_type = file_type_of(type, what);
  const Hdf5Space space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), path_, what);
  const Hdf5Properties creation(H5Pcreate(H5P_DATASET_CREATE), path_, what);
  const bool compressed = is_compressed(tensor, type);
  place_data(creation, sizes, type, compressed, what);
  const Hdf5Dataset dataset(H5Dcreate2(group, name.c_str(), file_type, space, utf8_names(), creation, H5P_DEFAULT),
                            path_, what);
  if (type == ElementType::BFloat16) write_fixed_text(dataset, "dtype", io::name(type), path_);
  write_attribute(dataset, "checksum", std::int64_t{0}, path_);
  write_fixed_text(dataset, "checksum_kind", "crc32", path_);
  Hdf5Attribute checksum(H5Aopen(dataset, "checksum", H5P_DEFAULT), path_, what);
  if (compressed) {
    const EncodedElements elements(tensor, type);
    const std::int64_t crc{crc32(elements.bytes())};
    if (H5Dwrite(dataset, file_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, elements.bytes().data()) < 0 ||
        H5Awrite(checksum, H5T_NATIVE_INT64, &crc) < 0) {
      fail_hdf5(path_, what);
    }
  } else if (tensor.numel() > 0) {
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset == HADDR_UNDEF) fail_hdf5(path_, what);
    placed_.push_back({tensor, type, offset, std::move(checksum), 0});
  }
}

void DumpWriter::make_group(const DumpGroup& group) {
  const std::string what = std::string("write '/") + group.name + "'";
  const Hdf5Properties creation(H5Pcreate(H5P_GROUP_CREATE), path_, what);
  // The order of the parameters is that of the model; by itself HDF5 would only know the alphabet's.
  if (H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) < 0) fail_hdf5(path_, what);
  const Hdf5Group object(H5Gcreate2(file_, group.name, H5P_DEFAULT, creation, H5P_DEFAULT), path_, what);
  for (const auto& [name, tensor] : dump_.*group.tensors) {
    const auto type =
        is_exported(group) ? stored_elements(tensor, options_.floating_point) : elements_of_dtype(tensor.scalar_type());
    make_tensor(object, name, tensor, type);
  }
}

// A text is an attribute; one that is too long for that is a dataset in /texts.
void DumpWriter::make_text(hid_t object, const std::string& group, const std::string& key, const std::string& text) {
  if (key.size() + text.size() <= kMostFixedText) return write_fixed_text(object, key, text, path_);
  const std::string what = "write the text '" + key + "'";
  check(text.find('\0') == std::string::npos, path_, ": text of '", key, "' contains a NUL: need text without");
  const htri_t there = H5Lexists(file_, "texts", H5P_DEFAULT);
  if (there < 0) fail_hdf5(path_, what);
  const Hdf5Group texts(there > 0 ? H5Gopen2(file_, "texts", H5P_DEFAULT)
                                  : H5Gcreate2(file_, "texts", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
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

void DumpWriter::make_texts(const std::string& name, const std::map<std::string, std::string>& texts) {
  const Hdf5Group group(H5Gcreate2(file_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), path_,
                        "write '/" + name + "'");
  for (const auto& [key, text] : texts) make_text(group, name, key, text);
}

void DumpWriter::make_information() {
  write_attribute(file_, "format_version", kDumpFormat, path_);
  write_attribute(file_, "step", dump_.step, path_);
  write_attribute(file_, "epoch", dump_.epoch, path_);
  if (dump_.sampler_epoch >= 0) {
    write_attribute(file_, "sampler_epoch", dump_.sampler_epoch, path_);
    write_attribute(file_, "sampler_position", dump_.sampler_position, path_);
  }
  make_text(file_, "", "config", dump_.config);
  if (!dump_.train_data.empty()) make_text(file_, "", "train_data", dump_.train_data);
  if (!dump_.test_data.empty()) make_text(file_, "", "test_data", dump_.test_data);
  make_texts("versions", dump_.versions);
  if (!dump_.metadata.empty()) make_texts("metadata", dump_.metadata);
}

void DumpWriter::write_data(ChunkWriter& chunks) {
  std::vector<DataRange<const std::byte>> direct;
  for (Placed& placed : placed_) {
    const bool is_as_stored =
        placed.tensor.is_contiguous() && placed.type == elements_of_dtype(placed.tensor.scalar_type());
    const EncodedElements elements(placed.tensor, placed.type);  // a copy unless the tensor's bytes are the file's
    DataRange<const std::byte> range{placed.offset, elements.bytes(), 0};
    if (is_as_stored) {
      direct.push_back(range);
    } else {
      chunks.write({&range, 1});
      placed.crc = range.crc;
    }
  }
  chunks.write(direct);
  auto written = direct.begin();
  for (Placed& placed : placed_) {
    if (written != direct.end() && written->offset == placed.offset) placed.crc = (written++)->crc;
  }
}

void DumpWriter::write(const AtomicFile& target, Hdf5Lock& lock) {
  make_information();
  for (const DumpGroup& group : kDumpGroups) {
    if (is_always_written(group) || !(dump_.*group.tensors).empty()) make_group(group);
  }
  // Now HDF5 has given all of its structures a place, too.
  if (H5Fflush(file_, H5F_SCOPE_GLOBAL) < 0) fail_hdf5(path_, "write");
  ChunkWriter chunks(target, structure_.size());
  {
    const Hdf5Lock::Pause others_may(lock);
    write_data(chunks);
  }
  for (const Placed& placed : placed_) {
    const std::int64_t crc{placed.crc};
    if (H5Awrite(placed.checksum, H5T_NATIVE_INT64, &crc) < 0) fail_hdf5(path_, "write a checksum");
  }
  placed_.clear();
  if (H5Fflush(file_, H5F_SCOPE_GLOBAL) < 0) fail_hdf5(path_, "write");
  { const Hdf5File closed = std::move(file_); }
  structure_.rethrow();
  const Hdf5Lock::Pause others_may(lock);
  chunks.finish(structure_);
}

}  // namespace

void start_hdf5() {
  const Hdf5Lock lock;
  check(H5open() >= 0, "HDF5: cannot start: need a working installation");
}

void write_dump(const std::string& path, const Dump& dump, const DumpOptions& options) {
  for (const DumpGroup& group : kDumpGroups) check_names(dump.*group.tensors, group.name, path);
  check(options.gzip_level >= 0 && options.gzip_level <= 9, path, ": gzip_level is ", options.gzip_level,
        ": need one from 0 to 9");
  check(options.chunk_bytes > 0 && options.chunk_bytes <= INT32_MAX, path, ": chunk_bytes is ", options.chunk_bytes,
        ": need one from 1 to 2^31 - 1");
  // The target is opened first, so that a directory which cannot be written costs nothing.
  AtomicFile target(path);
  {
    Hdf5Lock lock;
    DumpWriter(path, dump, options).write(target, lock);
  }
  target.commit();
}

}  // namespace backflow::io

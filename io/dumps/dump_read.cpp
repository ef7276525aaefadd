#include <algorithm>
#include <utility>

#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/io/dumps/dump_internal.h>
#include <backflow/io/dumps/dump_reader_internal.h>

namespace backflow::io::detail {

void DumpReader::send(GuardReport& report) {
  const InputFile bytes(path_);
  file_bytes_ = bytes.size();
  const std::optional<ChunkTable> table = read_chunk_table(bytes);
  if (!table) return send_contents(open(), bytes, report);
  first_byte_ = table->block_bytes;
  ChunkReader chunks(bytes, *table);
  try {
    send_contents(open_hdf5(chunks, path_), bytes, report);
  } catch (const Error&) {
    chunks.rethrow();  // what a damaged chunk has thrown says more than HDF5 does
    throw;
  }
}

void DumpReader::send_contents(hid_t file, const InputFile& bytes, GuardReport& report) const {
  DumpCatalog catalog;
  catalog.head = head_of(bytes);
  read_information(file, catalog);
  check(has_link(file, "parameters"), path_, ": no group /parameters: need a dump of parameters");
  for (const DumpGroup& group : kDumpGroups) {
    if (has_link(file, group.name)) read_group(file, group.name, catalog.tensors);
  }
  const std::string encoded = encode(catalog);
  report.send(std::as_bytes(std::span(encoded)));
  for (const StoredTensor& tensor : catalog.tensors) {
    if (!tensor.offset && *tensor.bytes() > 0) send_elements(file, tensor, report);
  }
}

Hdf5File DumpReader::open() const {
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), path_, "open");
  // Many clusters' file systems have no locks; nobody writes to a file of ours once it has its name.
  constexpr hbool_t kNoLocks = false;
  if (H5Pset_file_locking(access, kNoLocks, true) < 0) fail_hdf5(path_, "open");
  return {H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access), path_, "open as an HDF5 file"};
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

void DumpReader::read_information(hid_t file, DumpCatalog& catalog) const {
  const auto integer = [&](const char* name, std::int64_t otherwise = 0) {
    return has_attribute(file, name, path_) ? read_integer_attribute(file, name, path_) : otherwise;
  };
  Dump& info = catalog.info;
  catalog.format_version = integer("format_version");
  check(catalog.format_version >= 0 && catalog.format_version <= kDumpFormat, path_, ": format version ",
        catalog.format_version, ": need at most ", kDumpFormat, "; a newer Backflow wrote this file");
  info.step = integer("step");
  info.epoch = integer("epoch");
  info.sampler_epoch = integer("sampler_epoch", -1);
  info.sampler_position = integer("sampler_position");
  const auto text = [&](const char* name) {
    return has_attribute(file, name, path_) ? read_text_attribute(file, name, path_) : std::string();
  };
  info.config = text("config");
  info.train_data = text("train_data");
  info.test_data = text("test_data");
  if (has_link(file, "versions")) info.versions = read_texts(file, "versions");
  if (has_link(file, "metadata")) info.metadata = read_texts(file, "metadata");
  if (has_link(file, "texts")) read_long_texts(file, info);
}

void DumpReader::read_long_texts(hid_t file, Dump& info) const {
  const std::string what = "read '/texts'";
  const Hdf5Object texts = open_object(file, "texts", "/texts");
  check(H5Iget_type(texts) == H5I_GROUP, path_, ": '/texts' is no group: need a group of texts");
  for (const std::string& name : names_in(texts, what)) {
    const std::string full = "/texts/" + name;
    const Hdf5Object dataset = open_object(texts, name, full);
    check(H5Iget_type(dataset) == H5I_DATASET, path_, ": '", full, "' is no dataset: need one text");
    const std::string group = read_text_attribute(dataset, "group", path_);
    const std::string key = read_text_attribute(dataset, "key", path_);
    std::string* const place = group == "versions"   ? &info.versions[key]
                               : group == "metadata" ? &info.metadata[key]
                               : !group.empty()      ? nullptr
                               : key == "config"     ? &info.config
                               : key == "train_data" ? &info.train_data
                               : key == "test_data"  ? &info.test_data
                                                     : nullptr;
    check(place != nullptr, path_, ": '", full, "' is text '", key, "' of group '", group,
          "': need config, train_data, test_data, or group versions or metadata");
    *place = read_text(dataset, full);
  }
}

std::string DumpReader::read_text(hid_t dataset, const std::string& name) const {
  const std::string what = "read '" + name + "'";
  const Hdf5Type type(H5Dget_type(dataset), path_, what);
  const Hdf5Space space(H5Dget_space(dataset), path_, what);
  const bool is_text =
      H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 && H5Sget_simple_extent_npoints(space) == 1;
  check(is_text, path_, ": '", name, "' is no text: need one text of fixed length");
  const std::size_t bytes = H5Tget_size(type);
  check(bytes <= file_bytes_ && H5Dget_storage_size(dataset) == bytes, path_, ": '", name, "' has ", bytes,
        " bytes in a file of ", file_bytes_, ": need a file that holds them");
  std::string text(bytes, '\0');
  if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) < 0) fail_hdf5(path_, what);
  return text.substr(0, text.find('\0'));
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

std::vector<std::string> DumpReader::names_in(hid_t group, const std::string& what) const {
  const Hdf5Properties creation(H5Gget_create_plist(group), path_, what);
  unsigned order = 0;
  H5G_info_t info{};
  if (H5Pget_link_creation_order(creation, &order) < 0 || H5Gget_info(group, &info) < 0) fail_hdf5(path_, what);
  const H5_index_t index = (order & H5P_CRT_ORDER_INDEXED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const ssize_t length = H5Lget_name_by_idx(group, ".", index, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    if (length < 0) fail_hdf5(path_, what);
    std::string name(static_cast<std::size_t>(length) + 1, '\0');
    if (H5Lget_name_by_idx(group, ".", index, H5_ITER_INC, i, name.data(), name.size(), H5P_DEFAULT) < 0) {
      fail_hdf5(path_, what);
    }
    name.pop_back();
    names.push_back(std::move(name));
  }
  return names;
}

void DumpReader::read_group(hid_t file, const std::string& name, std::vector<StoredTensor>& tensors) const {
  const Hdf5Object group = open_object(file, name, "/" + name);
  check(H5Iget_type(group) == H5I_GROUP, path_, ": '/", name, "' is no group: need a group of datasets");
  for (const std::string& entry : names_in(group, "read '/" + name + "'")) {
    tensors.push_back(read_tensor(group, name, entry));
  }
}

}  // namespace backflow::io::detail

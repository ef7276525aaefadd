#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <backflow/io/dumps/dump_catalog_internal.h>
#include <backflow/io/dumps/guard_child_internal.h>
#include <backflow/io/hdf5/hdf5_internal.h>

namespace backflow::io::detail {

/// Reads one file with HDF5, in a child process, since HDF5 may crash: see guarded_read.h. Nothing in the file is
/// trusted: every size is compared with that of the file. Used under Hdf5Lock.
class DumpReader {
 public:
  explicit DumpReader(const std::string& path) : path_(path) {}

  /// Sends the catalog, then the elements of each tensor that has any and no offset: row-major, little-endian. Throws
  /// Error. Once.
  void send(GuardReport& report);

 private:
  Hdf5File open() const;
  void send_contents(hid_t file, const InputFile& bytes, GuardReport& report) const;
  void send_elements(hid_t file, const StoredTensor& tensor, GuardReport& report) const;
  void read_information(hid_t file, DumpCatalog& catalog) const;
  void read_long_texts(hid_t file, Dump& info) const;
  std::string read_text(hid_t dataset, const std::string& name) const;
  std::map<std::string, std::string> read_texts(hid_t file, const std::string& group) const;
  std::vector<std::string> names_in(hid_t group, const std::string& what) const;
  void read_group(hid_t file, const std::string& name, std::vector<StoredTensor>& tensors) const;
  StoredTensor read_tensor(hid_t group, const std::string& group_name, const std::string& name) const;
  ElementType type_of(hid_t dataset, const std::string& name) const;
  Hdf5Type memory_type(ElementType type, const std::string& what) const;
  DimVector sizes_of(hid_t dataset, const std::string& name) const;
  void check_storage(hid_t dataset, const std::string& name, const StoredTensor& tensor) const;
  void find_offset(hid_t dataset, const std::string& name, StoredTensor& tensor) const;
  bool has_link(hid_t file, const std::string& name) const;
  Hdf5Object open_object(hid_t group, const std::string& name, const std::string& full_name) const;

  const std::string& path_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t first_byte_ = 0;  // of the file, which HDF5 counts offsets from
};

}  // namespace backflow::io::detail

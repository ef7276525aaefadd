#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/dump_chunks_internal.h>
#include <backflow/io/dump_internal.h>
#include <backflow/io/hdf5_internal.h>

namespace backflow::io::detail {

/// Reads one file. Nothing in it is trusted: every size is compared with that of
/// the file before memory is allocated.
class DumpReader {
 public:
  explicit DumpReader(const std::string& path) : path_(path) {}

  /// Once.
  RawDump read();

 private:
  // A tensor whose elements are read once all places are known, straight from the file.
  struct Deferred {
    std::size_t entry;
    std::uint64_t offset;
    DimVector sizes;
    ScalarType dtype;
    std::uint64_t bytes() const { return static_cast<std::uint64_t>(numel_of(sizes)) * element_size(dtype); }
  };

  Hdf5File open() const;
  RawDump read_chunks(const InputFile& file, const ChunkTable& table);
  void read_contents(hid_t file, RawDump& dump);
  void read_deferred(const ChunkReader& chunks, RawDump& dump);
  void read_information(hid_t file, RawDump& dump) const;
  void read_long_texts(hid_t file, Dump& info) const;
  std::string read_text(hid_t dataset, const std::string& name) const;
  std::map<std::string, std::string> read_texts(hid_t file, const std::string& group) const;
  std::vector<std::string> names_in(hid_t group, const std::string& what) const;
  void read_group(hid_t file, const std::string& name, std::vector<DumpEntry>& entries);
  DumpEntry read_tensor(hid_t group, const std::string& group_name, const std::string& name, std::size_t index);
  bool defer(hid_t dataset, const std::string& name, hid_t file_type, Deferred tensor);
  void read_elements(hid_t dataset, hid_t file_type, DumpEntry& entry, const std::string& full) const;
  ElementType type_of(hid_t dataset, const std::string& name) const;
  void check_truth(const Tensor& x, const std::string& name) const;
  DimVector sizes_of(hid_t dataset, const std::string& name) const;
  void check_storage(hid_t dataset, const std::string& name, const DimVector& sizes, ElementType type) const;
  bool has_link(hid_t file, const std::string& name) const;
  Hdf5Object open_object(hid_t group, const std::string& name, const std::string& full_name) const;

  const std::string& path_;
  std::int64_t file_bytes_ = 0;
  std::optional<std::uint64_t> content_bytes_;  // of a file with chunks; then tensors are deferred
  std::vector<Deferred> deferred_;
  Hdf5Lock lock_;
};

}  // namespace backflow::io::detail

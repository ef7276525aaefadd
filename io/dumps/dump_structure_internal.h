#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <backflow/io/dumps/dump_internal.h>
#include <backflow/io/hdf5/hdf5_internal.h>
#include <backflow/io/hdf5/hdf5_storage_internal.h>

namespace backflow::io::detail {

/// A tensor that is to have a place in a dump.
struct PlannedTensor {
  std::string name;
  std::vector<std::int64_t> sizes;
  ElementType type;
  Tensor tensor;  ///< undefined where several ranks have its elements
};
std::uint64_t bytes_of(const PlannedTensor& tensor);

struct PlannedGroup {
  const char* name;
  bool is_always_written;  ///< even without tensors
  std::vector<PlannedTensor> tensors;
};
/// The groups of kDumpGroups with the tensors of `dump`. Throws Error for undefined ones.
std::vector<PlannedGroup> plan_groups(const std::string& path, const Dump& dump, const DumpOptions& options);

/// All of a dump but the elements of its tensors: HDF5 makes groups, datasets and attributes in memory, and gives each
/// tensor a place in the file. The elements are written there by somebody else; then their checksums are known, and
/// finish() puts them into the attributes. To be made, used and destroyed under Hdf5Lock.
class DumpStructure {
 public:
  /// A tensor that has its place.
  struct Placed {
    std::string path;  ///< "parameters/0.weight"
    const PlannedTensor* planned;
    std::uint64_t offset;  ///< from the end of the user block
    std::uint32_t crc;     ///< to be set before finish()
  };

  /// Makes it. Compressed tensors are in it with their elements. `path` is for messages; path, dump and options must
  /// outlive this object. Throws Error for names that are empty, repeated, "." or contain '/'.
  DumpStructure(const std::string& path, const Dump& dump, std::vector<PlannedGroup> groups,
                const DumpOptions& options);

  /// The tensors that have elements and are not compressed.
  std::vector<Placed>& placed() { return placed_; }
  /// What HDF5 has written so far, and the size of the file without user block.
  Hdf5MemoryStorage& storage() { return storage_; }
  /// Writes the checksums and closes the file. Returns its final contents.
  Hdf5MemoryStorage& finish();

 private:
  static std::uint64_t structure_bytes(const Dump& dump, const std::vector<PlannedGroup>& groups);
  void make_information();
  void make_texts(const std::string& name, const std::map<std::string, std::string>& texts);
  void make_text(hid_t object, const std::string& group, const std::string& key, const std::string& text);
  void make_group(const PlannedGroup& group);
  void make_tensor(hid_t group, const char* group_name, const PlannedTensor& tensor);
  Hdf5Type file_type_of(ElementType type, const std::string& what) const;
  bool is_compressed(const PlannedTensor& tensor) const;
  void place_data(const Hdf5Properties& creation, const std::vector<hsize_t>& sizes, ElementType type, bool compressed,
                  const std::string& what) const;
  Hdf5Properties utf8_names() const;
  void flush();

  const std::string& path_;
  const Dump& dump_;
  const DumpOptions& options_;
  const std::vector<PlannedGroup> groups_;
  Hdf5MemoryStorage storage_;
  std::optional<Hdf5File> file_;
  std::vector<Placed> placed_;
  std::vector<Hdf5Attribute> checksums_;  ///< of `placed_`
};

}  // namespace backflow::io::detail

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <backflow/io/hdf5/hdf5_internal.h>

namespace backflow::io::detail {

/// An HDF5 file that all ranks of a communicator have opened to write elements of its datasets together. All members
/// are collective, to be called where MPI may be called.
class CollectiveFile {
 public:
  /// Opens the file of the same bytes on all ranks. `comm` is the address of an MPI_Comm, which HDF5 duplicates. `path`
  /// is for messages. Throws Error when HDF5 fails.
  CollectiveFile(const void* comm, const std::string& file, const std::string& path);
  ~CollectiveFile();
  CollectiveFile(const CollectiveFile&) = delete;
  CollectiveFile& operator=(const CollectiveFile&) = delete;

  /// Writes this rank's bytes, which start at byte `begin` of the dataset and may be none. What fails is kept, and this
  /// rank goes on to take part in what comes: the others would wait for it.
  void write(const std::string& dataset, std::uint64_t begin, std::span<const std::byte> bytes);
  /// Flushes what all ranks have written to the disk.
  void flush();

  /// What has failed on this rank first; empty when nothing has.
  const std::string& error() const { return error_; }
  /// Why a dataset was not written collectively, by all ranks together; empty when all were.
  const std::string& not_collective() const { return not_collective_; }

 private:
  void write_elements(const std::string& dataset, std::uint64_t begin, std::span<const std::byte> bytes);

  const std::string& path_;
  std::optional<Hdf5File> file_;
  std::optional<Hdf5Properties> transfer_;
  std::string error_;
  std::string not_collective_;
};

/// Selects elements [begin, begin + count) in row-major order of a dataset's space: at most two blocks for each
/// dimension. Throws Error when there are not so many.
void select_elements(hid_t space, std::uint64_t begin, std::uint64_t count, const std::string& path);

}  // namespace backflow::io::detail

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <backflow/io/dump.h>

namespace backflow::io {

/// What a rank has of a tensor in a dump that several ranks write.
struct TensorShare {
  std::string name;
  std::vector<std::int64_t> sizes;  ///< of the whole tensor
  std::int64_t begin = 0;           ///< where in the whole, row-major, the elements start that this rank has
  Tensor elements;                  ///< these, row-major, of the tensor's dtype; there may be none
  bool is_replicated = false;       ///< every rank has all elements, and `begin` is 0
};

/// What a rank has of a dump that several ranks write.
struct SharedDump {
  /// Tensors of which every rank has the same, and on rank 0 the numbers and texts. `optimizer` is not used.
  Dump dump;
  /// In place of dump.optimizer: on rank 0 all tensors in their order, on the others those that they have elements of.
  std::vector<TensorShare> optimizer;
};

/// The ranks that write a dump together. They make the same calls in the same order.
class DumpRanks {
 public:
  DumpRanks() = default;
  virtual ~DumpRanks() = default;
  DumpRanks(const DumpRanks&) = delete;
  DumpRanks& operator=(const DumpRanks&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Every rank's text, by rank. Collective.
  virtual std::vector<std::string> all_gather(const std::string& text) = 0;
  /// Runs `job` where MPI may be called, with the address of the MPI_Comm of these ranks, waits, and rethrows its
  /// exception.
  virtual void run(const std::function<void(const void* comm)>& job) = 0;
  /// Called by the job each time that it has written something. An MPI library may let ranks wait for ever for one
  /// whose write has failed.
  virtual void note_progress() noexcept = 0;
};

/// Writes one dump from two or more ranks, by collective calls of parallel HDF5, which make their own duplicate of the
/// communicator. The file is that which write_dump() makes of the whole on one rank, byte for byte. Each rank writes
/// what it alone has, and its part of what all have: of tensors of 64 KiB and more. Each makes the CRC-32 of what it
/// writes; rank 0 makes and writes the rest. `path` is that of rank 0, in a directory that all ranks see.
///
/// The file is written in full or not at all, as by write_dump(): rank 0 renames it when every rank has written its
/// part and flushed it to the disk. Room for the file is set apart before, where the file system can do that. What
/// fails on one rank is an Error on all, with the same text, at the same time: then the ranks can go on together. A
/// tensor that HDF5 could not write collectively is a warning of the process on rank 0, with HDF5's cause: the file is
/// right all the same. Collective; throws Error also when the ranks together do not have each element once.
void write_shared_dump(const std::string& path, const SharedDump& share, DumpRanks& ranks);

}  // namespace backflow::io

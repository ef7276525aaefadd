#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <backflow/io/dump.h>
#include <backflow/io/shared_dump.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::train {

/// A copy of a dump, which training does not change any more. Its memory is used again for the next one.
class Snapshot {
 public:
  /// Asks for the memory of the copies of such a dump, and touches it: the first copy then takes no longer than those
  /// that follow. The kernel needs ten times as long to give memory as a copy takes.
  void reserve(const io::Dump& dump);
  /// Copies the tensors of `dump`, on the threads of the pool, over those of the snapshot before, which nobody may be
  /// reading any more. Tensors whose elements nobody else holds, as the gathered state of a sharded optimizer, are
  /// taken over without a copy. Other memory is asked for only where shapes or dtypes differ from those before. The
  /// result is valid until the next call of a member. Throws Error when there is no memory.
  const io::Dump& take(io::Dump dump);
  /// Frees what was taken over, and keeps the memory of the copies. For the time before tensors are gathered again.
  void release() { dump_ = {}; }

 private:
  io::Dump dump_;
  std::map<std::string, Tensor> memory_;  ///< the copies in it, by number of their group and name
};

/// Bytes of all tensors of a dump.
std::int64_t tensor_bytes(const io::Dump& dump);
/// The same, of the whole that the ranks write together.
std::int64_t tensor_bytes(const io::SharedDump& share);

}  // namespace backflow::train

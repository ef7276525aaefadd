#pragma once

#include <cstdint>
#include <string>

#include <backflow/runtime/base/function_ref.h>

namespace backflow::io::detail {

/// What the program reads anew when it is its own child: dataset `dataset` of samples, or with no name a dump.
struct GuardedRead {
  std::string path;
  std::string dataset = {};
  std::uint64_t cache_bytes = 0;
};

/// Tries out in a child process what the caller is about to do with an HDF5 file that is not ours; see guarded_read.h.
/// `body` does it, under the caller's Hdf5Lock. It must use no more than HDF5 and memory. Throws Error, "PATH: ...",
/// with the message that `body` throws, or when the child crashes, exceeds a limit or cannot be started.
void read_in_child(const GuardedRead& read, FunctionRef<void()> body);

}  // namespace backflow::io::detail

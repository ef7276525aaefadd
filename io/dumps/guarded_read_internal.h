#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <backflow/io/dumps/guard_child_internal.h>
#include <backflow/runtime/base/function_ref.h>

namespace backflow::io::detail {

/// What the program reads when it is its own child: dataset `dataset` of samples, or with no name a dump.
struct GuardRequest {
  std::string path;
  std::string dataset = {};
  std::uint64_t cache_bytes = 0;
};

/// A child process that reads an HDF5 file for this one; see guarded_read.h. What it sends is not trusted: the caller
/// checks it. All functions throw Error, "PATH: ...", with the message that the body throws, or when the child crashes,
/// exceeds a limit or cannot be started. The end of this object ends the child.
class GuardedRead {
 public:
  /// In the child `body` reads the file, under Hdf5Lock. It uses no more than HDF5 and memory. A program that starts
  /// itself anew calls what run_guard() finds for `request`, which must be the same. The caller holds no Hdf5Lock.
  GuardedRead(const GuardRequest& request, FunctionRef<void(GuardReport&)> body);

  /// The next message, of at most `most` bytes.
  std::string receive(std::uint64_t most);
  /// The next message, which must be as long as `to`.
  void receive(std::span<std::byte> to);
  /// Waits for the end of the body, which sends nothing more.
  void finish();
  const GuardLimits& limits() const { return limits_; }

 private:
  bool fill(std::span<std::byte> to);
  std::uint64_t next_length();
  [[noreturn]] void fail_as_ended(GuardWord word);

  std::string path_;
  GuardLimits limits_;
  GuardChild::Patience patience_;
  GuardChild child_;
};

/// Tries out in a child process what the caller is about to do with an HDF5 file.
void read_in_child(const GuardRequest& request, FunctionRef<void()> body);

}  // namespace backflow::io::detail

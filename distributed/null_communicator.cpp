#include <backflow/distributed/null_communicator.h>

#include <cstdlib>

#include <backflow/distributed/calls/communication_thread.h>

namespace backflow::distributed {

void NullCommunicator::all_reduce_async(const Tensor& x, std::int64_t, Completion done) {
  buffer_of("all_reduce_async", x);
  x.impl().storage->bump_version();
  done(nullptr);
}

void NullCommunicator::reduce_scatter_async(const Tensor& x, std::int64_t, Completion done) {
  parts_of("reduce_scatter_async", x);
  x.impl().storage->bump_version();
  done(nullptr);
}

void NullCommunicator::all_gather_async(const Tensor& x, std::int64_t, Completion done) {
  parts_of("all_gather_async", x);
  x.impl().storage->bump_version();
  done(nullptr);
}

void NullCommunicator::abort(int exit_code) noexcept {
  flush_streams();
  std::_Exit(exit_code);
}

}  // namespace backflow::distributed

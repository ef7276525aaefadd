#include <backflow/distributed/null_communicator.h>

#include <cstdlib>

#include <backflow/distributed/communication_thread.h>

namespace backflow::distributed {

void NullCommunicator::abort(int exit_code) noexcept {
  flush_streams();
  std::_Exit(exit_code);
}

}  // namespace backflow::distributed

#pragma once

#include <memory>

#include <backflow/distributed/communicator.h>

namespace backflow::distributed {

/// Initialises MPI on a communication thread; see Communicator::world(), which is how to get it.
std::shared_ptr<Communicator> make_mpi_communicator();

}  // namespace backflow::distributed

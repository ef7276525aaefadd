#pragma once

#include <cstddef>
#include <memory>

#include <backflow/distributed/communicator.h>

namespace backflow::distributed {

/// Initialises MPI on a communication thread; see Communicator::world(), which is how to get it.
std::shared_ptr<Communicator> make_mpi_communicator();
/// See Communicator::from: `comm` is the address of an MPI_Comm of so many bytes.
std::shared_ptr<Communicator> make_mpi_communicator(const void* comm, std::size_t bytes);

}  // namespace backflow::distributed

#include <backflow/distributed/calls/quiet_abort_internal.h>

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

// Open MPI's own function behind MPI_Abort, which other libraries lack: then the weak symbol is null.
extern "C" __attribute__((weak)) int ompi_mpi_abort(MPI_Comm comm, int exit_code);

namespace backflow::distributed {

void abort_quietly(int exit_code) noexcept {
  if (&ompi_mpi_abort != nullptr) {
    ompi_mpi_abort(MPI_COMM_WORLD, exit_code);
  }
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

}  // namespace backflow::distributed

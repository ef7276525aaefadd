#pragma once

#include <functional>

namespace backflow::distributed {

/// Rank and size from the environment variables of a launcher (mpirun, srun), known before MPI is initialised.
struct LaunchEnvironment {
  bool launched = false;  ///< true when the process is one of an MPI job, perhaps of size 1
  int rank = 0;
  int size = 1;            ///< 0 when the launcher does not say
  bool by_mpirun = false;  ///< of Open MPI
};

/// Reads the environment: Open MPI's mpirun, then PMI (MPICH, Intel MPI), then a Slurm step of several tasks, then
/// PMIx. A Slurm batch script or interactive shell is not a launched process, although SLURM_PROCID is set there; a
/// step of one task needs no MPI. `get` replaces std::getenv in tests. Thread-safe as long as nobody changes the
/// environment.
LaunchEnvironment launch_environment(const std::function<const char*(const char*)>& get = {});

/// The rank of this process before MPI is initialised; 0 without a launcher. Used to print a mistake in a configuration
/// once.
int environment_rank();

}  // namespace backflow::distributed

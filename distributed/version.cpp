#include <backflow/distributed/version.h>

#include <mpi.h>

namespace backflow::distributed {

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) {
    return "unknown";
  }
  return std::string(text).substr(0, std::string(text).find(','));
}

}  // namespace backflow::distributed

#pragma once

#include <string>

namespace backflow::distributed {

/// The MPI library that runs, as it calls itself, cut at the first comma: "Open MPI v4.1.4". Thread-safe, and does not
/// need MPI to be initialised.
std::string mpi_version();

}  // namespace backflow::distributed

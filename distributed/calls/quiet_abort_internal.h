#pragma once

namespace backflow::distributed {

/// Ends all ranks with this exit code, as MPI_Abort does, for a rank that has said why: where Open MPI lets us, without
/// the paragraph that MPI_Abort prints. To be called on the thread that calls MPI.
void abort_quietly(int exit_code) noexcept;

}  // namespace backflow::distributed

#pragma once

#include <cstddef>
#include <vector>

#include <backflow/distributed/calls/mpi_world_internal.h>
#include <backflow/distributed/communicator.h>

namespace backflow::distributed {

/// Replaces bfloat16 numbers by their sums over the ranks: added in float32 in the order of the ranks, and rounded
/// once. Every rank adds up an equal part of them, which all others send it, and sends the sums to all: each element
/// travels twice, as in the best all-reduce, and no partial sum is rounded. `scratch`: memory to be used again. On the
/// communication thread.
void all_reduce_bfloat16(MpiWorld& world, Buffer x, std::vector<std::byte>& scratch);

/// The same for this rank's part of the elements alone, the rank-th of size() equal ones. The others are left as they
/// are.
void reduce_scatter_bfloat16(MpiWorld& world, Buffer x, std::vector<std::byte>& scratch);

}  // namespace backflow::distributed

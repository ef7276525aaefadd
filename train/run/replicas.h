#pragma once

#include <cstdint>

#include <backflow/distributed/communicator.h>
#include <backflow/io/dump.h>

namespace backflow::train {

/// Throws SharedFailure on all ranks unless the parameters, buffers and optimizer state of `replica` have the same bits
/// on all: the message has the step, the tensors that differ, and their digests by rank. Bits differ after a fault of
/// memory or a processor, or when something has changed a rank's model. Reads every byte once; the ranks exchange 18
/// bytes each, more when they differ. Collective.
void check_replicas(distributed::Communicator& world, std::int64_t step, const io::Dump& replica);

}  // namespace backflow::train

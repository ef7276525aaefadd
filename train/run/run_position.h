#pragma once

#include <cstdint>

#include <backflow/distributed/sampler.h>
#include <backflow/io/dump.h>

namespace backflow::train {

/// Where a run is in its data: in which epoch, and how many of its steps are done.
struct RunPosition {
  std::int64_t epoch = 0;
  std::int64_t steps = 0;
};

/// The place from which a run goes on that continues the dump's. With the batch size, the data and drop_last of that
/// run it is the step after the dump's. With others, the samples that are done still count: of a batch that was begun,
/// the rest is left out. Throws Error for a dump whose step, epoch and place contradict each other.
RunPosition position_in(const io::Dump& dump, const distributed::ShardedSampler& sampler);

/// Writes the place into a dump.
void set_position(io::Dump& dump, const RunPosition& position, const distributed::ShardedSampler& sampler);

}  // namespace backflow::train

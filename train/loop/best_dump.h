#pragma once

#include <backflow/distributed/communicator.h>
#include <backflow/train/loop/checkpoints.h>
#include <backflow/train/loop/loop_control.h>
#include <backflow/train/loop/run_output.h>

namespace backflow::train {

// A best value without its dump would keep a run from writing one. Both functions forget such a value on all ranks, so
// that the next evaluation is the best again, and are collective.

/// At the start: somebody has removed the dump, or another directory has it. Rank 0 warns.
void forget_best_without_file(LoopControl& control, RunOutput& output, distributed::Communicator& world);

/// Before an evaluation: the dump could not be written.
void forget_lost_best(LoopControl& control, const Checkpoints& checkpoints, distributed::Communicator& world);

}  // namespace backflow::train

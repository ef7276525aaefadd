#pragma once

#include <cstdint>

#include <backflow/distributed/communicator.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/model/model.h>
#include <backflow/train/task/task.h>

namespace backflow::train {

/// Evaluates a model on a whole data set, in batches of `batch_size` that the ranks share out. The same bits on any
/// number of ranks and threads: batches do not depend on either, and their sums are added in their order. What a GAN's
/// generator makes depends on the batch alone. Collective.
Evaluation evaluate(const Task& task, const Model& model, const BatchMaker& data, std::int64_t batch_size,
                    distributed::Communicator& world);

}  // namespace backflow::train

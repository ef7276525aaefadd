#pragma once

#include <cstdint>

#include <backflow/distributed/communicator.h>
#include <backflow/train/data/batch_maker.h>
#include <backflow/train/model/model.h>

namespace backflow::train {

struct Evaluation {
  double loss = 0;      ///< mean cross-entropy over the samples
  double accuracy = 0;  ///< fraction of samples whose class has the largest score
};

/// Evaluates a model on a whole data set, in batches of `batch_size` that the ranks share out. The same bits on any
/// number of ranks and threads: batches do not depend on either, and their sums are added in their order. Collective.
Evaluation evaluate(const Model& model, const BatchMaker& data, std::int64_t batch_size,
                    distributed::Communicator& world);

}  // namespace backflow::train

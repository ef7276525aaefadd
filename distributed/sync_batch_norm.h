#pragma once

#include <memory>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/nn/module.h>
#include <backflow/ops/normalization/statistics_group.h>

namespace backflow::distributed {

/// The group of all ranks of `communicator`, which must serve nothing else: backward of several branches meets the
/// other ranks in the order of the tape, and must not wait for the gradients of buckets.
std::shared_ptr<StatisticsGroup> statistics_group(std::shared_ptr<Communicator> communicator);

/// Makes every batch normalization in `module` take its statistics over the batches of all ranks in training, as
/// torch.nn.SyncBatchNorm.convert_sync_batchnorm; a BatchNorm2d stays what it is. Each rank then has to call forward
/// and backward in each step, perhaps with no samples. Running statistics are the same on all ranks. Changes nothing in
/// a world of one. Collective.
void sync_batch_norm(const nn::Module& module, Communicator& communicator);

/// The buffers of `module`, less those of batch normalizations that ranks compute together: what a BufferCombiner is
/// for.
std::vector<Tensor> buffers_to_combine(const nn::Module& module);

}  // namespace backflow::distributed

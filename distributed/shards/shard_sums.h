#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/distributed/shards/shard_scope.h>
#include <backflow/distributed/shards/shards.h>

namespace backflow::distributed {

/// What a step sums over shards besides gradients: the loss, and the model's buffers. Each shard starts from the same
/// buffers and updates its own copy of them (ShardScope). From these come the new ones, for shards of w samples:
///
///   floating-point   sum(w x) / sum(w) in float64, added in the tree's order
///   integers, bool   those of the shard of most samples, of equal ones the first; up to 2^53
///
/// So batch norm counts the step once, a running mean is that of the whole batch, and a running variance is the mean of
/// the shards' variances. Buffers that no shard has changed stay as they are.
class ShardSums {
 public:
  /// `buffers`: of the model, all defined.
  ShardSums(std::vector<Tensor> buffers, int shards, std::shared_ptr<Communicator> communicator);

  /// Returns the sum of the losses and sets the buffers. `losses` and `states`: of this rank's shards, in their order;
  /// a shard without samples is left out. Collective.
  double combine(const std::vector<double>& losses, const std::vector<ShardState>& states, std::int64_t global_n);

 private:
  std::vector<double> message(double loss, const ShardState& state, const Shard& shard, bool is_source) const;
  void take(const std::vector<double>& sums, std::int64_t global_n);

  std::vector<Tensor> buffers_;
  int shards_;
  std::shared_ptr<Communicator> communicator_;
  std::size_t length_ = 1;  ///< of a message: the loss, then of each buffer whether it has changed and its elements
};

}  // namespace backflow::distributed

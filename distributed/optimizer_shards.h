#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include <backflow/distributed/data_parallel.h>
#include <backflow/nn/optim/optimizer.h>

namespace backflow::distributed {

/// What a rank has of a tensor of the optimizer's state.
struct OptimizerStateShare {
  std::string name;                 ///< as in Optimizer::state(names)
  std::vector<std::int64_t> sizes;  ///< of the whole tensor
  std::int64_t begin = 0;           ///< where in the whole, row-major, the elements start that this rank has
  Tensor elements;                  ///< shared with the optimizer; there may be none
  bool is_replicated = false;       ///< every rank has all elements
};

/// The updates of an optimizer of whose state each rank keeps that of its share of the buckets. Not thread-safe, except
/// that different buckets may be updated at once.
class OptimizerShards {
 public:
  /// `parallel`, with is_sharded(), and `optimizer` must outlive this object.
  OptimizerShards(DataParallel& parallel, optim::Optimizer& optimizer) : parallel_(parallel), optimizer_(optimizer) {}

  /// Gives each rank the state of its share: to be called before the updates of a step. Cuts the state of whole
  /// parameters, as Optimizer::load_state() leaves it, and moves state between ranks after the buckets have been
  /// planned anew, one parameter at a time. Collective then.
  void align();

  /// Updates this rank's share and puts it into the bucket.
  void update(BucketIndex bucket);
  /// After the bucket's gather: takes the other ranks' shares, and drops the gradients.
  void take(BucketIndex bucket);

  /// The gradients of this rank's shares, each of one dimension, those that some rank has.
  std::vector<Tensor> gradients() const;
  /// The norm of all gradients, in float64: that of each rank's share, then over the ranks. So its last bits may differ
  /// from those of the norm of whole gradients. Collective.
  double norm() const;
  /// Throws Error on all ranks, with the name of a parameter, when a gradient is NaN or infinite. Collective.
  void check_finite() const;

  /// The state of whole parameters, as Optimizer::state(names) is when nothing is sharded; empty on all ranks but the
  /// first. Collective.
  optim::Optimizer::NamedTensors gather_state(const optim::Optimizer::NamedTensors& names) const;
  /// What this rank has of that, and the names and sizes of all, in the order of gather_state. Nothing is gathered but
  /// the numbers of steps. Collective.
  std::vector<OptimizerStateShare> own_state(const optim::Optimizer::NamedTensors& names) const;

 private:
  using NamedTensors = optim::Optimizer::NamedTensors;

  /// A parameter whose state is cut, and what the rank of its first element has counted.
  struct CutState {
    Tensor parameter;
    std::int64_t begin = 0;  ///< of this rank's elements
    bool is_begun = false;   ///< whether it has been updated
    std::int64_t step = 0;
  };

  bool is_aligned() const;
  std::vector<CutState> cut_states() const;
  void for_each_state(const std::function<void(const Tensor& parameter, const NamedTensors& state)>& use) const;
  std::vector<Tensor> uncut_parameters() const;
  std::unordered_map<const TensorImpl*, std::string> paths(const NamedTensors& names) const;

  DataParallel& parallel_;
  optim::Optimizer& optimizer_;
  std::int64_t plan_number_ = 0;  ///< of the buckets whose shares the state is cut for
  std::size_t parameters_ = 0;    ///< of the optimizer then
};

}  // namespace backflow::distributed

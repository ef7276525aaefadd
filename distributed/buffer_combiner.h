#pragma once

#include <memory>
#include <span>
#include <vector>

#include <backflow/distributed/communicator.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::distributed {

/// Averages the buffers of a model (running statistics of batch norm) over the ranks after a step in which each rank
/// updated its own. All ranks then have the same bits. The weight of a rank is its number of samples in that step:
///
///   floating-point   the weighted mean over the ranks, in float64: sum(weight * x) / sum(weight)
///   integers, bool   as they are when all ranks have a weight, since then all have counted the step; else those of the
///                    rank of the largest weight, of equal ones the lowest
///
/// So a running mean is that of the whole batch. A running variance is the mean of the variances of the ranks' parts;
/// like the normalization itself, it ignores that the means of the parts differ. A rank of weight 0 contributes
/// nothing. When all weights are 0, and in a world of one, nothing changes.
///
/// The sums travel in a message that a step has anyway:
///
///   std::vector<double> message = {loss};
///   combiner.append_to(message, samples);
///   world->all_reduce_sum(std::span(message));
///   combiner.take_from(std::span(message).subspan(1));
class BufferCombiner {
 public:
  /// Buffers of the same shapes and dtypes, in the same order, on every rank; undefined ones are left out.
  BufferCombiner(const std::vector<Tensor>& buffers, std::shared_ptr<Communicator> communicator);

  /// Appends this rank's weighted buffers; nothing in a world of one. Throws Error for a weight that is negative or not
  /// finite.
  void append_to(std::vector<double>& message, double weight);
  /// Sets the buffers from the sums over all ranks. Collective: when some ranks have weight 0 it broadcasts the integer
  /// buffers.
  void take_from(std::span<const double> sums) const;
  /// Both, with a message of its own. Collective.
  void combine(double weight);

 private:
  void choose_integers() const;

  std::shared_ptr<Communicator> communicator_;
  std::vector<Tensor> numbers_;
  std::vector<Tensor> integers_;
  double weight_ = 0;
};

}  // namespace backflow::distributed

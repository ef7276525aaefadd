#pragma once

#include <cstdint>
#include <string>

#include <backflow/runtime/tensor/dtype.h>
#include <backflow/train/model/model.h>

namespace backflow::train {

/// What a run would be, as far as it can be told without computing anything.
struct PlanFacts {
  DimVector sample_shape;
  std::int64_t samples_of_rank = 0;  ///< that go through forward and backward at once on one rank
  ScalarType dtype = kFloat32;
  std::int64_t copies = 2;  ///< numbers in memory for each parameter: itself, its gradient, the optimizer's state
  std::int64_t snapshot_copies = 0;  ///< likewise of rank 0's copy of a dump, while that is written; 0: none is made
  std::int64_t steps_per_epoch = 0;
  std::int64_t steps = 0;  ///< of the whole run
};

/// A table of the model's layers with shapes, parameters and FLOP of one sample; the memory that a rank needs, of which
/// activations are an estimate: every layer's result is kept for backward; and the steps.
std::string plan_table(const Model& model, const PlanFacts& facts);

}  // namespace backflow::train

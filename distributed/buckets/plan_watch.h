#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <backflow/distributed/buckets/bucket_plan.h>
#include <backflow/distributed/buckets/gradient_order.h>
#include <backflow/distributed/communicator.h>

namespace backflow::distributed {

/// How a backward completes gradients.
struct GradientPattern {
  ParameterOrder order;   ///< of all parameters
  GradientBlocks blocks;  ///< of each
};

/// Decides when the buckets of a model are planned anew, the same on all ranks: rank 0 watches in which order a
/// backward completes the gradients, and in which blocks of channels, and tells the others.
///
/// It watches the first backward, and every hundredth after that. The first order is taken as it is. A later one is
/// taken when two backwards in a row differ from the plan: in which parameters they reach, in their blocks, or by so
/// much that gradients wait a twentieth of the backward longer than they would with a new plan. Timing alone changes
/// the order a little from pass to pass, which is not worth new buckets.
class PlanWatch {
 public:
  enum class Blocks : std::uint8_t { Kept, RowMajor };
  /// `parameters`: those that are planned. `blocks`: whether a bucket may hold gradients in blocks.
  PlanWatch(std::vector<Tensor> parameters, const BucketLimits& limits, Blocks blocks = Blocks::RowMajor);

  /// To be called before each backward that is reduced.
  void begin_pass();
  /// To be called when it has ended; a second call does nothing.
  void end_pass();
  /// What to plan by, when `plans` are not to be kept. Collective in the passes after those that are watched,
  /// which are the same on all ranks.
  std::optional<GradientPattern> new_pattern(std::span<const BucketPlan> plans, Communicator& communicator);

 private:
  std::optional<GradientPattern> judge(std::span<const BucketPlan> plans, const GradientPattern& seen);

  std::vector<Tensor> parameters_;
  BucketLimits limits_;
  Blocks kept_;
  GradientOrder order_;
  std::int64_t passes_ = 0;
  bool watched_ = false;       ///< the last pass was
  bool due_ = true;            ///< the next pass is
  bool is_first_ = true;       ///< no order has been seen yet
  bool suspected_ = false;     ///< the last order seen differed from the plan
  std::vector<bool> reached_;  ///< by the backward that the plan follows
  GradientBlocks blocks_;      ///< of that backward
};

}  // namespace backflow::distributed

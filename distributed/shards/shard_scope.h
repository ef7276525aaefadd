#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <backflow/runtime/memory/intrusive_ptr.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/tensor/tensor_impl.h>

namespace backflow::distributed {

/// What a shard has of its own while all share the parameters' values: gradients, buffers (running statistics of batch
/// norm) and random numbers. Not thread-safe.
class ShardState {
 public:
  /// `parameters` are leaves that require a gradient. Keeps handles on all.
  ShardState(const std::vector<Tensor>& parameters, std::vector<Tensor> buffers);

  /// Leaves that stand for the parameters on the tape of the shard's forward: their grad() is that of the shard.
  const std::vector<Tensor>& leaves() const { return leaves_; }
  /// The shard's buffers, copies of the model's; none before its first ShardScope of a step.
  const std::vector<Tensor>& buffers() const { return buffers_; }
  /// Whether the shard's forward has changed its buffer `i`, even if to the same values.
  bool has_changed(std::size_t i) const { return buffers_[i].impl().storage->version() != versions_[i]; }

  /// Starts a step: without gradients and buffers, with the random numbers of this seed.
  void begin(std::uint64_t seed);

 private:
  friend class ShardScope;

  std::vector<Tensor> parameters_;
  std::vector<Tensor> model_buffers_;
  std::vector<Tensor> leaves_;
  std::vector<Tensor> buffers_;
  std::vector<std::uint32_t> versions_;  ///< of the buffers when they were copied
  Generator::State random_;
};

/// Until the end of the scope, the model is the shard's. What is recorded with a parameter sends its gradient to the
/// shard's leaf. The model's buffers have the shard's elements, and the default generator of this thread, and of the
/// closures of parallel(), goes on from the shard's last scope. The parameters' values stay the model's.
///
/// Several scopes of one shard in a step go on with its buffers. One scope at a time in a process: other threads must
/// not use the model meanwhile. Throws Error for a parameter with hooks, which no shard's gradient would reach.
class ShardScope {
 public:
  explicit ShardScope(ShardState& shard);
  ~ShardScope();
  ShardScope(const ShardScope&) = delete;
  ShardScope& operator=(const ShardScope&) = delete;

 private:
  void copy_buffers();
  void exchange_buffers();

  ShardState& shard_;
  std::vector<IntrusivePtr<Node>> accumulators_;  ///< those of the leaves, in the parameters' place
  std::vector<IntrusivePtr<Node>> previous_;      ///< the parameters' own, which may be none
  std::optional<DefaultGeneratorGuard> random_;
};

}  // namespace backflow::distributed

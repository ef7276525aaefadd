#include <backflow/distributed/shards/shard_scope.h>

#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::distributed {

ShardState::ShardState(const std::vector<Tensor>& parameters, std::vector<Tensor> buffers)
    : parameters_(parameters), model_buffers_(std::move(buffers)) {
  for (const Tensor& p : parameters_) {
    leaves_.push_back(view_of(p, p.sizes(), p.strides(), p.impl().offset).set_requires_grad(true));
  }
}

void ShardState::begin(std::uint64_t seed) {
  for (const Tensor& leaf : leaves_) {
    leaf.mutable_grad() = Tensor();
  }
  buffers_.clear();
  random_ = {.seed = seed, .offset = 0};
}

ShardScope::ShardScope(ShardState& shard) : shard_(shard) {
  for (const Tensor& p : shard_.parameters_) {
    check(p.impl().meta().leaf_hooks == nullptr, "shards: parameter ", describe(p),
          " has hooks: need none, since each shard has a gradient of its own");
  }
  copy_buffers();
  for (std::size_t i = 0; i < shard_.leaves_.size(); ++i) {
    AutogradMeta& meta = shard_.parameters_[i].impl().meta();
    accumulators_.push_back(AccumulateGrad::of(shard_.leaves_[i]));
    const std::lock_guard lock(meta.mutex);
    // Kept alive until it is put back, since one that ends looks for itself there.
    const bool lives = meta.accumulator != nullptr && meta.accumulator->try_retain();
    previous_.push_back(lives ? IntrusivePtr<Node>::adopt(meta.accumulator) : IntrusivePtr<Node>());
    meta.accumulator = static_cast<AccumulateGrad*>(accumulators_.back().get());
  }
  exchange_buffers();
  random_.emplace(shard_.random_);
}

ShardScope::~ShardScope() {
  shard_.random_ = default_generator().state();
  random_.reset();
  exchange_buffers();
  for (std::size_t i = 0; i < previous_.size(); ++i) {
    AutogradMeta& meta = shard_.parameters_[i].impl().meta();
    const std::lock_guard lock(meta.mutex);
    meta.accumulator = static_cast<AccumulateGrad*>(previous_[i].get());
  }
}

/// The copies have the version of the originals. So backward takes what was saved of them before a change, whose
/// values the originals still have, and finds what was saved after one.
void ShardScope::copy_buffers() {
  if (!shard_.buffers_.empty()) {
    return;
  }
  const NoGradGuard no_grad;
  shard_.versions_.clear();
  for (const Tensor& buffer : shard_.model_buffers_) {
    const Tensor copy = buffer.clone();
    TensorImpl& impl = copy.impl();
    shard_.versions_.push_back(buffer.impl().storage->version());
    impl.storage = Storage::alias(impl.storage, shard_.versions_.back());
    shard_.buffers_.push_back(copy);
  }
}

/// Gives the elements of the shard's buffers to the model's, and the other way round.
void ShardScope::exchange_buffers() {
  for (std::size_t i = 0; i < shard_.buffers_.size(); ++i) {
    TensorImpl& a = shard_.model_buffers_[i].impl();
    TensorImpl& b = shard_.buffers_[i].impl();
    std::swap(a.storage, b.storage);
    std::swap(a.offset, b.offset);
    std::swap(a.strides, b.strides);
    std::swap(a.is_contiguous, b.is_contiguous);
  }
}

}  // namespace backflow::distributed

#include <backflow/distributed/buckets/gradient_order.h>

#include <cstddef>
#include <mutex>
#include <ranges>
#include <utility>

#include <backflow/ops/kernels/layout/blocked.h>

namespace backflow::distributed {

namespace {

/// Those in which another tensor of the same sizes can be kept: of all elements of a storage, without padding.
ChannelBlocks blocks_of(const Tensor& gradient) {
  const ChannelBlocks blocks = kernels::any_blocks(gradient).blocks;
  return blocks.is_padded() || blocks.is_row_major() ? ChannelBlocks() : blocks;
}

}  // namespace

struct GradientOrder::Notes {
  std::mutex mutex;
  ParameterOrder order;  ///< each time that a gradient has come
  GradientBlocks blocks;
};

GradientOrder::GradientOrder(std::vector<Tensor> parameters)
    : parameters_(std::move(parameters)), notes_(std::make_shared<Notes>()) {}

GradientOrder::~GradientOrder() { stop(); }

void GradientOrder::watch() {
  stop();
  notes_ = std::make_shared<Notes>();
  notes_->blocks.resize(parameters_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    hooks_.push_back(register_post_accumulate_grad_hook(parameters_[i], [notes = notes_, i](const Tensor&) {
      const std::lock_guard lock(notes->mutex);
      notes->order.push_back(i);
    }));
    gradient_hooks_.push_back(parameters_[i].register_hook([notes = notes_, i](const Tensor& gradient) {
      const std::lock_guard lock(notes->mutex);
      notes->blocks[i] = blocks_of(gradient);
    }));
  }
}

void GradientOrder::stop() {
  for (RemovableHandle& hook : hooks_) {
    hook.remove();
  }
  hooks_.clear();
  for (std::size_t i = 0; i < gradient_hooks_.size(); ++i) {
    parameters_[i].remove_hook(gradient_hooks_[i]);
  }
  gradient_hooks_.clear();
}

ParameterOrder GradientOrder::seen() const {
  const std::lock_guard lock(notes_->mutex);
  std::vector<bool> known(parameters_.size(), false);
  ParameterOrder order;
  // The last time counts: a backward inside the backward may have brought a part before.
  for (const std::size_t parameter : std::ranges::reverse_view(notes_->order)) {
    if (!known[parameter]) {
      known[parameter] = true;
      order.push_back(parameter);
    }
  }
  return {order.rbegin(), order.rend()};
}

GradientBlocks GradientOrder::blocks() const {
  const std::lock_guard lock(notes_->mutex);
  return notes_->blocks;
}

}  // namespace backflow::distributed

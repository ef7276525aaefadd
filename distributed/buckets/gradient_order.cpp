#include <backflow/distributed/buckets/gradient_order.h>

#include <cstddef>
#include <mutex>
#include <utility>

namespace backflow::distributed {

struct GradientOrder::Notes {
  std::mutex mutex;
  ParameterOrder order;  ///< each time that a gradient has come
};

GradientOrder::GradientOrder(std::vector<Tensor> parameters)
    : parameters_(std::move(parameters)), notes_(std::make_shared<Notes>()) {}

GradientOrder::~GradientOrder() { stop(); }

void GradientOrder::watch() {
  stop();
  notes_ = std::make_shared<Notes>();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    hooks_.push_back(register_post_accumulate_grad_hook(parameters_[i], [notes = notes_, i](const Tensor&) {
      const std::lock_guard lock(notes->mutex);
      notes->order.push_back(i);
    }));
  }
}

void GradientOrder::stop() {
  for (RemovableHandle& hook : hooks_) {
    hook.remove();
  }
  hooks_.clear();
}

ParameterOrder GradientOrder::seen() const {
  const std::lock_guard lock(notes_->mutex);
  std::vector<bool> known(parameters_.size(), false);
  ParameterOrder order;
  // The last time counts: a backward inside the backward may have brought a part before.
  for (auto at = notes_->order.rbegin(); at != notes_->order.rend(); ++at) {
    if (!known[*at]) {
      known[*at] = true;
      order.push_back(*at);
    }
  }
  return {order.rbegin(), order.rend()};
}

}  // namespace backflow::distributed

#include <backflow/runtime/engine/multi_grad_hook.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow::autograd {
namespace {

/// What a multi-gradient hook has seen of each pass that is under way. It refers to nodes by the numbers of their
/// hooks, since the nodes own it.
class MultiGradHook : public std::enable_shared_from_this<MultiGradHook> {
 public:
  MultiGradHook(std::function<void(const variable_list&)> hook, MultiGradMode mode)
      : hook_(std::move(hook)), mode_(mode) {}

  RemovableHandle attach(const variable_list& tensors) {
    for (const Tensor& x : tensors) {
      check(x.requires_grad(), "register_multi_grad_hook: ", describe(x), " requires no gradient: need one that does");
    }
    std::vector<std::pair<std::shared_ptr<NodeHooks>, std::uint64_t>> attached;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::shared_ptr<NodeHooks> hooks = hooks_of(tensors[i]);
      numbers_.push_back(hooks->number());
      const auto arrived = [self = shared_from_this(), i](const Tensor& dy) {
        self->arrive(i, dy);
        return Tensor();
      };
      attached.emplace_back(hooks,
                            hooks->add_tensor_hook(tensors[i].output_nr(), arrived, NodeHooks::Undefined::kPassed));
    }
    return RemovableHandle([attached] {
      for (const auto& [hooks, id] : attached) {
        hooks->remove(id);
      }
    });
  }

 private:
  /// What one pass has brought so far.
  struct Arrivals {
    std::shared_ptr<MultiGradHook> hook;  // so that no other can have its address
    std::ptrdiff_t missing = 0;
    bool called = false;
    variable_list grads;
  };

  void arrive(std::size_t i, const Tensor& grad) {
    Execution& pass = *thread_state().pass;
    std::shared_ptr<void>& state = pass.hook_state(this);
    if (!state) {
      state = std::make_shared<Arrivals>(
          Arrivals{shared_from_this(), expected(pass.plan()), false, variable_list(numbers_.size())});
    }
    auto& arrivals = *static_cast<Arrivals*>(state.get());
    arrivals.grads[i] = grad;
    const bool is_last = --arrivals.missing == 0;
    const bool call = mode_ == MultiGradMode::kAny ? grad.defined() && !arrivals.called : is_last;
    if (!call) {
      return;
    }
    arrivals.called = true;
    const variable_list grads = mode_ == MultiGradMode::kAny ? arrivals.grads : std::move(arrivals.grads);
    hook_(grads);
  }

  /// How many of the tensors a pass comes to.
  std::ptrdiff_t expected(const Plan& plan) const {
    std::ptrdiff_t count = 0;
    for (const PlanNode& n : plan.nodes()) {
      if (n.node->hooks() != nullptr) {
        count += std::count(numbers_.begin(), numbers_.end(), n.node->hooks()->number());
      }
    }
    return count;
  }

  std::vector<std::uint64_t> numbers_;
  std::function<void(const variable_list&)> hook_;
  MultiGradMode mode_;
};

}  // namespace

RemovableHandle register_multi_grad_hook(const variable_list& tensors, std::function<void(const variable_list&)> hook,
                                         MultiGradMode mode) {
  return std::make_shared<MultiGradHook>(std::move(hook), mode)->attach(tensors);
}

}  // namespace backflow::autograd

#include <backflow/runtime/node.h>

#include <backflow/runtime/accumulate_grad.h>
#include <backflow/runtime/memory.h>

namespace backflow {

void* Node::operator new(std::size_t bytes) { return allocate_object(bytes); }

void Node::operator delete(void* memory) noexcept { deallocate_object(memory); }

void Node::destroy() noexcept {
  // Destroying a node drops its edges and saved tensors, which may destroy further nodes: those queue up behind the
  // first instead of recursing, so that the depth of the stack does not grow with the length of the tape.
  thread_local bool destroying = false;
  thread_local Node* waiting = nullptr;
  if (destroying) {
    next_dead_ = waiting;
    waiting = this;
    return;
  }
  destroying = true;
  delete this;
  while (waiting != nullptr) {
    Node* node = waiting;
    waiting = node->next_dead_;
    delete node;
  }
  destroying = false;
}

void check_history(const Tensor& x) {
  const TensorImpl& impl = x.impl();
  check(!impl.is_view || impl.view_changes == impl.storage->recorded_changes(), "autograd: ", describe(x),
        " is a view of a tensor that was changed in place after the view was made: need a new view");
}

Edge gradient_edge(const Tensor& x) {
  check_history(x);
  TensorImpl& impl = x.impl();
  if (impl.grad_fn) {
    return {impl.grad_fn, impl.output_nr};
  }
  return {impl.requires_grad ? AccumulateGrad::of(x) : nullptr, 0};
}

}  // namespace backflow

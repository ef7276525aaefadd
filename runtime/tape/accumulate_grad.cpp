#include <backflow/runtime/tape/accumulate_grad.h>

#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tensor/gradient_ops.h>
#include <backflow/runtime/tensor/shape.h>
#include <backflow/runtime/threads/branch.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow {
namespace {

Tensor copy_of(const Tensor& x) {
  Tensor y = empty_tensor_like(x, x.scalar_type());
  gradient_ops().copy_(y, x);
  return y;
}

/// The same with a history: what is done in place to the one leaves the other as it is.
Tensor recorded_copy_of(const Tensor& x) {
  const Geometry all{x.sizes(), contiguous_strides(x.sizes()), 0};
  return gradient_ops().gather(x, all, all);
}

}  // namespace

bool is_exclusive(const Tensor& x) {
  return x.use_count() == 1 && x.impl().storage->has_sole_owner() && x.is_contiguous() && x.is_leaf();
}

AccumulateGrad::AccumulateGrad(const Tensor& leaf) : Node(1, kLast), variable_(leaf) {
  set_saves(false);
  set_internal();
  const Tensor& buffer = leaf.impl().meta().grad_buffer;
  // Without a bucket the leaf can mostly keep what comes. The gradient of a matrix or of filters is computed right in
  // it.
  if (buffer.defined() && buffer.dim() < 2) {
    set_cost({.flop = 0, .bytes = 2 * static_cast<float>(buffer.nbytes())});
  }
}

AccumulateGrad::~AccumulateGrad() {
  AutogradMeta& meta = *variable_.impl().autograd;
  const std::lock_guard lock(meta.mutex);
  if (meta.accumulator == this) {
    meta.accumulator = nullptr;
  }
}

IntrusivePtr<Node> AccumulateGrad::of(const Tensor& leaf) {
  AutogradMeta& meta = *leaf.impl().autograd;
  const std::lock_guard lock(meta.mutex);
  if (meta.accumulator != nullptr && meta.accumulator->try_retain()) {
    return IntrusivePtr<Node>::adopt(meta.accumulator);
  }
  auto* accumulator = new AccumulateGrad(leaf);
  meta.accumulator = accumulator;
  accumulator->set_hooks(meta.leaf_hooks);
  return IntrusivePtr<Node>(accumulator);
}

Tensor AccumulateGrad::take_buffer(IntArrayRef sizes, ScalarType dtype) {
  AutogradMeta& meta = *variable_.impl().autograd;
  const std::lock_guard lock(meta.mutex);
  const Tensor& buffer = meta.grad_buffer;
  if (meta.grad.defined() || meta.is_buffer_taken || !buffer.defined() || buffer.sizes() != sizes ||
      buffer.scalar_type() != dtype) {
    return {};
  }
  meta.is_buffer_taken = true;
  return buffer;
}

void AccumulateGrad::apply(NodeCall& call) { accumulate_into(*variable_.impl().autograd, std::move(call.dy[0])); }

Edge gradient_edge(const Tensor& x) {
  TensorImpl& impl = x.impl();
  if (const IntrusivePtr<Node>& node = impl.history()) {
    return {node, impl.output_nr};
  }
  return {impl.requires_grad ? AccumulateGrad::of(x) : nullptr, 0};
}

void accumulate_into(AutogradMeta& meta, Tensor dy) {
  run_deferred_work();  // grad() is for everybody
  wait_for_turn();      // the order of a sum decides its last bits
  const std::lock_guard lock(meta.mutex);
  const bool is_in_buffer = meta.grad_buffer.defined() && dy.is_same(meta.grad_buffer);
  if (is_in_buffer) {
    meta.is_buffer_taken = false;
  }
  if (meta.grad.defined()) {
    if (GradMode::is_enabled()) {
      meta.grad = gradient_ops().add(meta.grad, dy);
    } else {
      gradient_ops().add_(meta.grad, dy);
    }
  } else if (is_in_buffer) {
    meta.grad = std::move(dy);
  } else if (meta.grad_buffer.defined() && !meta.is_buffer_taken) {
    gradient_ops().copy_(meta.grad_buffer, dy);
    meta.grad = meta.grad_buffer;
  } else if (GradMode::is_enabled()) {
    meta.grad = recorded_copy_of(dy);
  } else if (is_exclusive(dy)) {
    meta.grad = std::move(dy);
  } else {
    meta.grad = copy_of(dy);
  }
}

void retain_in(AutogradMeta& meta, const Tensor& dy) {
  const NoDeferral at_once;  // grad() is for everybody
  wait_for_turn();
  const std::lock_guard lock(meta.mutex);
  if (meta.grad.defined()) {
    meta.grad = gradient_ops().add(meta.grad, dy);
  } else {
    meta.grad = GradMode::is_enabled() ? recorded_copy_of(dy) : copy_of(dy);
  }
}

}  // namespace backflow

#include <backflow/runtime/tape/saved_tensor.h>

#include <utility>

#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/branch.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow {

/// What hooks made of a tensor, and what it takes to put the result in its place.
struct SavedTensor::Packed {
  std::any value;
  std::shared_ptr<const SavedTensorHooks::Unpack> unpack;
  Edge edge;  ///< of an operand: where its gradient goes
  DimVector sizes;
  ScalarType dtype;
};

void SavedTensor::DeletePacked::operator()(Packed* packed) const { delete packed; }

void SavedTensor::keep_specially(Tensor kept, const Tensor& x) {
  check(!x.is_inference() || InferenceMode::is_enabled(), "save for backward: ", describe(x),
        " was made in inference mode: need a normal tensor, which clone() gives");
  version_ = x.impl().storage->version();
  const SavedTensorHooks* hooks = thread_state().saved_tensor_hooks;
  if (hooks == nullptr) {
    tensor_ = std::move(kept);
    return;
  }
  wait_for_turn(hooks->branch_);
  packed_.reset(new Packed);
  packed_->edge = gradient_edge(kept);
  packed_->sizes = x.sizes();
  packed_->dtype = x.scalar_type();
  packed_->unpack = hooks->unpack_;
  const NoGradGuard no_grad;
  packed_->value = hooks->pack_(kept);
  check(x.impl().storage->version() == version_, "saved_tensors_hooks: pack changed its tensor (", describe(x),
        ") in place: need a pack that leaves it as it is");
}

void SavedTensor::check_version(const Node* owner) const {
  const std::uint32_t now = tensor_.impl().storage->version();
  if (now == version_) {
    return;
  }
  const auto output = [](std::uint32_t nr, const Node& node) { return to_text("output ", nr, " of ", node.name()); };
  const std::string origin = is_output_          ? output(output_nr_, *owner)
                             : tensor_.is_leaf() ? "a leaf"
                                                 : output(tensor_.output_nr(), *tensor_.grad_fn());
  const Node* current = thread_state().node;
  const bool inside_other = owner != nullptr && current != nullptr && current != owner;  // of CopySlices
  fail(inside_other ? owner->name() + ": " : "", "a tensor saved for backward (", describe(tensor_), ", ", origin,
       ") was changed in place: it is at version ", now, ", need version ", version_, "; clone() it before the change");
}

Tensor SavedTensor::unpack(Node& owner) const {
  if (!packed_ && !tensor_.defined()) {
    return tensor_;
  }
  Tensor y;
  if (packed_) [[unlikely]] {
    y = unpack_packed();
  } else {
    check_version(&owner);
    y = tensor_;
  }
  if (!is_output_ || !GradMode::is_enabled()) {
    return y;
  }
  y = y.detach();
  set_history(y, IntrusivePtr<Node>(&owner), output_nr_);
  return y;
}

Tensor SavedTensor::unpack() const {
  if (packed_) {
    return unpack_packed();
  }
  if (tensor_.defined()) {
    check_version(nullptr);
  }
  return tensor_;
}

Tensor SavedTensor::unpack_packed() const {
  const NoDeferral at_once;
  const Tensor x = (*packed_->unpack)(packed_->value);
  check(x.defined() && x.sizes() == IntArrayRef(packed_->sizes) && x.scalar_type() == packed_->dtype,
        "saved_tensors_hooks: unpack gave ", describe(x), ": need ", short_name(packed_->dtype), packed_->sizes);
  Tensor y = x.detach();
  if (!is_output_) {
    set_history(y, packed_->edge.function, packed_->edge.input_nr);
  }
  return y;
}

SavedTensorHooks::SavedTensorHooks(Pack pack, Unpack unpack)
    : pack_(std::move(pack)),
      unpack_(std::make_shared<const Unpack>(std::move(unpack))),
      outer_(thread_state().saved_tensor_hooks),
      branch_(branch_id()) {
  thread_state().saved_tensor_hooks = this;
}

SavedTensorHooks::~SavedTensorHooks() { thread_state().saved_tensor_hooks = outer_; }

}  // namespace backflow

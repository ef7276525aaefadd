#include <backflow/runtime/saved_tensor.h>

#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/node.h>

namespace backflow {

Tensor SavedTensor::unpack(Node& owner) const {
  if (!tensor_.defined()) {
    return tensor_;
  }
  const std::uint32_t now = tensor_.impl().storage->version();
  check(now == version_, owner.name(), ": a tensor saved for backward (", describe(tensor_),
        is_output_ ? ", its output" : ", its operand", ") was changed in place: it is at version ", now,
        ", need version ", version_, "; clone() it before the change");
  if (!is_output_ || !GradMode::is_enabled()) {
    return tensor_;
  }
  Tensor y = tensor_.detach();
  set_history(y, IntrusivePtr<Node>(&owner), output_nr_);
  return y;
}

}  // namespace backflow

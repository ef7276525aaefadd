#include <backflow/ops/operator.h>

#include <backflow/runtime/engine/execution.h>

namespace backflow {

Tensor Backward::place_of(std::size_t i, IntArrayRef sizes, ScalarType dtype) const {
  const Execution* const pass = thread_state().pass;
  if (pass != nullptr && call_.wants(i)) {
    Tensor place = pass->take_buffer(InputIndex(call_.targets[i]), sizes, dtype);
    if (place.defined()) {
      return place;
    }
  }
  return empty_tensor(sizes, dtype);
}

}  // namespace backflow

#include <backflow/ops/operator.h>

#include <backflow/runtime/engine/execution.h>

namespace backflow {

Tensor Backward::place_of(std::size_t i, IntArrayRef sizes, ScalarType dtype) const {
  Tensor place = bucket_place_of(i, sizes, dtype);
  return place.defined() ? place : empty_tensor(sizes, dtype);
}

Tensor Backward::bucket_place_of(std::size_t i, IntArrayRef sizes, ScalarType dtype) const {
  const Execution* const pass = thread_state().pass;
  return pass != nullptr && call_.wants(i) ? pass->take_buffer(InputIndex(call_.targets[i]), sizes, dtype) : Tensor();
}

}  // namespace backflow

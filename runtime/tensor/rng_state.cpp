// The state of a generator as a tensor of bytes.
#include <cstring>

#include <backflow/runtime/tensor/generator.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

Tensor Generator::get_state() const {
  const State now = state();
  Tensor out = empty_tensor({sizeof(State)}, kUInt8);
  std::memcpy(out.mutable_data_ptr(), &now, sizeof(State));
  return out;
}

void Generator::set_state(const Tensor& state) {
  check(state.scalar_type() == kUInt8 && state.numel() == sizeof(State) && state.is_contiguous(),
        "set_state: ", describe(state), ": need what get_state returned, a u8[", sizeof(State), "]");
  State from;
  std::memcpy(&from, state.const_data_ptr(), sizeof(State));
  set_state(from);
}

Tensor get_rng_state() { return default_generator().get_state(); }

void set_rng_state(const Tensor& state) { default_generator().set_state(state); }

}  // namespace backflow

#include <backflow/tests/distributed/support.h>

#include <utility>

#include <backflow/runtime/tape/accumulate_grad.h>

namespace backflow::test {

void receive_gradient(const Tensor& leaf, double value) {
  AutogradMeta& meta = leaf.impl().meta();
  const bool first = !meta.grad.defined();
  if (first) {
    meta.grad = meta.grad_buffer.defined() ? meta.grad_buffer : empty_tensor(leaf.sizes(), leaf.scalar_type());
  }
  dispatch(leaf.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    T* data = meta.grad.data_ptr<T>();
    for (std::int64_t i = 0; i < leaf.numel(); ++i) {
      data[i] = static_cast<T>(value + (first ? 0.0 : static_cast<double>(data[i])));
    }
  });
}

void run_and_wait(const PassTask& task) {
  start_and_wait([&](Completion done) { task.start(std::move(done)); });
}

}  // namespace backflow::test

#include <backflow/tests/distributed/support.h>

#include <future>
#include <memory>

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

void run_and_wait(PassTask& task) {
  auto promise = std::make_shared<std::promise<void>>();
  auto future = promise->get_future();
  task.start([promise](const std::exception_ptr& error) {
    if (error) {
      promise->set_exception(error);
    } else {
      promise->set_value();
    }
  });
  future.get();
}

}  // namespace backflow::test

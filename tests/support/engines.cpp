#include <backflow/tests/support/engines.h>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/thread_engine.h>

namespace backflow::test {

std::vector<std::unique_ptr<Engine>> engines(int threads) {
  std::vector<std::unique_ptr<Engine>> all;
  all.push_back(std::make_unique<SerialEngine>());
  all.push_back(std::make_unique<FlowEngine>(FlowEngine::Use::Always));
  all.push_back(std::make_unique<FlowEngine>());
  all.push_back(std::make_unique<ThreadEngine>(threads));
  return all;
}

Threads::Threads(int n) : previous(get_num_threads()) { set_num_threads(n); }

Threads::~Threads() { set_num_threads(previous); }

void Workers::join() {
  for (std::thread& t : threads) {
    t.join();
  }
  threads.clear();
}

Tensor branches(const Tensor& x, int width, const std::function<void(int)>& inside) {
  Tensor total = zeros({});
  for (int i = 0; i < width; ++i) {
    total = total + hooked(tanh(x), [=] { inside(i); }).sum();
  }
  return total;
}

}  // namespace backflow::test

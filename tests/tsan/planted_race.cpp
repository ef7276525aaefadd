// A race that ThreadSanitizer has to find: two branches of a backward count in a variable without synchronisation. That
// the sanitizer reports it shows that it would report one in the engine.
#include <atomic>
#include <cstdio>
#include <string_view>
#include <thread>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/thread_engine.h>

using namespace backflow;

namespace {

volatile int counter = 0;  // so that the compiler keeps every access
std::atomic<int> arrived{0};

/// Waits for another branch, in a way that orders nothing before anything, and counts.
void count_together() {
  arrived.fetch_add(1, std::memory_order_relaxed);
  while (arrived.load(std::memory_order_relaxed) < 2) {
    std::this_thread::yield();
  }
  // Often: of two accesses at the very same time the sanitizer may miss one.
  for (int i = 0; i < 1000; ++i) {
    counter = counter + 1;
  }
}

/// Runs branches that each count, two of them at the same time.
void count_branches(Engine& engine) {
  const EngineGuard guard(engine);
  const Tensor x = ones({2}, requires_grad());
  Tensor total = zeros({});
  for (int i = 0; i < 8; ++i) {
    const Tensor y = test::hooked(x * i, count_together);
    y.grad_fn()->set_cost({.flop = 1e9F});  // so that no two branches share a group
    total = total + y.sum();
  }
  total.backward();
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(4);
  test::ThreadEngine threads(4);
  FlowEngine flow(FlowEngine::Use::Always);
  const bool on_flow_graph = argc > 1 && std::string_view(argv[1]) == "flow";
  count_branches(on_flow_graph ? static_cast<Engine&>(flow) : threads);
  std::printf("%d\n", counter);
}

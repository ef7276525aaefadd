#include <backflow/runtime/engine.h>

#include <backflow/runtime/thread_state.h>
#include <backflow/runtime/threads.h>

namespace backflow {
namespace {

/// How many passes on this thread's stack are waiting for the next.
thread_local int nested_passes = 0;

struct NestedPass {
  NestedPass() { ++nested_passes; }
  ~NestedPass() { --nested_passes; }
  NestedPass(const NestedPass&) = delete;
  NestedPass& operator=(const NestedPass&) = delete;
};

}  // namespace

Engine& current_engine() {
  static FlowEngine flow;
  Engine* selected = thread_state().engine;
  return selected != nullptr ? *selected : flow;
}

EngineGuard::EngineGuard(Engine& engine) : previous_(thread_state().engine) { thread_state().engine = &engine; }

EngineGuard::~EngineGuard() { thread_state().engine = previous_; }

void execute(Execution& pass) {
  Engine& engine = current_engine();
  const auto run = [&] {
    const NestedPass nested;
    engine.execute(pass);
  };
  if (nested_passes < kMaxNestedPasses) {
    run();
  } else {
    run_on_fresh_stack(run);
  }
}

}  // namespace backflow

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>

#include <backflow/runtime/tape/nesting.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

Engine& current_engine() {
  static auto* flow = new FlowEngine;  // never destroyed: threads of oneTBB may outlive static objects
  Engine* selected = thread_state().engine;
  return selected != nullptr ? *selected : *flow;
}

EngineGuard::EngineGuard(Engine& engine) : previous_(thread_state().engine) { thread_state().engine = &engine; }

EngineGuard::~EngineGuard() { thread_state().engine = previous_; }

void execute(Execution& pass) {
  run_nested([&] { current_engine().execute(pass); });
}

}  // namespace backflow

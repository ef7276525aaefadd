#include <backflow/runtime/engine.h>

namespace backflow {
namespace {

thread_local Engine* selected = nullptr;

}  // namespace

Engine& current_engine() {
  static FlowEngine flow;
  return selected != nullptr ? *selected : flow;
}

EngineGuard::EngineGuard(Engine& engine) : previous_(selected) { selected = &engine; }

EngineGuard::~EngineGuard() { selected = previous_; }

}  // namespace backflow

#include <backflow/runtime/engine/engine.h>

#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/engine/nesting.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/threads/deferred_work.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {
namespace {

thread_local int depth = 0;  // of calls of run_nested

struct Level {
  Level() { ++depth; }
  ~Level() { --depth; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
};

}  // namespace

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

void run_nested(FunctionRef<void()> body) {
  const NoDeferral at_once;  // the body may run elsewhere
  if (depth < kMaxNested) {
    const Level level;
    body();
    return;
  }
  const ThreadState& state = thread_state();
  std::uint64_t next = SequenceRange::reserve(0);
  const std::uint64_t first = next;
  const auto on_fresh_stack = [&] {
    const ThreadStateGuard settings(state);
    const SequenceRange numbers(first);
    const struct Count {
      std::uint64_t& next;
      ~Count() { next = SequenceRange::reserve(0); }
    } count{next};
    const Level level;
    body();
  };
  const struct GoOn {
    const std::uint64_t& first;
    const std::uint64_t& next;
    ~GoOn() { SequenceRange::reserve(next - first); }
  } go_on{first, next};
  run_on_fresh_stack(on_fresh_stack);
}

}  // namespace backflow

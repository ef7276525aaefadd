#pragma once

#include <backflow/runtime/execution.h>

namespace backflow {

/// Runs the nodes and tasks of a backward pass in an order that its plan allows. Engines have no state of a pass: one
/// engine may execute several at once, from several threads and from within each other.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const char* name() const = 0;
  /// Returns when every node and task has ended, in success or failure.
  virtual void execute(Execution& pass) = 0;
};

/// One node after the other on the calling thread, in the order of the plan: what every other engine is checked
/// against.
class SerialEngine final : public Engine {
 public:
  const char* name() const override { return "serial"; }
  void execute(Execution& pass) override;
};

/// A oneTBB flow graph: a `continue_node` for every group of nodes, an `async_node` for every task. Independent
/// branches run at the same time on the pool of threads.h.
class FlowEngine final : public Engine {
 public:
  /// A pass without tasks whose branches together offer less time than this to a second thread runs on the calling
  /// thread: handing work over costs some 10 us when the other thread is asleep.
  static constexpr float kWorthwhileNanoseconds = 20'000;

  /// A thread that already waits for this many passes runs the next one to its end, node by node: that bounds its
  /// stack.
  static constexpr int kMaxNesting = 8;

  /// With 0 every pass becomes a flow graph, even on one thread.
  explicit FlowEngine(float worthwhile_nanoseconds = kWorthwhileNanoseconds) : worthwhile_(worthwhile_nanoseconds) {}

  const char* name() const override { return "flow"; }
  void execute(Execution& pass) override;

 private:
  bool is_worthwhile(const Execution& pass) const;

  float worthwhile_;
};

/// The engine that backward uses on this thread: a FlowEngine unless an EngineGuard says otherwise.
Engine& current_engine();

/// Runs a pass on the current engine, however deep in others.
void execute(Execution& pass);

/// Makes `engine` the current one of this thread until the end of the scope.
class EngineGuard {
 public:
  explicit EngineGuard(Engine& engine);
  ~EngineGuard();
  EngineGuard(const EngineGuard&) = delete;
  EngineGuard& operator=(const EngineGuard&) = delete;

 private:
  Engine* previous_;
};

}  // namespace backflow

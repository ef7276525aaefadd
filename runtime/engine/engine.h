#pragma once

#include <cstddef>
#include <memory>

namespace backflow {

class Execution;

/// Runs the nodes and tasks of a backward pass in an order that its plan allows. An engine holds no state of a pass. So
/// one engine may execute several passes at once, from several threads and nested in each other.
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

class FlowGraphCache;

/// Runs a pass as a oneTBB flow graph: a `continue_node` for every group of a Schedule, an `async_node` for every
/// asynchronous task. Independent branches run at the same time, on the pool of threads.h. Branches with the longest
/// remaining path go first. Passes over equal work reuse a graph.
class FlowEngine final : public Engine {
 public:
  /// When a pass becomes a flow graph: when that is estimated to be faster than a serial run in which each node has all
  /// threads (Schedule::is_faster), or always.
  enum class Use { WhenFaster, Always };

  /// A thread that already waits for this many passes runs the next one serially, which bounds its stack.
  static constexpr int kMaxNesting = 8;

  /// Of the graphs that no pass is using.
  struct CacheStats {
    std::size_t graphs = 0;
    std::size_t size = 0;    ///< their items and groups
    std::size_t made = 0;    ///< since the start
    std::size_t reused = 0;  ///< since the start
  };

  explicit FlowEngine(Use use = Use::WhenFaster);
  ~FlowEngine() override;

  const char* name() const override { return "flow"; }
  void execute(Execution& pass) override;
  CacheStats cache_stats() const;

 private:
  Use use_;
  std::unique_ptr<FlowGraphCache> cache_;
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

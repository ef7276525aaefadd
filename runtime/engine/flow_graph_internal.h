#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_arena.h>

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>

namespace backflow {

/// A schedule as a `tbb::flow::graph` in an arena of its own: a `continue_node` for each group, an `async_node` for
/// each task that is done elsewhere. Runs any number of passes with the same work, one at a time. Groups with more work
/// behind them go first.
///
/// Bodies never throw, and the graph is never cancelled: after an error what is left of the pass does nothing. So it is
/// as new after every pass.
class FlowGraph {
 public:
  FlowGraph(WorkGraph work, std::uint64_t hash, int threads);

  bool serves(const WorkGraph& work, std::uint64_t hash, int threads) const {
    return hash == hash_ && threads == threads_ && work == work_;
  }
  const Schedule& schedule() const { return schedule_; }
  /// Returns when every item has ended.
  void run(Execution& pass);
  /// Items and groups, as a measure of its memory.
  std::size_t size() const { return work_.size() + schedule_.groups().size(); }

 private:
  using Receiver = tbb::flow::receiver<tbb::flow::continue_msg>;
  using Sender = tbb::flow::sender<tbb::flow::continue_msg>;
  using Group = tbb::flow::continue_node<tbb::flow::continue_msg>;
  using Async = tbb::flow::async_node<tbb::flow::continue_msg, tbb::flow::continue_msg>;

  /// What the flow graph consists of; made when it first runs.
  struct Nodes {
    tbb::flow::graph graph;
    std::deque<Group> groups;
    std::deque<Async> asyncs;
  };

  void build();

  const WorkGraph work_;
  const std::uint64_t hash_;
  const int threads_;
  const Schedule schedule_;
  Execution* pass_ = nullptr;
  tbb::task_arena arena_;
  std::optional<Nodes> nodes_;
  std::vector<Receiver*> sources_;
};

/// Flow graphs that no pass is using. A pass takes the one that serves its work out, or makes one, and gives it back
/// afterwards; what has not been used for longest is dropped when there are too many. Thread-safe.
class FlowGraphCache {
 public:
  static constexpr std::size_t kMaxGraphs = 32;
  static constexpr std::size_t kMaxSize = 1 << 18;  ///< of all graphs together

  std::unique_ptr<FlowGraph> take(WorkGraph work, int threads);
  void give_back(std::unique_ptr<FlowGraph> graph);
  FlowEngine::CacheStats stats() const;

 private:
  mutable std::mutex mutex_;
  std::list<std::unique_ptr<FlowGraph>> free_;  // the one used last is first
  std::size_t size_ = 0;
  std::size_t made_ = 0;
  std::size_t reused_ = 0;
};

}  // namespace backflow

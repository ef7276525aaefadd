#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <utility>
#include <vector>

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/task_arena.h>

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/engine/longest_path.h>
#include <backflow/runtime/engine/schedule.h>
#include <backflow/runtime/threads/binding.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/threads/observed_work.h>
#include <backflow/runtime/threads/pool.h>

namespace backflow {

namespace flow = tbb::flow;

/// Threads that run groups of a schedule: twice as many as can be busy on average, since groups end at different times.
/// Those that are left share the loops of the nodes.
static int threads_of_graph(const Schedule& schedule) {
  const auto busy = static_cast<int>(std::min(2 * schedule.work() / std::max(schedule.critical_path(), 1.0F), 1e4F));
  return std::clamp(busy + 1, std::min(2, num_computing_threads()), num_computing_threads());
}

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
  /// The same on this thread, group by group.
  void run_observed(Execution& pass, WorkObserver& observer) const;
  /// Items and groups, as a measure of its memory.
  std::size_t size() const { return work_.size() + schedule_.groups().size(); }

 private:
  using Receiver = flow::receiver<flow::continue_msg>;
  using Sender = flow::sender<flow::continue_msg>;
  using GroupNode = flow::continue_node<flow::continue_msg>;
  using AsyncNode = flow::async_node<flow::continue_msg, flow::continue_msg>;

  /// What the flow graph consists of; made when it first runs.
  struct Nodes {
    flow::graph graph;
    std::deque<GroupNode> groups;
    std::deque<AsyncNode> asyncs;
  };

  void build();

  const WorkGraph work_;
  const std::uint64_t hash_;
  const int threads_;
  const Schedule schedule_;
  Execution* pass_ = nullptr;
  tbb::task_arena arena_;
  BoundWorkers workers_{arena_};
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

FlowGraph::FlowGraph(WorkGraph work, std::uint64_t hash, int threads)
    : work_(std::move(work)),
      hash_(hash),
      threads_(threads),
      schedule_(work_, threads),
      arena_(threads_of_graph(schedule_), 1) {}

void FlowGraph::build() {
  nodes_.emplace();
  IndexedVector<GroupIndex, Receiver*> receivers;
  IndexedVector<GroupIndex, Sender*> senders;
  for (const Schedule::Group& group : schedule_.groups()) {
    const auto priority = static_cast<flow::node_priority_t>(std::min(group.remaining, 4e9F));
    if (group.is_async) {
      const ItemIndex item = group.items.front();
      AsyncNode& node = nodes_->asyncs.emplace_back(
          nodes_->graph, flow::unlimited,
          [this, item](const flow::continue_msg&, AsyncNode::gateway_type& out) {
            out.reserve_wait();
            pass_->start_task(item, [&out] {
              out.try_put(flow::continue_msg());
              out.release_wait();
            });
          },
          priority);
      // An async_node runs for every message, so that what waits for several groups needs a node that counts.
      GroupNode& join = nodes_->groups.emplace_back(nodes_->graph, [](const flow::continue_msg&) {});
      flow::make_edge(join, node);
      receivers.push_back(&join);
      senders.push_back(&flow::output_port<0>(node));  // an edge from the node itself would be dropped in silence
    } else {
      GroupNode& node = nodes_->groups.emplace_back(
          nodes_->graph, [this, &group](const flow::continue_msg&) { pass_->run(group.items); }, priority);
      receivers.push_back(&node);
      senders.push_back(&node);
    }
  }
  for (const GroupIndex g : schedule_.groups().indices()) {
    for (const GroupIndex next : schedule_.groups()[g].successors) {
      flow::make_edge(*senders[g], *receivers[next]);
    }
    if (schedule_.groups()[g].dependencies == 0) {
      sources_.push_back(receivers[g]);
    }
  }
}

void FlowGraph::run(Execution& pass) {
  pass_ = &pass;
  pass.begin_parallel();
  pass.enter_arena();
  const ThreadLease threads(arena_.max_concurrency());
  arena_.execute([this] {
    if (!nodes_) {
      build();  // here, since a graph belongs to the arena that it is made in
    }
    for (Receiver* source : sources_) {
      source->try_put(flow::continue_msg());
    }
    nodes_->graph.wait_for_all();
  });
  pass_ = nullptr;
}

void FlowGraph::run_observed(Execution& pass, WorkObserver& observer) const {
  // Groups are consecutive items of an order that respects all edges, and so are in such an order themselves.
  std::vector<std::vector<std::uint32_t>> successors;
  for (const Schedule::Group& group : schedule_.groups()) {
    auto& next = successors.emplace_back();
    for (const GroupIndex g : group.successors) {
      next.push_back(static_cast<std::uint32_t>(g.value()));
    }
  }
  pass.begin_parallel();
  observer.begin_graph(successors);
  for (const GroupIndex g : schedule_.groups().indices()) {
    const Schedule::Group& group = schedule_.groups()[g];
    observer.begin_task(g.value());
    if (group.is_async) {
      std::binary_semaphore ended(0);
      pass.start_task(group.items.front(), [&ended] { ended.release(); });
      ended.acquire();
    } else {
      pass.run(group.items);
    }
    observer.end_task();
  }
  observer.end();
}

std::unique_ptr<FlowGraph> FlowGraphCache::take(WorkGraph work, int threads) {
  const std::uint64_t hash = work.hash();
  {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(free_.begin(), free_.end(), [&](const auto& graph) { return graph->serves(work, hash, threads); });
    if (found != free_.end()) {
      ++reused_;
      std::unique_ptr<FlowGraph> graph = std::move(*found);
      size_ -= graph->size();
      free_.erase(found);
      return graph;
    }
    ++made_;
  }
  return std::make_unique<FlowGraph>(std::move(work), hash, threads);
}

void FlowGraphCache::give_back(std::unique_ptr<FlowGraph> graph) {
  std::list<std::unique_ptr<FlowGraph>> dropped;  // destroyed outside of the lock
  const std::lock_guard lock(mutex_);
  size_ += graph->size();
  free_.push_front(std::move(graph));
  while (free_.size() > kMaxGraphs || (size_ > kMaxSize && free_.size() > 1)) {
    size_ -= free_.back()->size();
    dropped.splice(dropped.end(), free_, std::prev(free_.end()));
  }
}

FlowEngine::CacheStats FlowGraphCache::stats() const {
  const std::lock_guard lock(mutex_);
  return {free_.size(), size_, made_, reused_};
}

namespace {

/// Whether several threads could be faster, as far as the plan alone tells: most passes of tiny nodes need no closer
/// look.
bool may_be_faster(const Plan& plan, int threads) {
  float work = 0;
  float alone = 0;
  const auto lengths = path_lengths<NodeIndex>(
      plan.nodes().size(),
      [&](NodeIndex i) {
        const Cost& cost = plan.nodes()[i].cost();
        const float time = cost.nanoseconds(threads);
        work += cost.nanoseconds();
        alone += time;
        return time;
      },
      [&](NodeIndex i, const auto& f) { plan.for_successors(i, f); });
  return Schedule::is_faster(Schedule::least_time(plan.nodes().size(), work, longest(lengths), threads), alone);
}

/// Flow graphs that this thread is waiting for. While it waits it runs nodes of that pass alone, and when these go
/// backward themselves it may wait again: every one has an arena, so there is a limit.
thread_local int passes_of_thread = 0;

struct NestingGuard {
  NestingGuard() { ++passes_of_thread; }
  ~NestingGuard() { --passes_of_thread; }
  NestingGuard(const NestingGuard&) = delete;
  NestingGuard& operator=(const NestingGuard&) = delete;
};

}  // namespace

FlowEngine::FlowEngine(Use use) : use_(use), cache_(std::make_unique<FlowGraphCache>()) {}

FlowEngine::~FlowEngine() = default;

FlowEngine::CacheStats FlowEngine::cache_stats() const { return cache_->stats(); }

void FlowEngine::execute(Execution& pass) {
  const int threads = target_threads();
  const bool always = use_ == Use::Always;
  WorkObserver* const observer = detail::work_observer();
  const bool has_threads = threads > 1 && (observer != nullptr || num_computing_threads() > 1);
  if (!may_use_pool() || passes_of_thread >= kMaxNesting ||
      (!always && (!has_threads || (pass.num_tasks() == 0 && !may_be_faster(pass.plan(), threads))))) {
    SerialEngine().execute(pass);
    return;
  }
  std::unique_ptr<FlowGraph> graph = cache_->take(pass.work_graph(), threads);
  const Schedule& schedule = graph->schedule();
  if (always || Schedule::is_faster(schedule.time(), schedule.time_in_turn())) {
    // The caller may hold what nodes of other passes wait for, or of the pass whose node or hook it is: the threads of
    // the graph's arena take on nothing else while they wait.
    const NestingGuard nested;
    observer == nullptr ? graph->run(pass) : graph->run_observed(pass, *observer);
  } else {
    SerialEngine().execute(pass);
  }
  cache_->give_back(std::move(graph));
}

}  // namespace backflow

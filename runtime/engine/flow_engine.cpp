#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/engine/flow_graph_internal.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow {
namespace {

/// Whether several threads could be faster, as far as the plan alone tells: most passes of tiny nodes need no closer
/// look.
bool may_be_faster(const Plan& plan, int threads) {
  std::vector<float> start(plan.nodes().size(), 0);
  float work = 0;
  float alone = 0;
  float longest = 0;
  for (std::size_t i = 0; i < plan.nodes().size(); ++i) {
    const PlanNode& n = plan.nodes()[i];
    const Cost& cost = n.node->cost();
    const float time = cost.nanoseconds(threads);
    const float end = start[i] + time;
    work += cost.nanoseconds();
    alone += time;
    longest = std::max(longest, end);
    for (const std::uint32_t target : plan.targets(n)) {
      if (target != kNoTarget) {
        float& next = start[plan.inputs()[target].node];
        next = std::max(next, end);
      }
    }
  }
  return Schedule::is_faster(Schedule::least_time(plan.nodes().size(), work, longest, threads), alone);
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
  const int threads = get_num_threads();
  const bool always = use_ == Use::Always;
  if (!may_use_pool() || passes_of_thread >= kMaxNesting ||
      (!always && (threads == 1 || (pass.num_tasks() == 0 && !may_be_faster(pass.plan(), threads))))) {
    SerialEngine().execute(pass);
    return;
  }
  std::unique_ptr<FlowGraph> graph = cache_->take(pass.work_graph(), threads);
  const Schedule& schedule = graph->schedule();
  if (always || Schedule::is_faster(schedule.time(), schedule.time_in_turn())) {
    // The caller may hold what nodes of other passes wait for, or of the pass whose node or hook it is: the threads of
    // the graph's arena take on nothing else while they wait.
    const NestingGuard nested;
    graph->run(pass);
  } else {
    SerialEngine().execute(pass);
  }
  cache_->give_back(std::move(graph));
}

}  // namespace backflow

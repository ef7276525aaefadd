#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include <oneapi/tbb/flow_graph.h>

#include <backflow/runtime/accumulate_grad.h>
#include <backflow/runtime/engine.h>
#include <backflow/runtime/threads.h>

namespace backflow {
namespace {

namespace flow = tbb::flow;

using Groups = std::vector<std::vector<std::uint32_t>>;

/// A pass cut into pieces that one thread runs through: linear chains, and the accumulators of leaves with the node
/// that feeds them. What lies between two pieces is an edge of the flow graph.
struct Collapsed {
  Groups groups;
  std::vector<std::uint32_t> group_of;  // by node

  explicit Collapsed(const Plan& plan) : group_of(plan.nodes().size(), kNoTarget) {
    const auto nodes = plan.nodes();
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
      if (group_of[i] == kNoTarget) {
        group_of[i] = static_cast<std::uint32_t>(groups.size());
        groups.emplace_back();
      }
      groups[group_of[i]].push_back(i);
      extend(plan, i);
    }
  }

 private:
  /// Consumers that wait for `i` alone join its group, when they are leaves or the only other consumer.
  void extend(const Plan& plan, std::uint32_t i) {
    const auto is_leaf = [](const PlanNode& n) { return n.node->next_edges().empty(); };
    std::uint32_t followers = 0;
    for (const std::uint32_t target : plan.targets(plan.nodes()[i])) {
      followers += target != kNoTarget && !is_leaf(plan.nodes()[plan.inputs()[target].node]);
    }
    for (const std::uint32_t target : plan.targets(plan.nodes()[i])) {
      if (target == kNoTarget) {
        continue;
      }
      const std::uint32_t next = plan.inputs()[target].node;
      const PlanNode& n = plan.nodes()[next];
      if (n.dependencies == 1 && (followers == 1 || is_leaf(n))) {
        group_of[next] = group_of[i];
      }
    }
  }
};

/// Work that could run beside the longest path, in ns.
float parallel_work(const Plan& plan) {
  std::vector<float> start(plan.nodes().size(), 0);
  float total = 0;
  float longest = 0;
  for (std::size_t i = 0; i < plan.nodes().size(); ++i) {
    const PlanNode& n = plan.nodes()[i];
    const float end = start[i] + n.node->work();
    total += n.node->work();
    longest = std::max(longest, end);
    for (const std::uint32_t target : plan.targets(n)) {
      if (target != kNoTarget) {
        float& next = start[plan.inputs()[target].node];
        next = std::max(next, end);
      }
    }
  }
  return total - longest;
}

/// The flow graph of one pass. Bodies never throw, and the graph is never cancelled: after an error the nodes that are
/// left do nothing.
class PassGraph {
 public:
  explicit PassGraph(Execution& pass) : pass_(pass), collapsed_(pass.plan()) {
    for (const auto& group : collapsed_.groups) {
      nodes_.emplace_back(graph_, [this, &group](const flow::continue_msg&) {
        for (const std::uint32_t node : group) {
          pass_.run(node);
        }
      });
    }
    connect_groups();
    add_tasks();
  }

  void run() {
    for (flow::continue_node<flow::continue_msg>* source : sources_) {
      source->try_put(flow::continue_msg());
    }
    graph_.wait_for_all();
  }

 private:
  using Group = flow::continue_node<flow::continue_msg>;
  using Task = flow::async_node<flow::continue_msg, flow::continue_msg>;

  void connect_groups() {
    const Plan& plan = pass_.plan();
    std::vector<std::uint32_t> last_to(nodes_.size(), kNoTarget);  // by group: the last group with an edge to it
    std::vector<bool> has_source(nodes_.size(), false);
    for (std::uint32_t g = 0; g < nodes_.size(); ++g) {
      for (const std::uint32_t i : collapsed_.groups[g]) {
        for (const std::uint32_t target : plan.targets(plan.nodes()[i])) {
          const std::uint32_t to = target == kNoTarget ? g : collapsed_.group_of[plan.inputs()[target].node];
          if (to != g && last_to[to] != g) {
            last_to[to] = g;
            has_source[to] = true;
            flow::make_edge(nodes_[g], nodes_[to]);
          }
        }
      }
    }
    for (std::uint32_t g = 0; g < nodes_.size(); ++g) {
      if (!has_source[g]) {
        sources_.push_back(&nodes_[g]);
      }
    }
  }

  void add_tasks() {
    for (std::size_t t = 0; t < pass_.num_tasks(); ++t) {
      Group& join = nodes_.emplace_back(graph_, [](const flow::continue_msg&) {});
      Task& task =
          tasks_.emplace_back(graph_, flow::unlimited, [this, t](const flow::continue_msg&, Task::gateway_type& out) {
            out.reserve_wait();
            pass_.start_task(t, [&out] { out.release_wait(); });
          });
      flow::make_edge(join, task);
      std::vector<std::uint32_t> groups;
      for (const std::uint32_t node : pass_.task_dependencies(t)) {
        groups.push_back(collapsed_.group_of[node]);
      }
      std::sort(groups.begin(), groups.end());
      groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
      for (const std::uint32_t g : groups) {
        flow::make_edge(nodes_[g], join);
      }
      if (groups.empty()) {
        sources_.push_back(&join);
      }
    }
  }

  Execution& pass_;
  Collapsed collapsed_;
  flow::graph graph_;
  std::deque<Group> nodes_;
  std::deque<Task> tasks_;
  std::vector<Group*> sources_;
};

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

bool FlowEngine::is_worthwhile(const Execution& pass) const {
  if (pass.num_tasks() > 0 || worthwhile_ <= 0) {
    return true;
  }
  return get_num_threads() > 1 && parallel_work(pass.plan()) >= worthwhile_;
}

void FlowEngine::execute(Execution& pass) {
  if (!may_use_pool() || !is_worthwhile(pass) || passes_of_thread >= kMaxNesting) {
    SerialEngine().execute(pass);
    return;
  }
  // The caller may hold what nodes of other passes wait for, or of the pass whose node or hook it is.
  run_apart([&] {
    const NestingGuard nested;
    pass.enter_arena();
    PassGraph(pass).run();
  });
}

}  // namespace backflow

#include <algorithm>
#include <utility>

#include <backflow/runtime/engine/flow_graph_internal.h>

namespace backflow {

namespace flow = tbb::flow;

FlowGraph::FlowGraph(WorkGraph work, std::uint64_t hash, int threads)
    : work_(std::move(work)), hash_(hash), threads_(threads), schedule_(work_, threads), arena_(threads, 1) {}

void FlowGraph::build() {
  nodes_.emplace();
  std::vector<Receiver*> receivers;
  std::vector<Sender*> senders;
  for (const Schedule::Group& group : schedule_.groups()) {
    const auto priority = static_cast<flow::node_priority_t>(std::min(group.remaining, 4e9F));
    if (group.is_async) {
      const std::uint32_t item = group.items.front();
      Async& node = nodes_->asyncs.emplace_back(
          nodes_->graph, flow::unlimited,
          [this, item](const flow::continue_msg&, Async::gateway_type& out) {
            out.reserve_wait();
            pass_->start_task(item, [&out] {
              out.try_put(flow::continue_msg());
              out.release_wait();
            });
          },
          priority);
      // An async_node runs for every message, so that what waits for several groups needs a node that counts.
      Group& join = nodes_->groups.emplace_back(nodes_->graph, [](const flow::continue_msg&) {});
      flow::make_edge(join, node);
      receivers.push_back(&join);
      senders.push_back(&flow::output_port<0>(node));  // an edge from the node itself would be dropped in silence
    } else {
      Group& node = nodes_->groups.emplace_back(
          nodes_->graph, [this, &group](const flow::continue_msg&) { pass_->run(group.items); }, priority);
      receivers.push_back(&node);
      senders.push_back(&node);
    }
  }
  for (std::size_t g = 0; g < schedule_.groups().size(); ++g) {
    for (const std::uint32_t next : schedule_.groups()[g].successors) {
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

}  // namespace backflow

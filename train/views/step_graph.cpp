#include <backflow/train/views/step_graph.h>

#include <map>
#include <unordered_map>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/critical_path.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::train {
namespace {

using Forward = StepGraph::Forward;

/// Notes operators and nodes as they run. Keeps every result, so that no two tensors have one address.
class StepObserver final : public trace::Observer {
 public:
  explicit StepObserver(StepGraph& graph) : graph_(graph) {}

  void add_given(Forward::Kind kind, const std::string& name, const Tensor& x) {
    kept_.push_back(x);
    made_by_[&x.impl()] = add({.kind = kind, .name = name, .shape = to_text(describe(x))});
  }

  void on_operator(const trace::Event& event, std::span<const TensorImpl* const> operands, const Tensor& y) override {
    const std::uint32_t id =
        add({.name = std::string(event.name), .shape = event.out.text(), .flop = event.flop, .bytes = event.bytes});
    for (const TensorImpl* x : operands) {
      const auto it = made_by_.find(x);
      if (it != made_by_.end()) {
        graph_.forward_edges.emplace_back(it->second, id);
      }
    }
    kept_.push_back(y);
    made_by_[&y.impl()] = id;
    node_of_.emplace_back(id, gradient_edge(y).function);
  }

  void on_node(const trace::Event& event) override { events_[event.node] = event; }

  /// Fills in what was seen of the nodes of `plan`.
  void finish(const Plan& plan) {
    std::unordered_map<const Node*, std::uint32_t> position;
    for (std::uint32_t i = 0; i < plan.nodes().size(); ++i) {
      position[plan.nodes()[i].node] = i;
      const trace::Event& event = events_[i];
      StepGraph::Backward& node = graph_.backward[i];
      node.gradients = event.in.text();
      node.results = event.out.text();
      node.flop = event.flop;
      node.bytes = event.bytes;
    }
    for (const auto& [id, node] : node_of_) {
      if (const auto it = position.find(node.get()); it != position.end()) {
        graph_.forward[id].backward = it->second;
      }
    }
  }

 private:
  std::uint32_t add(Forward node) {
    graph_.forward.push_back(std::move(node));
    return static_cast<std::uint32_t>(graph_.forward.size() - 1);
  }

  StepGraph& graph_;
  std::vector<Tensor> kept_;
  std::unordered_map<const TensorImpl*, std::uint32_t> made_by_;
  std::vector<std::pair<std::uint32_t, IntrusivePtr<Node>>> node_of_;  // of operators
  std::map<std::uint32_t, trace::Event> events_;                       // of nodes
};

/// Tracing, until the end of the scope.
struct Tracing {
  explicit Tracing(trace::Observer& observer) { trace::start({.observer = &observer}); }
  ~Tracing() { trace::stop(); }
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
};

std::map<const TensorImpl*, std::string> names_of(const Model& model) {
  std::map<const TensorImpl*, std::string> names;
  for (const auto& parameter : model.module->named_parameters()) {
    names[&parameter.value().impl()] = parameter.key();
  }
  return names;
}

/// Nodes, edges and the longest path, which the plan has before anything runs.
void add_plan(StepGraph& graph, const Plan& plan, const std::map<const TensorImpl*, std::string>& names) {
  std::vector<float> times;
  for (std::uint32_t i = 0; i < plan.nodes().size(); ++i) {
    const PlanNode& n = plan.nodes()[i];
    times.push_back(n.node->work());
    StepGraph::Backward node{.name = n.node->name(), .nanoseconds = times.back()};
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(n.node)) {
      const auto it = names.find(&leaf->variable().impl());
      node.parameter = it != names.end() ? it->second : "";
    }
    graph.backward.push_back(std::move(node));
    for (const std::uint32_t target : plan.targets(n)) {
      if (target != kNoTarget) {
        graph.backward_edges.emplace_back(i, plan.inputs()[target].node);
      }
    }
  }
  const CriticalPath path = critical_path(plan, times);
  graph.work = path.work;
  graph.critical_path = path.length;
  for (const std::uint32_t node : path.nodes) {
    graph.backward[node].critical = true;
  }
}

void add_groups(StepGraph& graph, const Schedule& schedule) {
  for (const Schedule::Group& group : schedule.groups()) {
    for (const std::uint32_t node : group.items) {
      graph.backward[node].group = static_cast<std::uint32_t>(graph.groups.size());
    }
    graph.groups.push_back({group.items, group.successors, group.work});
  }
}

}  // namespace

StepGraph observe_step(const Model& model, IntArrayRef sample_shape, std::int64_t batch_size, ScalarType dtype) {
  StepGraph graph;
  StepObserver observer(graph);
  DimVector shape(sample_shape);
  shape.insert(0, batch_size);
  const Tensor x = zeros(shape, dtype);
  const Tensor target = zeros(DimVector{batch_size}, kInt64);
  observer.add_given(Forward::Kind::Input, "samples", x);
  observer.add_given(Forward::Kind::Input, "labels", target);
  for (const auto& parameter : model.module->named_parameters()) {
    observer.add_given(Forward::Kind::Parameter, parameter.key(), parameter.value());
  }
  const Tensor one = ones(DimVector{}, dtype);

  const Tracing tracing(observer);
  const Tensor loss =
      cross_entropy_loss(model.forward(x), target, {}, Reduction::Sum) / static_cast<double>(batch_size);
  const Edge root = gradient_edge(loss);
  const Plan plan(std::span(&root, 1), {});
  Execution pass(plan, std::span(&one, 1), {}, {});
  add_plan(graph, plan, names_of(model));
  add_groups(graph, Schedule(pass.work_graph(), get_num_threads()));
  execute(pass);
  pass.finish();
  observer.finish(plan);
  return graph;
}

}  // namespace backflow::train

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
#include <backflow/runtime/engine/schedule.h>
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

  void on_node(const trace::Event& event) override { events_[NodeIndex(event.node)] = event; }

  /// Fills in what was seen of the nodes of `plan`.
  void finish(const Plan& plan) {
    std::unordered_map<const Node*, NodeIndex> position;
    for (const NodeIndex i : plan.nodes().indices()) {
      position[plan.nodes()[i].node] = i;
      const trace::Event& event = events_[i];
      StepGraph::Backward& node = graph_.backward[i.value()];
      node.gradients = event.in.text();
      node.results = event.out.text();
      node.flop = event.flop;
      node.bytes = event.bytes;
    }
    for (const auto& [id, node] : node_of_) {
      if (const auto it = position.find(node.get()); it != position.end()) {
        graph_.forward[id].backward = it->second.value();
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
  std::map<NodeIndex, trace::Event> events_;
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
  IndexedVector<NodeIndex, float> times;
  for (const NodeIndex i : plan.nodes().indices()) {
    const PlanNode& n = plan.nodes()[i];
    times.push_back(n.node->work());
    StepGraph::Backward node{.name = n.node->name(), .nanoseconds = times.back()};
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(n.node)) {
      const auto it = names.find(&leaf->variable().impl());
      node.parameter = it != names.end() ? it->second : "";
    }
    graph.backward.push_back(std::move(node));
    plan.for_successors(i, [&](NodeIndex next) { graph.backward_edges.emplace_back(i.value(), next.value()); });
  }
  const CriticalPath<NodeIndex> path = critical_path(plan, times);
  graph.work = path.work;
  graph.critical_path = path.length;
  for (const NodeIndex node : path.path) {
    graph.backward[node.value()].critical = true;
  }
}

/// A pass without tasks: every item is a node.
void add_groups(StepGraph& graph, const Schedule& schedule, const ItemNumbers& items) {
  for (const GroupIndex g : schedule.groups().indices()) {
    const Schedule::Group& group = schedule.groups()[g];
    StepGraph::Group& drawn = graph.groups.emplace_back();
    drawn.nanoseconds = group.work;
    for (const ItemIndex item : group.items) {
      const NodeIndex node = items.node(item);
      graph.backward[node.value()].group = g.value();
      drawn.nodes.push_back(node.value());
    }
    for (const GroupIndex next : group.successors) {
      drawn.successors.push_back(next.value());
    }
  }
}

}  // namespace

StepGraph observe_step(const Model& model, const Batch& batch, const std::function<Tensor(const Batch&)>& loss_of) {
  StepGraph graph;
  StepObserver observer(graph);
  observer.add_given(Forward::Kind::Input, "samples", batch.x);
  if (batch.target.defined()) {
    observer.add_given(Forward::Kind::Input, batch.target.is_floating_point() ? "targets" : "labels", batch.target);
  }
  for (const auto& parameter : model.module->named_parameters()) {
    observer.add_given(Forward::Kind::Parameter, parameter.key(), parameter.value());
  }

  const std::vector<Tensor> parameters = model.module->parameters();
  const Tensor one = ones(DimVector{}, parameters.empty() ? batch.x.scalar_type() : parameters.front().scalar_type());

  const Tracing tracing(observer);
  const Tensor loss = loss_of(batch) / static_cast<double>(batch.size());
  const Edge root = gradient_edge(loss);
  const Plan plan(std::span(&root, 1), {});
  Execution pass(plan, std::span(&one, 1), {}, {});
  add_plan(graph, plan, names_of(model));
  add_groups(graph, Schedule(pass.work_graph(), get_num_threads()), pass.items());
  execute(pass);
  pass.finish();
  observer.finish(plan);
  return graph;
}

StepGraph observe_step(const Model& model, IntArrayRef sample_shape, std::int64_t batch_size, ScalarType dtype) {
  const Batch batch = zero_batch({.sample_shape = DimVector(sample_shape),
                                  .sample_dtype = dtype,
                                  .target_shape = {},
                                  .class_names = {},
                                  .feature_names = {},
                                  .target_names = {}},
                                 batch_size);
  return observe_step(model, batch, [&](const Batch& given) {
    return cross_entropy_loss(model.forward(given.x), given.target, {}, Reduction::Sum);
  });
}

Batch zero_batch(const DataInfo& data, std::int64_t batch_size) {
  const auto zeros_of = [&](DimVector shape, ScalarType dtype) {
    shape.insert(0, batch_size);
    return zeros(shape, dtype);
  };
  Batch batch{.x = zeros_of(data.sample_shape, data.sample_dtype), .target = {}, .weight = {}};
  const bool is_class = data.target == TargetKind::Class || data.target == TargetKind::Tokens;
  if (data.target != TargetKind::Input) {
    batch.target = zeros_of(data.target_shape, is_class ? kInt64 : data.sample_dtype);
  }
  return batch;
}

}  // namespace backflow::train

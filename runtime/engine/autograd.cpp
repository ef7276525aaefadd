#include <backflow/runtime/engine/autograd.h>

#include <algorithm>
#include <map>
#include <utility>

#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/engine/execution.h>
#include <backflow/runtime/engine/plan.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>

namespace backflow {
namespace {

Tensor one_like(const Tensor& x) {
  Tensor one = empty_tensor_like(x, x.scalar_type());
  dispatch(x.scalar_type(), [&](auto zero) { *one.mutable_data_ptr<decltype(zero)>() = 1; });
  return one;
}

Tensor root_gradient(const char* where, const Tensor& root, const Tensor& gradient) {
  if (!gradient.defined()) {
    check(root.numel() == 1, where, ": no gradient given for ", describe(root),
          ": need one of that shape, since only a single element has 1 as a default");
    return one_like(root);
  }
  check(gradient.sizes() == root.sizes() && gradient.scalar_type() == root.scalar_type(), where, ": gradient is ",
        describe(gradient), ", its root is ", describe(root), ": need the same shape and dtype");
  return gradient;
}

std::vector<Tensor> run_backward(const char* where, const autograd::variable_list& roots,
                                 const autograd::variable_list& gradients, const Wanted& wanted,
                                 const autograd::BackwardOptions& options) {
  check(gradients.empty() || gradients.size() == roots.size(), where, ": ", gradients.size(), " gradients for ",
        roots.size(), " roots: need one for each");
  std::vector<Edge> edges;
  std::vector<Tensor> root_gradients;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    check(roots[i].requires_grad(), where, ": root ", i, " (", describe(roots[i]),
          ") requires no gradient: need a tensor that was computed, with recording on, from one that does");
    edges.push_back(gradient_edge(roots[i]));
    check(edges.back().is_valid(), where, ": root ", i, " (", describe(roots[i]),
          ") is a view made with recording off, which leads nowhere: need one made with recording on");
    root_gradients.push_back(root_gradient(where, roots[i], gradients.empty() ? Tensor() : gradients[i]));
  }
  Plan plan(edges, wanted);
  const auto is_elsewhere = [](const PassTask& task) { return task.start != nullptr; };
  if (!options.create_graph && std::any_of(options.tasks.begin(), options.tasks.end(), is_elsewhere)) {
    plan.put_leaves_first();
  }
  Execution pass(plan, root_gradients,
                 {.create_graph = options.create_graph,
                  .keep_graph = options.retain_graph.value_or(options.create_graph),
                  .num_wanted = wanted.captured.size(),
                  .stop = options.stop},
                 options.tasks);
  root_gradients.clear();
  execute(pass);
  return pass.finish();
}

/// The edges of `inputs`, each once, and for every input which of them is its own: none for a view that was made with
/// recording off, which no gradient reaches.
struct WantedEdges {
  std::vector<Edge> edges;
  std::vector<std::optional<std::size_t>> index;

  WantedEdges(const char* where, const autograd::variable_list& inputs) {
    std::map<std::pair<const Node*, std::uint32_t>, std::size_t> seen;
    for (const Tensor& x : inputs) {
      check(x.requires_grad(), where, ": an input (", describe(x), ") requires no gradient: need requires_grad_()");
      Edge edge = gradient_edge(x);
      if (!edge.is_valid()) {
        index.emplace_back();
        continue;
      }
      const auto [it, is_new] = seen.emplace(std::pair(edge.function.get(), edge.input_nr), edges.size());
      if (is_new) {
        edges.push_back(std::move(edge));
      }
      index.push_back(it->second);
    }
  }
};

}  // namespace

void Tensor::backward(const Tensor& gradient, std::optional<bool> retain_graph, bool create_graph,
                      OptionalTensorList inputs) const {
  autograd::backward({*this}, {gradient}, retain_graph, create_graph, inputs);
}

namespace autograd {

void backward(const variable_list& roots, const variable_list& gradients, const BackwardOptions& options,
              OptionalTensorList inputs) {
  if (!inputs.has_value()) {
    run_backward("backward", roots, gradients, {}, options);
    return;
  }
  check(!inputs.value().empty(), "backward: the list of inputs is empty: need at least one, or no list for all leaves");
  // Leaves are reached through their accumulators; what is no leaf retains its gradient from now on.
  variable_list leaves;
  variable_list others;
  for (const Tensor& x : inputs.value()) {
    (x.is_leaf() ? leaves : others).push_back(x);
  }
  const WantedEdges applied("backward", leaves);
  const WantedEdges captured("backward", others);
  for (const Tensor& x : others) {
    x.retain_grad();
  }
  if (applied.edges.empty() && captured.edges.empty()) {
    return;
  }
  run_backward("backward", roots, gradients, {.captured = captured.edges, .applied = applied.edges}, options);
}

void backward(const variable_list& roots, const variable_list& gradients, std::optional<bool> retain_graph,
              bool create_graph, OptionalTensorList inputs) {
  backward(roots, gradients, {.retain_graph = retain_graph, .create_graph = create_graph}, inputs);
}

variable_list grad(const variable_list& outputs, const variable_list& inputs, const variable_list& grad_outputs,
                   std::optional<bool> retain_graph, bool create_graph, bool allow_unused) {
  check(!inputs.empty(), "grad: no inputs: need at least one tensor to differentiate by");
  const WantedEdges wanted("grad", inputs);
  std::vector<Tensor> captured;
  if (!wanted.edges.empty()) {
    captured = run_backward("grad", outputs, grad_outputs, {.captured = wanted.edges},
                            {.retain_graph = retain_graph, .create_graph = create_graph});
  }
  variable_list result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    result.push_back(wanted.index[i] ? captured[*wanted.index[i]] : Tensor());
    check(allow_unused || result.back().defined(), "grad: input ", i, " (", describe(inputs[i]),
          ") was not used to compute the outputs: need allow_unused for an undefined gradient");
  }
  return result;
}

}  // namespace autograd
}  // namespace backflow

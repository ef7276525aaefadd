#include <backflow/tests/support/graphs.h>

#include <string>

#include <backflow/ops/operators.h>
#include <backflow/runtime/base/philox.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/tests/support/arrays.h>

namespace backflow::test {

FunctionNode::FunctionNode(const std::vector<Tensor>& operands, Function f) : f_(std::move(f)) {
  for (const Tensor& x : operands) {
    edges_.push_back(gradient_edge(x));
  }
  set_edges(edges_);
}

Tensor recorded(const Tensor& y, const std::vector<Tensor>& operands, FunctionNode::Function backward) {
  Tensor result = y.detach();
  set_history(result, Node::make<FunctionNode>(operands, std::move(backward)));
  return result;
}

Tensor hooked(const Tensor& x, std::function<void()> before) {
  return recorded(x, {x}, [before = std::move(before)](NodeCall& call) {
    before();
    call.dx[0] = call.dy[0];
  });
}

Graph random_graph(std::uint64_t seed, int operations, std::int64_t size) {
  PhiloxStream random(seed);
  Graph graph;
  for (int i = 0; i < 4; ++i) {
    Tensor leaf = random_tensor({size, size}, std::to_string(seed) + "/" + std::to_string(i), kFloat32, -1, 1);
    graph.leaves.push_back(leaf.requires_grad_());
  }
  std::vector<Tensor> results = graph.leaves;
  for (int i = 0; i < operations; ++i) {
    // Mostly late results, so that the graph is deep as well as wide.
    const auto pick = [&] {
      const std::uint64_t range = random.below(2) == 0 ? results.size() : std::min<std::size_t>(results.size(), 5);
      return results[results.size() - 1 - random.below(range)];
    };
    const Tensor a = pick();
    const Tensor b = random.below(6) == 0 ? a : pick();
    switch (random.below(4)) {
      case 0:
        results.push_back(a + b);
        break;
      case 1:
        results.push_back(tanh(a * b));
        break;
      case 2:
        results.push_back(tanh(a));
        break;
      default:
        results.push_back(tanh(mm(a, b.t())));
    }
  }
  Tensor total = results.back().sum();
  for (std::size_t i = 4; i + 1 < results.size(); i += 7) {
    total = total + results[i].mean();
  }
  graph.root = total;
  return graph;
}

}  // namespace backflow::test

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <backflow/runtime/tape/node.h>

namespace backflow::test {

/// A node whose backward is a function: `f(call)` fills call.dx.
class FunctionNode final : public Node {
 public:
  using Function = std::function<void(NodeCall&)>;
  FunctionNode(const std::vector<Tensor>& operands, Function f);

  std::string name() const override { return "FunctionNode"; }
  void apply(NodeCall& call) override { f_(call); }

 private:
  std::vector<Edge> edges_;
  Function f_;
};

/// A tensor with the values of `y`, recorded as made from `operands` with this backward.
Tensor recorded(const Tensor& y, const std::vector<Tensor>& operands, FunctionNode::Function backward);
/// The identity, whose backward first calls `before`.
Tensor hooked(const Tensor& x, std::function<void()> before);

/// Some leaves, and a scalar computed from them.
struct Graph {
  std::vector<Tensor> leaves;
  Tensor root;
};

/// A random graph of `operations` additions, products, hyperbolic tangents and matrix products on square matrices,
/// whose operands are earlier results, often shared, and often the same twice. The same for the same seed.
Graph random_graph(std::uint64_t seed, int operations, std::int64_t size = 3);

}  // namespace backflow::test

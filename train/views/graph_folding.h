#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <backflow/train/views/step_graph.h>

namespace backflow::train {

/// A step's graph with everything that is there several times in the same role as one node: the first layers of eight
/// equal towers, but not two equal layers of which one follows the other. For drawing.
struct FoldedGraph {
  struct Node {
    std::vector<std::uint32_t> members;  ///< their places in the list of nodes, ascending
    std::size_t in_a_row = 1;            ///< so many members are one sum: an addition after the other
    /// Nodes that hang on this one alone: parameters of an operator, accumulators of what a backward node computes.
    /// They have no node of their own.
    std::vector<std::vector<std::uint32_t>> leaves;

    std::size_t copies() const { return members.size() / in_a_row; }
    /// The one to show: not the first nor the last, whose surroundings may be different.
    std::uint32_t shown() const { return members[members.size() / 2]; }
  };

  std::vector<Node> forward;
  std::vector<Node> backward;
  StepGraph::Edges forward_edges;   ///< each once
  StepGraph::Edges backward_edges;  ///< each once
  StepGraph::Edges links;           ///< from operators to their nodes in `backward`
};

/// Nodes have the same role when they have one name and one shape, and what they are computed from and what is computed
/// from them has, down to the ends of the graph. Operands of sums and concatenations count in any order.
FoldedGraph fold(const StepGraph& graph);

}  // namespace backflow::train

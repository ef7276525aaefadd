#include <backflow/train/views/graph_folding.h>

#include <algorithm>
#include <string>

#include <backflow/tests/catch2.h>

using namespace backflow::train;
using Kind = StepGraph::Forward::Kind;
using Ids = std::vector<std::uint32_t>;

namespace {

/// Builds the forward of a graph.
struct Builder {
  std::uint32_t add(const std::string& name, const Ids& operands, Kind kind = Kind::Operator) {
    const auto id = static_cast<std::uint32_t>(graph.forward.size());
    graph.forward.push_back({.kind = kind, .name = name, .shape = "f32[2]"});
    for (const std::uint32_t operand : operands) {
      graph.forward_edges.emplace_back(operand, id);
    }
    return id;
  }
  std::uint32_t linear(const std::string& name, std::uint32_t x) {
    return add("linear", {x, add(name + ".weight", {}, Kind::Parameter)});
  }
  StepGraph graph;
};

/// The members of the node that holds this one.
Ids members(const FoldedGraph& folded, std::uint32_t id) {
  const auto it = std::find_if(folded.forward.begin(), folded.forward.end(), [&](const FoldedGraph::Node& node) {
    return std::count(node.members.begin(), node.members.end(), id) > 0;
  });
  return it == folded.forward.end() ? Ids() : it->members;
}

std::size_t drawn(const FoldedGraph& folded) {
  return static_cast<std::size_t>(std::count_if(folded.forward.begin(), folded.forward.end(),
                                                [](const FoldedGraph::Node& node) { return !node.members.empty(); }));
}

}  // namespace

TEST_CASE("folding: towers that are summed up are one, and so are the additions") {
  Builder b;
  const std::uint32_t x = b.add("samples", {}, Kind::Input);
  Ids last;
  for (int i = 0; i < 4; ++i) {
    last.push_back(b.linear("2", b.add("relu", {b.linear("0", x)})));
  }
  std::uint32_t total = last[0];
  for (int i = 1; i < 4; ++i) {
    total = b.add("add", {total, last[static_cast<std::size_t>(i)]});
  }
  const FoldedGraph folded = fold(b.graph);
  CHECK(drawn(folded) == 1 + 3 + 1);
  CHECK(members(folded, last[2]) == last);
  CHECK(members(folded, total).size() == 3);
  for (const FoldedGraph::Node& node : folded.forward) {
    if (node.members == last) {
      CHECK(node.copies() == 4);
      CHECK(node.in_a_row == 1);
      REQUIRE(node.leaves.size() == 1);  // the weights
      CHECK(node.leaves[0].size() == 4);
    }
    if (node.members == members(folded, total)) {
      CHECK(node.copies() == 1);
      CHECK(node.in_a_row == 3);
    }
  }
  CHECK(folded.forward_edges.size() == 4);
}

TEST_CASE("folding: towers that are concatenated are one, whatever their places") {
  Builder b;
  const std::uint32_t x = b.add("samples", {}, Kind::Input);
  const std::uint32_t left = b.linear("0", x);
  const std::uint32_t right = b.linear("1", x);
  b.add("cat", {left, right});
  CHECK(members(fold(b.graph), left) == Ids{left, right});
}

TEST_CASE("folding: equal layers in different roles stay apart") {
  Builder b;
  const std::uint32_t x = b.add("samples", {}, Kind::Input);
  // Queries and keys are the two operands of a product; values go elsewhere.
  const std::uint32_t q = b.linear("q", x);
  const std::uint32_t k = b.linear("k", x);
  const std::uint32_t v = b.linear("v", x);
  const std::uint32_t scores = b.add("matmul", {q, k});
  const std::uint32_t y = b.add("matmul", {scores, v});
  // One layer after the other.
  const std::uint32_t first = b.linear("0", y);
  const std::uint32_t second = b.linear("1", first);
  const FoldedGraph folded = fold(b.graph);
  for (const std::uint32_t id : {q, k, v, scores, y, first, second}) {
    CHECK(members(folded, id) == Ids{id});
  }
}

TEST_CASE("folding: a weight that branches share is drawn once beside them") {
  Builder b;
  const std::uint32_t x = b.add("samples", {}, Kind::Input);
  const std::uint32_t w = b.add("0.weight", {}, Kind::Parameter);
  const std::uint32_t first = b.add("linear", {x, w});
  const std::uint32_t second = b.add("relu", {b.add("linear", {x, w})});
  b.add("cat", {first, second});
  const FoldedGraph folded = fold(b.graph);
  CHECK(members(folded, w) == Ids{w});
  CHECK(drawn(folded) == 6);
}

TEST_CASE("folding: a residual stream is no sum in a row") {
  Builder b;
  std::uint32_t x = b.add("samples", {}, Kind::Input);
  Ids sums;
  for (int i = 0; i < 3; ++i) {
    x = b.add("add", {x, b.linear("0", x)});
    sums.push_back(x);
  }
  const FoldedGraph folded = fold(b.graph);
  for (const std::uint32_t sum : sums) {
    CHECK(members(folded, sum) == Ids{sum});
  }
}

TEST_CASE("folding: a deep network takes no time") {
  Builder b;
  std::uint32_t x = b.add("samples", {}, Kind::Input);
  for (int i = 0; i < 20'000; ++i) {
    x = b.add("relu", {x});
  }
  CHECK(drawn(fold(b.graph)) == 20'001);
}

#include <backflow/train/views/step_graph.h>

#include <algorithm>
#include <numeric>
#include <set>

#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tensor/cost.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/views/graphviz.h>

using namespace backflow;
using namespace backflow::train;
using Kind = StepGraph::Forward::Kind;

namespace {

constexpr std::int64_t kBatch = 512, kIn = 300, kOut = 400;

/// relu(linear(x)) + linear(x): two branches.
StepGraph observed() {
  nn::Linear a(kIn, kOut), b(kIn, kOut);
  const nn::Sequential both(a, b);
  const Model model{both.ptr(), [=](const Tensor& x) mutable {
                      const Tensor left = relu(a->forward(x));
                      const Tensor right = b->forward(x);
                      return left + right;
                    }};
  return observe_step(model, {kIn}, kBatch, kFloat32);
}

/// The edges as pairs of names, with the number of the node behind names that several have.
std::set<std::pair<std::string, std::string>> named_edges(const StepGraph& graph) {
  std::set<std::pair<std::string, std::string>> edges;
  for (const auto& [from, to] : graph.forward_edges) {
    edges.emplace(graph.forward[from].name, graph.forward[to].name);
  }
  return edges;
}

const StepGraph::Backward& accumulator(const StepGraph& graph, const std::string& parameter) {
  const auto it = std::find_if(graph.backward.begin(), graph.backward.end(),
                               [&](const auto& node) { return node.parameter == parameter; });
  REQUIRE(it != graph.backward.end());
  return *it;
}

}  // namespace

TEST_CASE("step graph: the forward with the shapes of its results") {
  const StepGraph graph = observed();
  std::vector<std::string> operators;
  for (const StepGraph::Forward& node : graph.forward) {
    if (node.kind == Kind::Operator) {
      operators.push_back(node.name + " " + node.shape);
    }
  }
  CHECK(operators == std::vector<std::string>{"linear f32[512, 400]", "relu f32[512, 400]", "linear f32[512, 400]",
                                              "add f32[512, 400]", "cross_entropy_loss f32[]", "div f32[]"});
  const auto edges = named_edges(graph);
  for (const auto& edge : {std::pair("samples", "linear"),
                           {"0.weight", "linear"},
                           {"1.bias", "linear"},
                           {"linear", "relu"},
                           {"linear", "add"},
                           {"relu", "add"},
                           {"add", "cross_entropy_loss"},
                           {"labels", "cross_entropy_loss"},
                           {"cross_entropy_loss", "div"}}) {
    CAPTURE(edge.first, edge.second);
    CHECK(edges.count(edge) == 1);
  }
  CHECK(graph.forward_edges.size() == 2 * 3 + 1 + 2 + 2 + 1);
}

TEST_CASE("step graph: the backward with the shapes of its gradients") {
  const StepGraph graph = observed();
  CHECK(accumulator(graph, "0.weight").gradients == "f32[400, 300]");
  CHECK(accumulator(graph, "1.bias").gradients == "f32[400]");
  CHECK(accumulator(graph, "1.bias").name == "AccumulateGrad");
  int products = 0;
  for (const StepGraph::Forward& node : graph.forward) {
    if (node.name == "linear") {
      REQUIRE(node.backward);
      const StepGraph::Backward& backward = graph.backward[*node.backward];
      CHECK(backward.name == "AddmmBackward0");
      CHECK(backward.gradients == node.shape);
      CHECK(backward.results == "-, f32[400, 300], f32[400]");  // nobody wants the gradient of the samples
      CHECK(backward.flop == 2.0 * kBatch * kIn * kOut);
      CHECK(backward.nanoseconds == Approx(Cost::kLatency + 2.0 * kBatch * kIn * kOut / Cost::kFlopPerNanosecond));
      ++products;
    }
    CHECK(node.backward.has_value() == (node.kind == Kind::Operator));
  }
  CHECK(products == 2);
}

TEST_CASE("step graph: groups hold each node once, and edges between them are those of the nodes") {
  const StepGraph graph = observed();
  std::set<std::uint32_t> seen;
  for (std::uint32_t g = 0; g < graph.groups.size(); ++g) {
    double work = 0;
    for (const std::uint32_t node : graph.groups[g].nodes) {
      CHECK(seen.insert(node).second);
      CHECK(graph.backward[node].group == g);
      work += graph.backward[node].nanoseconds;
    }
    CHECK(graph.groups[g].nanoseconds == Approx(work));
  }
  CHECK(seen.size() == graph.backward.size());
  CHECK(graph.groups.size() >= 2);  // either branch has a millisecond of work
  for (const auto& [from, to] : graph.backward_edges) {
    const std::uint32_t group = graph.backward[from].group;
    const auto& successors = graph.groups[group].successors;
    CHECK((graph.backward[to].group == group ||
           std::count(successors.begin(), successors.end(), graph.backward[to].group) == 1));
  }
}

TEST_CASE("step graph: the critical path is one path, as long as it is said to be") {
  const StepGraph graph = observed();
  double work = 0;
  double path = 0;
  std::size_t nodes = 0;
  for (const StepGraph::Backward& node : graph.backward) {
    work += node.nanoseconds;
    path += node.critical ? node.nanoseconds : 0;
    nodes += node.critical;
  }
  CHECK(graph.work == Approx(work));
  CHECK(graph.critical_path == Approx(path));
  CHECK(graph.parallelism_bound() > 1.5);
  const auto edges = std::count_if(graph.backward_edges.begin(), graph.backward_edges.end(), [&](const auto& edge) {
    return graph.backward[edge.first].critical && graph.backward[edge.second].critical;
  });
  CHECK(static_cast<std::size_t>(edges) == nodes - 1);
}

TEST_CASE("step graph: tracing is off afterwards, also after an error") {
  const nn::Sequential none(nn::Linear(2, 2));
  const Model broken{none.ptr(), [](const Tensor&) -> Tensor { fail("no scores today"); }};
  CHECK_THROWS_AS(observe_step(broken, {2}, 1, kFloat32), Error);
  CHECK_FALSE(trace::is_on());
}

TEST_CASE("step graph: labels of a drawing are quoted") {
  StepGraph graph;
  graph.forward.push_back({.kind = Kind::Parameter, .name = "a \"b\" \\c", .shape = "f32[2]"});
  CHECK(to_dot(graph, "t").find(R"(f0 [label="a \"b\" \\c\nf32[2]")") != std::string::npos);
}

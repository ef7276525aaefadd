#include <backflow/tests/support/serial_run.h>

#include <algorithm>

#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>

namespace backflow::test {
namespace {

using Run = std::vector<Tensor> (*)(const Closures&);

struct Outcome {
  std::vector<Tensor> results;
  std::vector<std::pair<std::string, std::uint64_t>> nodes;
  std::uint64_t recorded = 0;
  Generator::State random;
  std::vector<Tensor> gradients;
};

std::vector<Tensor> gradients_of(const std::vector<Tensor>& leaves) {
  std::vector<Tensor> gradients(leaves.size());
  std::transform(leaves.begin(), leaves.end(), gradients.begin(), [](const Tensor& leaf) { return leaf.grad(); });
  return gradients;
}

Outcome outcome_of(Run run, const std::function<Program()>& make, Engine& engine) {
  const Program program = make();
  Outcome outcome;
  const std::uint64_t first = SequenceRange::reserve(0);
  outcome.results = run(program.closures);
  outcome.recorded = SequenceRange::reserve(0) - first;
  outcome.nodes = nodes_of(outcome.results, first);
  outcome.random = default_generator().state();
  std::vector<Tensor> roots;
  for (const Tensor& y : outcome.results) {
    if (y.requires_grad()) {
      roots.push_back(y.sum());
    }
  }
  if (!roots.empty()) {
    const EngineGuard guard(engine);
    autograd::backward(roots);
  }
  outcome.gradients = gradients_of(program.leaves);
  return outcome;
}

}  // namespace

std::vector<Tensor> in_a_row(const Closures& closures) {
  std::vector<Tensor> results;
  for (const auto& closure : closures) {
    results.push_back(closure());
  }
  return results;
}

std::vector<std::pair<std::string, std::uint64_t>> nodes_of(const std::vector<Tensor>& results, std::uint64_t first) {
  std::vector<Node*> found;
  const auto add = [&](Node* node) {
    if (node != nullptr && std::find(found.begin(), found.end(), node) == found.end()) {
      found.push_back(node);
    }
  };
  for (const Tensor& y : results) {
    add(y.grad_fn().get());
  }
  std::size_t next = 0;
  while (next < found.size()) {  // which grows meanwhile
    for (const Edge& edge : found[next++]->next_edges()) {
      add(edge.function.get());
    }
  }
  std::vector<std::pair<std::string, std::uint64_t>> nodes;
  for (const Node* node : found) {
    if (!node->next_edges().empty()) {
      nodes.emplace_back(node->name(), node->sequence_nr() - first);
    }
  }
  return nodes;
}

void check_as_in_a_row(const std::function<Program()>& make, int repeats, const std::function<void()>& before) {
  const auto all = engines();
  before();
  const Outcome expected = outcome_of(in_a_row, make, *all.front());
  for (const int n : {1, 2, 4, 8}) {
    const Threads threads(n);
    for (int repeat = 0; repeat < repeats; ++repeat) {
      before();
      const Outcome outcome = outcome_of(parallel, make, *all[static_cast<std::size_t>(repeat) % all.size()]);
      INFO(n << " threads, repeat " << repeat);
      REQUIRE(bitwise_equal(outcome.results, expected.results));
      REQUIRE(outcome.nodes == expected.nodes);
      REQUIRE(outcome.recorded == expected.recorded);
      REQUIRE((outcome.random == expected.random));
      REQUIRE(bitwise_equal(outcome.gradients, expected.gradients));
    }
  }
}

}  // namespace backflow::test

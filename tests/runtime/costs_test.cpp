// What operators and nodes are said to cost, and the longest path through them.
#include <backflow/runtime/tensor/cost.h>

#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/critical_path.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/graphs.h>
#include <backflow/tests/support/tracing.h>

using namespace backflow;
using namespace backflow::test;
using trace::Event;
using trace::Kind;

TEST_CASE("an operator made of others does what these do", "[trace]") {
  constexpr std::int64_t kBatch = 2, kChannels = 3, kFilters = 4, kSize = 6;
  const Tensor x = ones({kBatch, kChannels, kSize, kSize}), w = ones({kFilters, kChannels, 3, 3});
  const Tracing tracing;
  const Tensor y = conv2d(x, w);
  static_cast<void>(conv2d(ones({kChannels, kSize, kSize}), w));
  static_cast<void>(matmul(ones({5, 7}), ones({7, 11})));
  static_cast<void>(einsum("ij,jk->ik", {ones({5, 7}), ones({7, 11})}));
  std::vector<double> convolutions;
  for (const Event& event : events(Kind::kOperator)) {
    if (event.name == "conv2d") {
      convolutions.push_back(event.flop);
    }
    CHECK(event.name != "convolution");
    CHECK_FALSE(event.nested);
  }
  // A multiplication and an addition for each element of the result and each weight of its filter.
  const double one = 2.0 * kFilters * 4 * 4 * kChannels * 3 * 3;
  CHECK(convolutions == std::vector<double>{kBatch * one, one});
  CHECK(only(Kind::kOperator, "matmul").flop == 2.0 * 5 * 7 * 11);
  CHECK(only(Kind::kOperator, "einsum").flop >= 2.0 * 5 * 7 * 11);
}

TEST_CASE("a view and its gradient touch nothing", "[trace]") {
  const Tensor x = ones({4, 6}, requires_grad());
  const auto of_all = [&](const Tensor& y) {
    CAPTURE(y.grad_fn()->name());
    const Cost cost = y.grad_fn()->cost();
    CHECK(cost.flop == 0);
    CHECK(cost.bytes == 0);
    const Tracing tracing;
    static_cast<void>(autograd::grad({sum(y)}, {x}));
    const Event node = only(Kind::kNode, y.grad_fn()->static_name());
    CHECK(node.flop == 0);
    CHECK(node.bytes == 0);
  };
  of_all(x.view({24}));
  of_all(x.reshape({2, 12}));
  of_all(x.flatten());
  of_all(x.unsqueeze(0));
  of_all(x.squeeze());
  of_all(x.squeeze(0));
  of_all(x.t());
  of_all(x.transpose(0, 1));
  of_all(x.permute({1, 0}));
  // The gradient of a part is written in full.
  const auto of_part = [&](const Tensor& y) {
    CAPTURE(y.grad_fn()->name());
    CHECK(y.grad_fn()->cost().flop == 0);
    CHECK(y.grad_fn()->cost().bytes >= static_cast<float>(x.nbytes()));
  };
  of_part(x.select(0, 1));
  of_part(x.slice(1, 0, 2));
  of_part(x.diagonal());
  of_part(x.as_strided({2}, {1}));
  of_part(x.unfold(0, 2, 2));
}

namespace {

template <class I>
std::vector<std::uint32_t> numbers(const std::vector<I>& indices) {
  std::vector<std::uint32_t> values;
  for (const I i : indices) {
    values.push_back(i.value());
  }
  return values;
}

}  // namespace

TEST_CASE("the longest path goes over the edges of the plan", "[trace][plan]") {
  // root <- {a <- b, c} <- x: the branch of two nodes against one slow node.
  const Tensor x = ones({2}, requires_grad());
  const Tensor c = hooked(x, [] {});
  const Tensor a = hooked(hooked(x, [] {}), [] {});
  const Tensor root = sum(add(a, c));
  const Edge edge = gradient_edge(root);
  const Plan plan({&edge, 1}, {});
  REQUIRE(plan.nodes().size() == 6);  // sum, add, a, b, c, x: the newest first
  IndexedVector<NodeIndex, float> times = {1, 2, 10, 20, 25, 3};
  CriticalPath<NodeIndex> path = critical_path(plan, times);
  CHECK(path.work == 61);
  CHECK(path.length == 1 + 2 + 10 + 20 + 3);
  CHECK(numbers(path.path) == std::vector<std::uint32_t>{0, 1, 2, 3, 5});
  times[NodeIndex(4)] = 40;
  path = critical_path(plan, times);
  CHECK(path.length == 1 + 2 + 40 + 3);
  CHECK(numbers(path.path) == std::vector<std::uint32_t>{0, 1, 4, 5});
  times.resize(5);
  CHECK_THROWS_AS(critical_path(plan, times), Error);
}

TEST_CASE("the longest path goes over tasks as well", "[trace]") {
  // 0 -> {1, 2} -> 3, and a task 4 that waits for 1 alone.
  WorkGraph graph;
  graph.kinds.assign(5, WorkGraph::Kind::Node);
  graph.kinds.back() = WorkGraph::Kind::Task;
  for (const int to : {1, 2, 3, 4, 3}) {
    graph.edges.emplace_back(to);
  }
  graph.first_edge = {0, 2, 4, 5, 5, 5};
  using Times = IndexedVector<ItemIndex, float>;
  CriticalPath<ItemIndex> path = critical_path(graph, Times{1, 2, 4, 3, 5});
  CHECK(path.work == 15);
  CHECK(path.length == 8);
  CHECK(numbers(path.path) == std::vector<std::uint32_t>{0, 1, 4});  // of two of this length, the smaller numbers
  path = critical_path(graph, Times{1, 2, 4, 3, 6});
  CHECK(path.length == 9);
  CHECK(numbers(path.path) == std::vector<std::uint32_t>{0, 1, 4});
  path = critical_path(graph, Times{0, 2, 4, 3, 0});
  CHECK(numbers(path.path) == std::vector<std::uint32_t>{2, 3});  // nothing that takes no time
  CHECK_THROWS_WITH(critical_path(graph, Times{1}), ContainsSubstring("1 times for 5 items"));
}

TEST_CASE("the estimated time of a node follows from what it does", "[trace][cost]") {
  constexpr float kElements = 100 * 100;
  const auto work = [](const Tensor& y) { return gradient_edge(y).function->work(); };
  const Tensor x = ones({100, 100}, requires_grad());
  CHECK(work(relu(x)) == Approx(Cost::kLatency + 12 * kElements / 100));
  const Tensor w = ones({100, 300}, requires_grad());
  CHECK(work(mm(x, w)) == Approx(Cost::kLatency + 4 * 100 * 100 * 300 / 120.0F));
  CHECK(work(mm(x.detach(), w)) == Approx(Cost::kLatency + 2 * 100 * 100 * 300 / 120.0F));
  const Tensor x64 = ones({100, 100}, dtype(kFloat64).requires_grad(true));
  CHECK(work(mm(x64, ones({100, 300}, kFloat64))) == Approx(Cost::kLatency + 2 * 100 * 100 * 300 / 30.0F));
  // A product with a vector is bound by the bytes of the matrix.
  CHECK(work(mm(x, ones({100, 1}))) == Approx(Cost::kLatency + 4 * (kElements + 200) / 100));
  // What does not fit into the caches comes from memory, and another thread helps with what is large.
  const Cost large = gradient_edge(relu(ones({1 << 20}, requires_grad()))).function->cost();
  CHECK(large.nanoseconds() == Approx(Cost::kLatency + 12.0F * (1 << 20) / 12));
  CHECK(large.nanoseconds(2) ==
        Approx(Cost::kLatency + 12.0F * (1 << 20) / 12 / (2 / (1 + Cost::kSharedMemory)) + Cost::kLoop));
  CHECK(large.nanoseconds(64) < large.nanoseconds(16));
  CHECK(large.nanoseconds(64) > large.nanoseconds() / 16);  // memory is shared
  const Cost product = gradient_edge(mm(ones({1024, 1024}, requires_grad()), ones({1024, 1024}))).function->cost();
  CHECK(product.nanoseconds(64) < product.nanoseconds() / 40);
  CHECK(gradient_edge(relu(x)).function->cost().nanoseconds(2) == Approx(work(relu(x))));
}

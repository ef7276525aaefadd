// How the work of a pass is cut into groups: made-up graphs, the nodes of which have a given time.
#include <backflow/runtime/engine/schedule.h>

#include <algorithm>
#include <random>
#include <utility>

#include <backflow/tests/catch2.h>

using namespace backflow;

namespace {

using Edges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // between items
using Times = IndexedVector<ItemIndex, float>;

WorkGraph make_graph(const std::vector<float>& work, Edges edges) {
  WorkGraph graph;
  graph.work = Times(work);
  graph.alone = Times(work);
  graph.handover.assign(work.size(), 0);
  graph.kinds.assign(work.size(), WorkGraph::Kind::Node);
  graph.dependencies.assign(work.size(), 0);
  std::sort(edges.begin(), edges.end());
  auto next = edges.begin();
  for (std::uint32_t i = 0; i < work.size(); ++i) {
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    for (; next != edges.end() && next->first == i; ++next) {
      graph.edges.push_back(ItemIndex(next->second));
      ++graph.dependencies[graph.edges.back()];
    }
  }
  graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
  return graph;
}

/// One root, `width` chains of `length` items of this time, and an item that waits for all of them.
WorkGraph branches(std::uint32_t width, std::uint32_t length, float ns) {
  std::vector<float> work(2 + width * length, ns);
  work.front() = 100;
  work.back() = 100;
  Edges edges;
  for (std::uint32_t b = 0; b < width; ++b) {
    std::uint32_t from = 0;
    for (std::uint32_t i = 0; i < length; ++i) {
      const std::uint32_t item = 1 + b * length + i;
      edges.emplace_back(from, item);
      from = item;
    }
    edges.emplace_back(from, 1 + width * length);
  }
  return make_graph(work, edges);
}

WorkGraph random_work(unsigned seed) {
  std::mt19937 random(seed);
  const std::uint32_t n = 1 + random() % 300;
  std::vector<float> work;
  Edges edges;
  for (std::uint32_t i = 0; i < n; ++i) {
    work.push_back(random() % 4 == 0 ? 50'000.0F : static_cast<float>(random() % 3000));
    for (std::uint32_t k = random() % 4; k > 0 && i > 0; --k) {
      edges.emplace_back(random() % i, i);
    }
  }
  WorkGraph graph = make_graph(work, edges);
  for (WorkGraph::Kind& kind : graph.kinds) {
    kind = random() % 40 == 0 ? WorkGraph::Kind::Async : kind;
  }
  return graph;
}

/// Runs the groups, each when all that it waits for have run, the last that became ready first; checks that every item
/// runs once and after those that it waits for.
void check_order(const WorkGraph& graph, const Schedule& schedule) {
  IndexedVector<ItemIndex, char> ran(graph.size(), false);
  IndexedVector<GroupIndex, std::uint32_t> missing;
  std::vector<GroupIndex> ready;
  IndexedVector<ItemIndex, std::vector<ItemIndex>> before(graph.size());
  for (const ItemIndex i : graph.kinds.indices()) {
    for (const ItemIndex next : graph.successors(i)) {
      before[next].push_back(i);
    }
  }
  for (const GroupIndex g : schedule.groups().indices()) {
    missing.push_back(schedule.groups()[g].dependencies);
    if (missing.back() == 0) {
      ready.push_back(g);
    }
  }
  std::size_t count = 0;
  bool in_order = true;
  while (!ready.empty()) {
    const Schedule::Group& group = schedule.groups()[ready.back()];
    ready.pop_back();
    for (const ItemIndex item : group.items) {
      in_order = in_order && !ran[item] &&
                 std::all_of(before[item].begin(), before[item].end(), [&](ItemIndex b) { return ran[b]; });
      ran[item] = true;
      ++count;
    }
    for (const GroupIndex next : group.successors) {
      if (--missing[next] == 0) {
        ready.push_back(next);
      }
    }
  }
  CHECK(in_order);
  CHECK(count == graph.size());
}

}  // namespace

TEST_CASE("schedule: a linear chain is one group, whatever its items cost") {
  for (const float ns : {100.0F, 100'000.0F}) {
    const Schedule schedule(branches(1, 50, ns), 2);
    CHECK(schedule.groups().size() == 1);
    CHECK(schedule.work() == schedule.critical_path());
  }
}

TEST_CASE("schedule: expensive branches have a group each") {
  const Schedule schedule(branches(8, 3, 50'000), 2);
  std::size_t large = 0;
  for (const Schedule::Group& group : schedule.groups()) {
    large += group.items.size() >= 3;
    CHECK(group.work <= 151'000);
  }
  CHECK(large == 8);
  CHECK(schedule.work() / schedule.critical_path() > 7.5);
  CHECK(schedule.time() < 0.55F * schedule.time_in_turn());
}

TEST_CASE("schedule: a cheap item that others wait for does not wait for an expensive one beside it") {
  // A chain of cheap items, each of which starts an expensive one, as the sum of eight towers does backward.
  std::vector<float> work;
  Edges edges;
  for (std::uint32_t i = 0; i < 8; ++i) {
    work.insert(work.end(), {8000, 2'000'000});
    edges.emplace_back(2 * i, 2 * i + 1);
    if (i > 0) {
      edges.emplace_back(2 * i - 2, 2 * i);
    }
  }
  const Schedule schedule(make_graph(work, edges), 2);
  CHECK(schedule.critical_path() < 2'100'000);
}

TEST_CASE("schedule: cheap branches share groups that are worth a task, and still run side by side") {
  const Schedule schedule(branches(1000, 2, 200), 2);
  CHECK(schedule.groups().size() > 8);
  CHECK(schedule.groups().size() < 60);
  CHECK(schedule.work() / schedule.critical_path() > 5);
}

TEST_CASE("schedule: cheap items are not worth a second thread") {
  for (const std::uint32_t width : {10, 1000}) {
    const Schedule schedule(branches(width, 3, 200), 2);
    CHECK(!Schedule::is_faster(schedule.time(), schedule.time_in_turn()));
  }
  const Schedule schedule(branches(1000, 3, 2000), 2);
  CHECK(Schedule::is_faster(schedule.time(), schedule.time_in_turn()));
}

TEST_CASE("schedule: nothing is gained by several threads when each item can use them all") {
  WorkGraph graph = branches(8, 3, 500'000);
  std::transform(graph.work.begin(), graph.work.end(), graph.alone.begin(), [](float ns) { return ns / 2; });
  const Schedule schedule(graph, 2);
  CHECK(!Schedule::is_faster(schedule.time(), schedule.time_in_turn()));
}

TEST_CASE("schedule: results that are large are not worth moving to another core for little work") {
  WorkGraph graph = branches(32, 1, 10'000);
  const Schedule small(graph, 2);
  CHECK(Schedule::is_faster(small.time(), small.time_in_turn()));
  graph.handover.assign(graph.size(), 8'000);
  const Schedule large(graph, 2);
  CHECK(!Schedule::is_faster(large.time(), large.time_in_turn()));
}

TEST_CASE("schedule: chains that were recorded by turns are told apart") {
  // Items 1, 3, 5, ... are one chain, 2, 4, 6, ... the other.
  Edges edges = {{0, 1}, {0, 2}};
  for (std::uint32_t i = 3; i < 401; ++i) {
    edges.emplace_back(i - 2, i);
  }
  const Schedule schedule(make_graph(std::vector<float>(401, 500), edges), 2);
  CHECK(schedule.groups().size() <= 4);
  CHECK(schedule.critical_path() < 0.6F * schedule.work());
}

TEST_CASE("schedule: what is done elsewhere is alone, and whatever waits for it is not held up") {
  // 0 -> 1 (elsewhere) -> 3, 0 -> 2
  WorkGraph graph = make_graph({100, 0, 50'000, 1000}, {{0, 1}, {0, 2}, {1, 3}});
  graph.kinds[ItemIndex(1)] = WorkGraph::Kind::Async;
  const Schedule schedule(graph, 8);
  const Schedule::Group& elsewhere = schedule.groups()[schedule.group_of(ItemIndex(1))];
  CHECK(elsewhere.is_async);
  CHECK(elsewhere.items.size() == 1);
  CHECK(schedule.group_of(ItemIndex(3)) != schedule.group_of(ItemIndex(2)));
  check_order(graph, schedule);
}

TEST_CASE("schedule: random graphs keep their order") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const WorkGraph graph = random_work(seed);
    const Schedule schedule(graph, 8);
    check_order(graph, schedule);
    // No group holds up what waits for others by more than a little: the longest path stays near the graph's own.
    const Times remaining = graph.remaining();
    const float longest = *std::max_element(remaining.begin(), remaining.end());
    CHECK(schedule.critical_path() >= 0.999F * longest);
    CHECK(schedule.critical_path() <= 1.3F * std::max(longest, schedule.work() / 8) + 20'000);
  }
}

TEST_CASE("work graph: equal graphs have equal hashes, and a change of any part makes them differ") {
  const WorkGraph graph = random_work(7);
  CHECK(graph == random_work(7));
  CHECK(graph.hash() == random_work(7).hash());
  WorkGraph other = graph;
  other.work[ItemIndex(3)] += 1;
  CHECK(!(other == graph));
  CHECK(other.hash() != graph.hash());
  other = graph;
  WorkGraph::Kind& kind = other.kinds.front();
  kind = kind == WorkGraph::Kind::Async ? WorkGraph::Kind::Task : WorkGraph::Kind::Async;
  CHECK(!(other == graph));
}

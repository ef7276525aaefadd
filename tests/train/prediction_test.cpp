#include <backflow/train/cores/prediction.h>

#include <memory>
#include <utility>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::train;

namespace {

/// Sharing costs nothing, and memory is fast.
Machine ideal() {
  Machine machine;
  machine.first_helper = machine.further_helpers = machine.first_join = machine.further_joins = 0;
  machine.task = machine.graph_task = machine.handover = 0;
  machine.bytes_per_ns = 1e9;
  return machine;
}

WorkTask stretch(double nanoseconds, double bytes_per_ns = 0, std::uint32_t label = 0) {
  WorkTask task;
  task.parts.push_back({nanoseconds, bytes_per_ns, label});
  return task;
}

WorkPart part(WorkGroup group, std::uint32_t label = 0) {
  return {0, 0, label, std::make_unique<WorkGroup>(std::move(group))};
}

WorkGroup loop(int tasks, double nanoseconds, double bytes_per_ns = 0, std::uint32_t label = 0) {
  WorkGroup group;
  for (int i = 0; i < tasks; ++i) {
    group.tasks.push_back(stretch(nanoseconds, bytes_per_ns, label));
  }
  return group;
}

/// Of parts one after the other, with two labels.
template <class... Parts>
WorkTree tree_of(Parts... parts) {
  WorkTree tree;
  tree.labels = {{"a", ""}, {"b", ""}};
  (tree.root.parts.push_back(std::move(parts)), ...);
  return tree;
}

WorkPart serial(double nanoseconds, std::uint32_t label = 0) { return {nanoseconds, 0, label}; }

double time(const WorkTree& tree, int threads, const Machine& machine = ideal()) {
  return predict(tree, threads, machine).nanoseconds;
}

}  // namespace

TEST_CASE("prediction: one core does all work") {
  const WorkTree tree = tree_of(serial(100), part(loop(8, 10)), serial(50));
  Machine machine = ideal();
  machine.first_helper = machine.first_join = machine.task = machine.handover = 1000;
  CHECK(time(tree, 1, machine) == Approx(230));
  CHECK(work_of(tree.root) == Approx(230));
}

TEST_CASE("prediction: equal tasks of a loop") {
  const WorkTree tree = tree_of(part(loop(64, 1000)));
  CHECK(time(tree, 64) == Approx(1000));
  CHECK(time(tree, 128) == Approx(1000));
  CHECK(time(tree, 32) == Approx(2000));
  CHECK(time(tree, 60) == Approx(2000));
}

TEST_CASE("prediction: what is lost is told by reason and by label") {
  const WorkTree tree = tree_of(serial(100), part(loop(3, 1000, 0, 1), 1));
  const Prediction prediction = predict(tree, 4, ideal());
  CHECK(prediction.lost.serial == Approx(300));
  CHECK(prediction.lost.idle == Approx(1000));
  CHECK(prediction.lost.overhead == 0);
  CHECK(prediction.lost_of[0].serial == Approx(300));
  CHECK(prediction.lost_of[1].idle == Approx(1000));
  CHECK(prediction.lost.sum() + work_of(tree.root) == Approx(4 * prediction.nanoseconds));
}

TEST_CASE("prediction: helpers come late, tasks cost, the end of a loop is noticed late") {
  Machine machine = ideal();
  machine.first_helper = 100;
  machine.further_helpers = 50;
  machine.first_join = 20;
  machine.further_joins = 5;
  machine.task = 1;
  // Two cores: the second starts at 100 and ends at 1101.
  CHECK(time(tree_of(part(loop(2, 1000))), 2, machine) == Approx(1121));
  // The fifth, helper 4, comes two doublings later: at 200.
  CHECK(time(tree_of(part(loop(5, 1000))), 5, machine) == Approx(200 + 1001 + 20 + 10));
  // A loop that is over before anybody comes costs its tasks alone.
  CHECK(time(tree_of(part(loop(3, 10))), 4, machine) == Approx(33));
}

TEST_CASE("prediction: a loop inside of a task is shared with idle cores, and with the one that waits for the task") {
  WorkGroup outer;
  outer.tasks.push_back(stretch(1000));
  outer.tasks.emplace_back();
  outer.tasks[1].parts.push_back(part(loop(4, 1000)));
  const WorkTree tree = tree_of(part(std::move(outer)));
  CHECK(time(tree, 3) == Approx(2000));
  CHECK(time(tree, 2) == Approx(3000));  // core 0 waits for the outer loop from 1000 on, and takes one more
}

TEST_CASE("prediction: a core that waits for its loop does nothing outside of that loop") {
  // Core 0 has an inner loop of its own, whose second task core 1 takes. Until that ends core 0 waits, although the
  // outer loop has a task left.
  WorkGroup outer;
  outer.tasks.emplace_back();
  WorkGroup inner;
  inner.tasks.push_back(stretch(100));
  inner.tasks.push_back(stretch(1000));
  outer.tasks[0].parts.push_back(part(std::move(inner)));
  outer.tasks.push_back(stretch(50));
  outer.tasks.push_back(stretch(300));
  // Core 1: 50, then 300 as the older loop goes first; core 0: 100, then 1000 of its own loop.
  CHECK(time(tree_of(part(std::move(outer))), 2) == Approx(1100));
}

TEST_CASE("prediction: a diamond of tasks") {
  WorkGroup graph;
  graph.is_graph = true;
  for (const double time : {100, 1000, 400, 50}) {
    graph.tasks.push_back(stretch(time));
  }
  graph.successors = {{1, 2}, {3}, {3}, {}};
  const WorkTree tree = tree_of(part(std::move(graph)));
  CHECK(time(tree, 1) == Approx(1550));
  CHECK(time(tree, 2) == Approx(1150));
  CHECK(time(tree, 64) == Approx(1150));
  Machine machine = ideal();
  machine.handover = 30;  // the second core gets the shorter branch later, and ends before the first
  CHECK(time(tree, 2, machine) == Approx(1150));
}

TEST_CASE("prediction: of the tasks that are ready the one with the longest path behind it goes first") {
  WorkGroup graph;
  graph.is_graph = true;
  for (const double time : {500, 500, 100, 900}) {
    graph.tasks.push_back(stretch(time));
  }
  graph.successors = {{}, {}, {3}, {}};
  CHECK(time(tree_of(part(std::move(graph))), 2) == Approx(1000));
}

TEST_CASE("prediction: loops inside of a graph are shared with the core that waits for the graph") {
  WorkGroup graph;
  graph.is_graph = true;
  graph.tasks.emplace_back();
  graph.tasks[0].parts.push_back(serial(100));
  graph.tasks[0].parts.push_back(part(loop(4, 1000)));
  graph.successors = {{}};
  CHECK(time(tree_of(part(std::move(graph))), 4) == Approx(1100));
}

TEST_CASE("prediction: cores share the memory") {
  Machine machine = ideal();
  machine.bytes_per_ns = 10;
  machine.bandwidth_limit = 12;
  CHECK(machine.total_bandwidth(1) == Approx(10));
  CHECK(machine.total_bandwidth(64) == Approx(120));
  CHECK(machine.total_bandwidth(2) > 18);
  CHECK(machine.total_bandwidth(1024) < 160);
  // All want as much as a core can get: together they get 12 times that.
  const WorkTree tree = tree_of(part(loop(64, 1000, 10)));
  CHECK(time(tree, 64, machine) == Approx(1000.0 * 64 / 12));
  CHECK(predict(tree, 64, machine).lost.bandwidth == Approx(64 * (1000.0 * 64 / 12 - 1000)));
  // Those that want less than their share get what they want.
  WorkGroup mixed = loop(32, 1000, 1);
  for (WorkTask& task : loop(32, 1000, 10).tasks) {
    mixed.tasks.push_back(std::move(task));
  }
  const double share = (120.0 - 32) / 32;
  const double left = 1000 - 1000 * share / 10;  // of each that wants more, when the others have ended
  CHECK(time(tree_of(part(std::move(mixed))), 64, machine) == Approx(1000 + left * 10 / (120.0 / 32)));
}

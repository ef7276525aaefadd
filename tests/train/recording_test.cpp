#include <backflow/train/cores/recording.h>

#include <algorithm>
#include <string>
#include <vector>

#include <backflow/nn/modules/linear.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/parallel.h>
#include <backflow/runtime/threads/cuts.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/cores/prediction.h>

using namespace backflow;
using namespace backflow::train;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

void compute_for(std::int64_t nanoseconds) {
  for (const std::int64_t end = trace::now() + nanoseconds; trace::now() < end;) {
  }
}

/// All groups of a tree, the outer ones first.
void collect(const WorkTask& task, std::vector<const WorkPart*>& groups) {
  for (const WorkPart& part : task.parts) {
    if (part.group) {
      groups.push_back(&part);
      for (const WorkTask& inner : part.group->tasks) {
        collect(inner, groups);
      }
    }
  }
}

std::vector<const WorkPart*> groups_of(const WorkTree& tree) {
  std::vector<const WorkPart*> groups;
  collect(tree.root, groups);
  return groups;
}

std::vector<std::string> names(const WorkTree& tree) {
  std::vector<std::string> names;
  for (const WorkLabel& label : tree.labels) {
    names.push_back(label.name);
  }
  return names;
}

bool has(const std::vector<std::string>& all, const std::string& name) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

}  // namespace

TEST_CASE("recording: a loop, its tasks and what is around it") {
  const Recording recording = record_work(
      [] {
        compute_for(kMillisecond);
        parallel_for(3, [](std::int64_t i) { compute_for((i + 1) * kMillisecond); });
      },
      {.threads = 4, .repetitions = 5});
  CHECK(recording.warning.empty());
  CHECK(recording.repetitions == 5);
  REQUIRE(recording.tree.root.parts.size() >= 2);
  CHECK(recording.tree.root.parts[0].nanoseconds >= 0.99 * kMillisecond);
  const auto groups = groups_of(recording.tree);
  REQUIRE(groups.size() == 1);
  REQUIRE(groups[0]->group->tasks.size() == 3);
  CHECK_FALSE(groups[0]->group->is_graph);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(work_of(groups[0]->group->tasks[i]) >= 0.99 * kMillisecond * static_cast<double>(i + 1));
  }
}

TEST_CASE("recording: work is cut for the number of threads that is asked for") {
  std::vector<int> asked;
  record_work([&] { asked.push_back(target_threads()); }, {.threads = 48, .repetitions = 1});
  CHECK(std::all_of(asked.begin(), asked.end(), [](int threads) { return threads == 48; }));
  const Recording recording = record_work([] { parallel_ranges(1 << 20, 10e6, [](auto, auto) {}); }, {.threads = 48});
  REQUIRE(groups_of(recording.tree).size() == 1);
  CHECK(groups_of(recording.tree)[0]->group->tasks.size() >= 48);
}

TEST_CASE("recording: a step of a network with branches") {
  nn::Linear a(300, 400), b(300, 400);
  const Tensor x = ones({512, 300});
  const auto step = [&] {
    const std::vector<Tensor> y = parallel({[&] { return relu(a(x)); }, [&] { return b(x); }});
    (y[0] + y[1]).sum().backward();
  };
  const Recording recording = record_work(step, {.threads = 8, .repetitions = 3, .cached_bytes = 1e3});
  CHECK(recording.warning.empty());
  for (const char* name : {"linear", "relu", "AddmmBackward0", "ReluBackward0"}) {
    INFO(name);
    CHECK(has(names(recording.tree), name));
  }
  const auto groups = groups_of(recording.tree);
  REQUIRE(groups.size() >= 2);
  CHECK(groups[0]->group->tasks.size() == 2);  // the closures of parallel()
  CHECK(std::any_of(groups.begin(), groups.end(), [](const WorkPart* part) { return part->group->is_graph; }));
  const double whole = work_of(recording.tree.root);
  Machine machine;
  CHECK(predict(recording.tree, 1, machine).nanoseconds == Approx(whole));
  CHECK(predict(recording.tree, 8, machine).nanoseconds < whole);
}

TEST_CASE("recording: steps that do other work than the first are left out, and told of") {
  int calls = 0;
  const Recording recording =
      record_work([&] { parallel_for(calls++ == 3 ? 5 : 4, [](std::int64_t) {}); }, {.warm_up = 2, .repetitions = 4});
  CHECK(recording.repetitions == 3);
  CHECK(recording.warning == "some steps did other work than the first: they were left out");
}

TEST_CASE("recording: an error of the step comes through, and tracing is off afterwards") {
  int calls = 0;
  const auto step = [&] { check(++calls < 3, "step: failed"); };
  CHECK_THROWS_WITH(record_work(step, {.warm_up = 1, .repetitions = 1}), "step: failed");
  CHECK_FALSE(trace::is_on());
}

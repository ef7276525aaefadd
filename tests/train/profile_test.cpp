#include <backflow/train/views/profile.h>

#include <algorithm>
#include <sstream>

#include <backflow/runtime/tensor/storage.h>
#include <backflow/tests/catch2.h>
#include <backflow/train/views/step_recorder.h>

using namespace backflow;
using namespace backflow::train;
using trace::Event;
using trace::Kind;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

Event event(std::string_view name, Kind kind, std::int64_t milliseconds, double flop = 0, double bytes = 0) {
  Event e;
  e.name = name;
  e.kind = kind;
  e.start = 7;
  e.end = 7 + milliseconds * kMillisecond;
  e.flop = flop;
  e.bytes = bytes;
  return e;
}

Event pass(std::int64_t milliseconds, double work, double critical) {
  Event e = event("backward pass", Kind::kPass, milliseconds);
  e.work = work * kMillisecond;
  e.critical = critical * kMillisecond;
  return e;
}

/// A step on two threads: 10 ms of forward, 24 ms of nodes and 4 ms of tasks in 16 ms, 14 ms of them in a row.
std::vector<trace::ThreadEvents> a_step() {
  Event inner = event("mm", Kind::kNode, 100);
  inner.nested = true;
  return {{"main",
           0,
           {event("linear", Kind::kOperator, 8, 4e9, 16e6), event("relu", Kind::kOperator, 2, 1e6, 4e6),
            event("forward", Kind::kSpan, 10), event("AddmmBackward0", Kind::kNode, 12, 9e9, 24e6), inner,
            pass(16, 28, 14), event("backward", Kind::kSpan, 17), event("step", Kind::kSpan, 30)},
           0},
          {"worker 1",
           1,
           {event("AddmmBackward0", Kind::kNode, 10, 6e9, 20e6), event("ReluBackward0", Kind::kNode, 2, 2e6, 6e6),
            event("update 0.weight", Kind::kTask, 4)},
           0}};
}

const io::MetricValue& field(const io::MetricRecord& record, std::string_view key) {
  const auto it = std::find_if(record.begin(), record.end(), [&](const auto& f) { return f.first == key; });
  REQUIRE(it != record.end());
  return it->second;
}

double number(const io::MetricRecord& record, std::string_view key) { return std::get<double>(field(record, key)); }

}  // namespace

TEST_CASE("a profile adds up operators, passes and spans") {
  Profile profile;
  profile.add_step(a_step(), 1000);
  profile.add_step(a_step(), 3'000'000);
  profile.add_step(a_step(), 2000);
  CHECK(profile.steps() == 3);
  const std::vector<Profile::Row> rows = profile.rows();
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].name == "AddmmBackward0");
  CHECK(rows[0].backward);
  CHECK(rows[0].calls == 6);
  CHECK(rows[0].nanoseconds == 66.0 * kMillisecond);
  CHECK(rows[0].flop == 45e9);
  CHECK(rows[0].bytes == 132e6);
  CHECK(rows[1].name == "linear");
  CHECK_FALSE(rows[1].backward);
  CHECK(profile.parallelism() == 1.75);
  CHECK(profile.parallelism_bound() == 2);
}

TEST_CASE("the table of a profile") {
  Profile profile;
  profile.add_step(a_step(), 3'000'000);
  CHECK("\n" + profile.table(Profile::kUsualColumns, 2) == R"(
profile of 1 step, 30.000 ms each, forward 10.000, backward 17.000,
  tensors at most 3.0 MB
operator                                 calls         ms   share   GFLOP/s     GB/s
AddmmBackward0               backward        2     22.000   64.7%     681.8      2.0
linear                       forward         1      8.000   23.5%     500.0      2.0
2 others                                     2      4.000   11.8%       0.8      2.5
backward of a step: 16.000 ms, nodes and tasks 28.000 ms, tasks alone 4.000 ms,
  longest path 14.000 ms, parallelism 1.75 of at most 2.00 (T/C))");
  const std::string all = profile.table();
  CHECK(all.find("other") == std::string::npos);
  CHECK(std::count(all.begin(), all.end(), '\n') == 2 + 1 + 4 + 1);
}

TEST_CASE("a profile says which part of a step waits for data") {
  Profile profile;
  const trace::ThreadEvents thread = {"main", 0, {event("data", Kind::kSpan, 3), event("step", Kind::kSpan, 40)}, 0};
  profile.add_step(std::vector{thread}, 0);
  CHECK_THAT(profile.table(), StartsWith("profile of 1 step, 40.000 ms each, data 3.000 (7.5%), tensors at most"));
}

TEST_CASE("the table of a profile fits the terminal") {
  Profile profile;
  profile.add_step(a_step(), 3'000'000);
  for (const std::size_t columns : {40, 50, 60, 79, 84, 119, 300}) {
    CAPTURE(columns);
    std::istringstream table(profile.table(columns, 2));
    std::size_t widest = 0;
    for (std::string line; std::getline(table, line);) {
      widest = std::max(widest, line.size());
    }
    CHECK(widest <= columns);
    CHECK_THAT(table.str(), ContainsSubstring("AddmmBackward0") && ContainsSubstring("22.000"));
    CHECK((table.str().find("GB/s") != std::string::npos) == (columns >= 79));
  }
  CHECK_THAT(profile.table(1, 1), ContainsSubstring("\nA "));
}

TEST_CASE("the record of a profile") {
  Profile profile;
  profile.add_step(a_step(), 500);
  profile.add_step(a_step(), 400);
  const io::MetricRecord record = profile.record();
  CHECK(field(record, "steps") == io::MetricValue(std::int64_t{2}));
  CHECK(field(record, "peak_bytes") == io::MetricValue(std::int64_t{500}));
  CHECK(number(record, "backward_ms") == 16);
  CHECK(number(record, "backward_work_ms") == 28);
  CHECK(number(record, "backward_critical_path_ms") == 14);
  CHECK(number(record, "backward_tasks_ms") == 4);
  CHECK(number(record, "parallelism") == 1.75);
  CHECK(number(record, "parallelism_bound") == 2);
  CHECK(number(record, "span.step.ms") == 30);
  CHECK(field(record, "backward.AddmmBackward0.calls") == io::MetricValue(std::int64_t{4}));
  CHECK(number(record, "backward.AddmmBackward0.ms") == 44);
  CHECK(number(record, "forward.linear.gflop_per_second") == 500);
  CHECK(number(record, "forward.linear.gb_per_second") == 2);
}

TEST_CASE("a profile of steps without a pass") {
  Profile profile;
  profile.add_step({}, 0);
  CHECK(profile.parallelism() == 0);
  CHECK(profile.parallelism_bound() == 0);
  CHECK(profile.table().find("profile of 1 step, tensors at most 0.0 MB\n") == 0);
}

TEST_CASE("the steps that are recorded") {
  const auto profiled = [](std::int64_t total) {
    const RecordedSteps steps(total, 0);
    std::vector<std::int64_t> found;
    for (std::int64_t step = 0; step < total; ++step) {
      if (steps.is_profiled(step)) {
        found.push_back(step);
      }
    }
    return found;
  };
  using List = std::vector<std::int64_t>;
  CHECK(profiled(1) == List{0});
  CHECK(profiled(2) == List{0, 1});
  CHECK(profiled(3) == List{0, 1, 2});
  CHECK(profiled(13) == List{10, 11, 12});
  CHECK(profiled(20) == List{10, 13, 16, 19});
  CHECK(profiled(200) == List{10, 60, 110, 160});
  CHECK(profiled(469).size() == 10);

  const auto traced = [](std::int64_t total, std::int64_t count) {
    const RecordedSteps steps(total, count);
    return std::pair(steps.trace_begin(), steps.trace_end());
  };
  CHECK(traced(469, 50) == std::pair<std::int64_t, std::int64_t>(10, 60));
  CHECK(traced(55, 50) == std::pair<std::int64_t, std::int64_t>(5, 55));
  CHECK(traced(20, 50) == std::pair<std::int64_t, std::int64_t>(0, 50));
  CHECK(traced(100, 0).first == traced(100, 0).second);
}

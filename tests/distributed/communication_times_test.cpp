#include <backflow/distributed/calls/communication_times.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include <backflow/distributed/calls/call_slices.h>
#include <backflow/distributed/training_step.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/distributed/support.h>
#include <backflow/tests/distributed/trainee.h>

using namespace backflow;
using namespace backflow::distributed;
using namespace backflow::test;
using trace::Event;
using trace::Kind;

namespace {

Event slice(std::string_view name, std::int64_t start, std::int64_t end, std::uint32_t bucket, double bytes = 0) {
  Event event;
  event.name = name;
  event.start = start;
  event.end = end;
  event.node = bucket;
  event.bytes = bytes;
  event.nested = true;
  return event;
}

Event work(Kind kind, std::int64_t start, std::int64_t end, bool nested = false) {
  Event event;
  event.name = "MmBackward0";
  event.kind = kind;
  event.start = start;
  event.end = end;
  event.nested = nested;
  return event;
}

/// Traces until the end of the scope.
struct Traced {
  Traced() { trace::start(); }
  ~Traced() { trace::stop(); }
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;
};

/// The times of `n` steps; `before` runs in each of them.
template <class F>
CommunicationTimes times_of_steps(TrainingStep& step, Trainee& trainee, int n, const F& before) {
  CommunicationTimes times;
  const Traced traced;
  for (int i = 0; i < n; ++i) {
    const std::int64_t start = trace::now();
    before();
    trainee.step_graph(step);
    times.add_step(trace::collect(start));
  }
  return times;
}

}  // namespace

TEST_CASE("communication times: what is hidden and what is exposed", "[communication_times]") {
  using namespace call_slices;
  // Bucket 0: 10 ns to start, 20 ns of waiting, 30 ns of moving; a call of no bucket for which main is blocked.
  const trace::ThreadEvents communication = {
      "communication",
      0,
      {slice(kStart, 100, 110, 0), slice(kWait, 110, 130, 0), slice(kMove, 130, 155, 0, 64),
       slice("all-reduce", 110, 155, 0, 999), slice(kMove, 155, 160, 0), slice(kStart, 200, 205, trace::kNoNode),
       slice(kMove, 205, 225, trace::kNoNode, 8)},
      0};
  // The pass computes in [90, 120) and [140, 150) on one thread, in [118, 125) on another.
  const trace::ThreadEvents main = {
      "main",
      1,
      {work(Kind::kNode, 90, 120), work(Kind::kOperator, 140, 145, true), work(Kind::kTask, 140, 150),
       slice(kBlocked, 200, 226, trace::kNoNode), work(Kind::kNode, 190, 230), work(Kind::kPass, 80, 240)},
      0};
  const trace::ThreadEvents worker = {"worker 1", 2, {work(Kind::kNode, 118, 125)}, 0};
  CommunicationTimes times;
  const std::vector<trace::ThreadEvents> step = {communication, main, worker};
  times.add_step(step);
  times.add_step({});  // halves all that follows
  REQUIRE(times.steps() == 2);
  const std::vector<BucketTimes> buckets = times.buckets();
  REQUIRE(buckets.size() == 2);
  CHECK(buckets[0].bucket == 0);
  CHECK(buckets[0].calls == 0.5);
  CHECK(buckets[0].sent_bytes == 32);
  CHECK(buckets[0].start_ns == 5);
  CHECK(buckets[0].wait_ns == 10);
  CHECK(buckets[0].move_ns == 15);
  CHECK(buckets[0].hidden_ns == (25 + 10) / 2.0);
  CHECK(buckets[0].exposed_ns() == 25 / 2.0);
  CHECK(buckets[1].bucket == BucketTimes::kNone);
  CHECK(buckets[1].hidden_ns == 0);
  CHECK(buckets[1].exposed_ns() == 12.5);
  CHECK(times.total().in_flight_ns() == 30 + 12.5);
  CHECK(times.total().hidden_ns + times.total().exposed_ns() == times.total().in_flight_ns());
}

TEST_CASE("communication times: the bytes are those that are sent", "[communication_times]") {
  struct Case {
    Compression compression;
    OptimizerState state;
    double calls;
    double bytes_each;  // of an element of a bucket, 0 where it depends on its parameters
  };
  for (const Case& c : {Case{Compression::None, OptimizerState::Replicated, 1, 4},
                        Case{Compression::BFloat16, OptimizerState::Replicated, 1, 2},
                        Case{Compression::PowerSgd, OptimizerState::Replicated, 0, 0},
                        Case{Compression::None, OptimizerState::Sharded, 3, 0}}) {
    INFO("compression " << static_cast<int>(c.compression) << ", optimizer state " << static_cast<int>(c.state));
    Trainee trainee({.name = "bytes", .compression = c.compression, .optimizer_state = c.state});
    TrainingStep step(trainee.parallel, *trainee.optimizer);
    trainee.step_graph(step);
    trainee.step_graph(step);  // the buckets are planned by now
    const CommunicationTimes times = times_of_steps(step, trainee, 3, [] {});
    const std::vector<BucketTraffic> traffic = trainee.parallel.traffic();
    const std::vector<BucketTimes> buckets = times.buckets();
    REQUIRE(buckets.size() == traffic.size());
    const auto ranks = static_cast<double>(world()->size());
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      CHECK(buckets[i].bucket == static_cast<std::int64_t>(i));
      CHECK((c.calls == 0 || buckets[i].calls == c.calls));
      CHECK(std::abs(buckets[i].sent_bytes - static_cast<double>(traffic[i].sent)) <= c.calls);  // each is rounded down
      const auto numbers = static_cast<double>(trainee.parallel.buckets()[BucketIndex(i)].plan().numel);
      if (c.bytes_each > 0) {
        CHECK(buckets[i].sent_bytes == std::floor(2 * c.bytes_each * numbers * (ranks - 1) / ranks));
      }
      CHECK(buckets[i].hidden_ns >= 0);
      CHECK(buckets[i].exposed_ns() >= 0);
    }
  }
}

TEST_CASE("communication times: waiting and moving fill each call", "[communication_times]") {
  Trainee trainee({.name = "parts"});
  TrainingStep step(trainee.parallel, *trainee.optimizer);
  trainee.step_graph(step);
  trainee.step_graph(step);  // the buckets are planned by now
  const Traced traced;
  for (int i = 0; i < 3; ++i) {
    trainee.step_graph(step);
  }
  Tensor large = filled({3'000'000}, 1);  // not in shared memory: travels in parts
  world()->all_reduce_sum(large);
  trace::stop();
  std::size_t calls = 0;
  for (const trace::ThreadEvents& thread : trace::collect()) {
    std::int64_t parts = 0;  // ns, of the call whose slice comes after them
    for (const Event& event : thread.events) {
      if (event.name == call_slices::kWait || (event.name == call_slices::kMove && thread.name == "communication")) {
        parts += event.end - event.start;
      } else if (event.name == call_slices::kStart) {
        parts = 0;  // what follows the call before
      } else if (event.name == "all-reduce") {
        CHECK(parts == event.end - event.start);
        CHECK(event.bytes > 0);
        ++calls;
      }
    }
  }
  const bool several = world()->size() > 1;
  CHECK((!several || calls == 3 * trainee.parallel.buckets().size() + 1));
}

TEST_CASE("communication times: a rank that is late is the slowest", "[communication_times]") {
  const int late = world()->size() - 1;
  Trainee trainee({.name = "slow"});
  TrainingStep step(trainee.parallel, *trainee.optimizer);
  trainee.step_graph(step);
  trainee.step_graph(step);
  const CommunicationTimes times = times_of_steps(step, trainee, 6, [&] {
    if (world()->rank() == late) {
      std::this_thread::sleep_for(std::chrono::milliseconds(80));
    }
  });
  const auto slowest = find_slowest_rank(*world(), times.total().wait_ns);
  REQUIRE(slowest.has_value() == (world()->size() > 1));
  if (slowest) {
    CHECK(slowest->rank == late);
    CHECK(!slowest->host.empty());
    CHECK(slowest->others_wait_ns > slowest->wait_ns);
    if (world()->rank() == late) {
      CHECK(std::abs(slowest->wait_ns - times.total().wait_ns) <= 1);  // it is told in whole nanoseconds
    }
  }
}

TEST_CASE("communication times: ranks that do not look do not disturb one that does", "[communication_times]") {
  Tensor x = filled({1000}, 1);
  CommunicationTimes times;
  if (world()->rank() == 0) {
    trace::start();
  }
  world()->all_reduce_sum(x);
  if (world()->rank() == 0) {
    trace::stop();
    times.add_step(trace::collect());
    const double sent =
        world()->size() > 1 ? static_cast<double>(2 * 4000 * (world()->size() - 1) / world()->size()) : 0;
    CHECK(times.total().sent_bytes == sent);
  }
  CHECK(all_equal(x, world()->size()));
}

#include <backflow/train/cores/timeline.h>

#include <string>
#include <utility>
#include <vector>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::train;
using trace::Event;
using trace::Kind;

namespace {

Event event(std::string_view name, Kind kind, std::int64_t start, std::int64_t end, double bytes = 0) {
  Event e;
  e.name = name;
  e.kind = kind;
  e.start = start;
  e.end = end;
  e.bytes = bytes;
  return e;
}

/// A forward with two operators, a pass with a node and two updates; as traced, in the order of their ends.
Timeline a_step() {
  return Timeline({event("linear", Kind::kOperator, 110, 200, 900), event("relu", Kind::kOperator, 220, 230, 5),
                   event("forward", Kind::kSpan, 100, 240), event("AddmmBackward0", Kind::kNode, 310, 400, 90'000),
                   event("update 0.weight", Kind::kTask, 400, 450), event("update 0.bias", Kind::kTask, 450, 460),
                   event("backward pass", Kind::kPass, 300, 500)},
                  {.bytes_per_ns = 100, .cached_bytes = 10});
}

using Pieces = std::vector<std::pair<std::string, double>>;

Pieces pieces(const Timeline& timeline, std::int64_t start, std::int64_t end) {
  Pieces found;
  timeline.split(start, end, [&](const Timeline::Interval& interval, double time) {
    found.emplace_back(timeline.labels()[interval.label].name, time);
  });
  return found;
}

double rate(const Timeline& timeline, std::int64_t time) {
  double rate = -1;
  timeline.split(time, time, [&](const Timeline::Interval& interval, double) { rate = interval.bytes_per_ns; });
  return rate;
}

}  // namespace

TEST_CASE("timeline: a time belongs to the innermost event that holds it") {
  const Timeline timeline = a_step();
  CHECK(pieces(timeline, 120, 150) == Pieces{{"linear", 30}});
  CHECK(pieces(timeline, 0, 50) == Pieces{{"outside of operators", 50}});
  CHECK(pieces(timeline, 600, 610) == Pieces{{"outside of operators", 10}});
  CHECK(pieces(timeline, 190, 225) == Pieces{{"linear", 10}, {"forward", 20}, {"relu", 5}});
  CHECK(pieces(timeline, 235, 315) ==
        Pieces{{"forward", 5}, {"outside of operators", 60}, {"backward pass", 10}, {"AddmmBackward0", 5}});
  CHECK(pieces(timeline, 115, 115) == Pieces{{"linear", 0}});
}

TEST_CASE("timeline: all updates have one label") {
  const Timeline timeline = a_step();
  CHECK(pieces(timeline, 445, 455) == Pieces{{"update", 5}, {"update", 5}});
}

TEST_CASE("timeline: how many bytes a ns come from memory") {
  const Timeline timeline = a_step();
  CHECK(rate(timeline, 120) == Approx(10));
  CHECK(rate(timeline, 225) == 0);    // what fits a cache
  CHECK(rate(timeline, 350) == 100);  // no more than one core can
  CHECK(rate(timeline, 420) == 100);  // an update is bound by memory
  CHECK(rate(timeline, 305) == 0);    // the engine itself moves nothing
  CHECK(rate(timeline, 50) == 0);
}

#include <backflow/train/cores/scaling.h>

#include <algorithm>
#include <string>

#include <backflow/nn/modules/linear.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::train;

namespace {

Scaling a_scaling() {
  nn::Linear layer(300, 400);
  const Tensor x = ones({512, 300});
  return predict_scaling([&] { relu(layer(x)).sum().backward(); }, {.threads = {1, 4, 16}, .repetitions = 3}, {});
}

}  // namespace

TEST_CASE("scaling: all time of all cores is useful work or lost for a reason") {
  const Scaling scaling = a_scaling();
  CHECK(scaling.warnings.empty());
  CHECK(scaling.repetitions == 3);
  REQUIRE(scaling.points.size() == 3);
  CHECK(scaling.points[0].threads == 1);
  CHECK(scaling.points[0].speedup == Approx(1));
  for (const ScalingPoint& point : scaling.points) {
    const double whole = point.nanoseconds * point.threads;
    CHECK(scaling.nanoseconds_on_one + point.lost.sum() + point.pieces == Approx(whole));
    CHECK(point.speedup == Approx(scaling.nanoseconds_on_one / point.nanoseconds));
    double rows = 0;
    for (const ScalingRow& row : point.rows) {
      rows += row.lost_sum();
    }
    CHECK(rows == Approx(point.lost.sum() + point.pieces).margin(1e-6 * whole));
    CHECK(std::is_sorted(point.rows.begin(), point.rows.end(),
                         [](const auto& a, const auto& b) { return a.lost_sum() > b.lost_sum(); }));
  }
}

TEST_CASE("scaling: how many cores a step feeds") {
  Scaling scaling;
  for (const auto& [threads, speedup] : {std::pair{1, 1.0}, {8, 6.0}, {16, 8.0}, {64, 20.0}}) {
    scaling.points.push_back(
        {.threads = threads, .nanoseconds = 1e6 / speedup, .speedup = speedup, .lost = {}, .rows = {}});
  }
  CHECK(fed_cores(scaling) == 16);
  CHECK_THAT(scaling_table(scaling), ContainsSubstring("\nfeeds 16 cores: "));
}

TEST_CASE("scaling: text and JSON have all points, and the limits on 16 cores") {
  const Scaling scaling = a_scaling();
  const std::string text = scaling_report(scaling);
  CHECK_THAT(text, ContainsSubstring("16 threads, what loses most"));
  CHECK_THAT(text, ContainsSubstring("linear f32[512, 300], f32[400, 300], f32[400]"));
  const std::string json = scaling_json(scaling, 2);
  CHECK_THAT(json, StartsWith("{\"machine\":{\"cores\":0,"));
  CHECK_THAT(json, ContainsSubstring("\"points\":[{\"threads\":1,"));
  CHECK_THAT(json, ContainsSubstring("{\"threads\":16,\"step_us\":"));
  CHECK_THAT(json, ContainsSubstring("\"limits\":[{\"name\":"));
}

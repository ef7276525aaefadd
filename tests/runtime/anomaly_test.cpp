// Anomaly mode.
#include <backflow/runtime/tape/anomaly.h>

#include <functional>
#include <string>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/engines.h>
#include <backflow/tests/support/graphs.h>

using namespace backflow;
using namespace backflow::test;

// Telling names, seen from outside: those that a message has to contain.
[[gnu::noinline]] Tensor infinite_slope_of_the_logarithm(const Tensor& x) { return log(x * 0) * 0; }
[[gnu::noinline]] Tensor differentiate_for_the_first_time(const Tensor& y, const Tensor& x) {
  return autograd::grad({y}, {x}, {}, true, true)[0];
}
[[gnu::noinline]] Tensor a_node_that_fails(const Tensor& x) {
  return hooked(x, [] { fail("mine: bad: need good"); });
}

namespace {

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("anomaly: a NaN in a gradient names the node and where its forward ran") {
  for (const auto& engine : engines()) {
    const EngineGuard guard(*engine);
    const DetectAnomalyGuard anomaly;
    const Tensor x = tensor({1.0, 2.0}, requires_grad());
    const Tensor y = infinite_slope_of_the_logarithm(x).sum();
    const std::string message = message_of([&] { y.backward(); });
    CHECK_THAT(message, StartsWith("backward of LogBackward0: the gradient of operand 0 (f32[2]) has NaNs"));
    CHECK_THAT(message, ContainsSubstring("the forward of LogBackward0 ran at"));
    CHECK_THAT(message, ContainsSubstring("infinite_slope_of_the_logarithm"));
    CHECK_FALSE(x.grad().defined());
  }
}

TEST_CASE("anomaly: NaNs pass when nobody checks for them, and nothing is recorded with the mode off") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  {
    const DetectAnomalyGuard anomaly(false);
    CHECK_FALSE(AnomalyMode::should_check_nan());
    const Tensor y = infinite_slope_of_the_logarithm(x);
    CHECK(y.grad_fn()->origin() != nullptr);
    y.sum().backward();
    {
      const DetectAnomalyGuard inner;
      CHECK(AnomalyMode::should_check_nan());
    }
    CHECK_FALSE(AnomalyMode::should_check_nan());
  }
  CHECK_FALSE(AnomalyMode::is_enabled());
  const Tensor y = infinite_slope_of_the_logarithm(x);
  CHECK(y.grad_fn()->origin() == nullptr);
  y.sum().backward();
  const DetectAnomalyGuard anomaly;
  const Tensor z = a_node_that_fails(x);
  CHECK_THAT(message_of([&] { z.sum().backward(); }), ContainsSubstring("a_node_that_fails"));
}

TEST_CASE("anomaly: any error of a backward says where the forward ran") {
  const Tensor x = tensor({1.0, 2.0}, requires_grad());
  Tensor y;
  {
    const DetectAnomalyGuard anomaly;
    y = a_node_that_fails(x).sum();
  }
  // Also when the mode is over: the node remembers.
  const std::string message = message_of([&] { y.backward(); });
  CHECK_THAT(message,
             StartsWith("backward of FunctionNode: mine: bad: need good\n  the forward of FunctionNode ran at"));
  CHECK_THAT(message, ContainsSubstring("a_node_that_fails"));
}

TEST_CASE("anomaly: a node that a backward recorded names both places") {
  const DetectAnomalyGuard anomaly(false);
  const Tensor x = tensor({0.0}, requires_grad());
  const Tensor y = infinite_slope_of_the_logarithm(x);
  const Tensor dx = differentiate_for_the_first_time(y, x);
  const DetectAnomalyGuard check_too;
  const std::string message = message_of([&] { dx.sum().backward(); });
  CHECK_THAT(message, ContainsSubstring("which was recorded by the backward of"));
  CHECK_THAT(message, ContainsSubstring("differentiate_for_the_first_time"));
  CHECK_THAT(message, ContainsSubstring("infinite_slope_of_the_logarithm"));
}

// Single values at the corners of functions and dtypes that the sweeps don't reach: numbers that a dtype rounds, zero
// weights of infinite losses, means whose sums overflow, slopes of slopes.
#include <cmath>
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Numbers = std::vector<double>;

Tensor leaf(const Numbers& x, ScalarType dtype = kFloat32) {
  return tensor_of({{static_cast<std::int64_t>(x.size())}, x}, dtype).requires_grad_();
}

Numbers numbers(const Tensor& x) { return array_of(x).data; }

Tensor slope(const Tensor& y, const Tensor& x, bool graph = false) {
  return autograd::grad({y}, {x}, {ones_like(y)}, true, graph)[0];
}

}  // namespace

TEST_CASE("corners: a number beside bfloat16 is rounded to it", "[op]") {
  const Tensor x = full({1}, 0.3, kBFloat16);
  CHECK((x == 0.3).item<bool>());
  CHECK_FALSE((x != 0.3).item<bool>());
  CHECK_FALSE((x > 0.3).item<bool>());
  for (const bool graph : {false, true}) {
    const Tensor at = leaf({0.1}, kBFloat16);
    CHECK(numbers(slope(clamp_max(at, 0.1), at, graph)) == Numbers{1});
    CHECK(numbers(slope(hardshrink(at, 0.1), at, graph)) == Numbers{0});
  }
  CHECK(numbers(hardshrink(full({1}, 0.1, kBFloat16), 0.1)) == Numbers{0});
  CHECK(numbers(threshold(full({1}, 0.3, kBFloat16), 0.3, 9)) == Numbers{9});
}

TEST_CASE("corners: a bound beyond the dtype binds nothing, one that is NaN makes all NaN", "[op]") {
  for (const bool graph : {false, true}) {
    const Tensor x = leaf({kInf, -kInf});
    CHECK(numbers(slope(clamp(x, -1e39, 1e39), x, graph)) == Numbers{1, 1});
  }
  CHECK(hardtanh(leaf({0, -5, 5}).detach(), kNan, 1).isnan().all().item<bool>());
}

TEST_CASE("corners: cross-entropy with smoothing leaves out classes of weight 0", "[op]") {
  const Tensor weight = leaf({0, 1, 1}).detach();
  const Tensor x = leaf({-kInf, 0, 0}).detach();
  const double wanted = 0.9 * std::log(2.0) + 0.1 / 3 * 2 * std::log(2.0);
  const auto loss = [&](const Tensor& scores, const Tensor& target) {
    return cross_entropy_loss(scores, target, weight, Reduction::Mean, -100, 0.1).item<double>();
  };
  CHECK(loss(x.view({1, 3}), tensor({1}, kInt64)) == Approx(wanted));
  CHECK(loss(x.view({1, 3, 1}), tensor({1}, kInt64).view({1, 1})) == Approx(wanted));
  const Tensor scores = leaf({-kInf, 0.5, -kInf, 1}).detach().view({1, 4, 1, 1});
  CHECK(cross_entropy_loss(scores, zeros({1, 1, 1}, kInt64), {}, Reduction::Mean, -100, 1.0).item<double>() == kInf);
}

TEST_CASE("corners: the mean of losses is finite where their sum is not", "[op]") {
  const Tensor x = full({4}, 3e38);
  const Tensor zero = zeros({4});
  CHECK(l1_loss(x, zero).item<double>() == Approx(3e38));
  CHECK(smooth_l1_loss(x, zero).item<double>() == Approx(3e38));
  CHECK(huber_loss(x, zero).item<double>() == Approx(3e38));
  CHECK(binary_cross_entropy_with_logits(x, zero).item<double>() == Approx(3e38));
  CHECK(poisson_nll_loss(x, zero, false, false, 0, Reduction::Mean).item<double>() == Approx(3e38));
  CHECK(l1_loss(full({4}, 1.5e308, kFloat64), zeros({4}, kFloat64)).item<double>() == Approx(1.5e308));
  CHECK(l1_loss(leaf({kInf, 1}).detach(), zeros({2})).item<double>() == kInf);
  const Tensor scores = leaf({3e38, 0, 3e38, 0}).detach().view({2, 2});
  const Tensor second = leaf({0, 1, 0, 1}).detach().view({2, 2});
  CHECK(cross_entropy_loss(scores, second).item<double>() == Approx(3e38));
  const Tensor leaves = leaf({3e38, 3e38, 3e38, 3e38});
  CHECK(slope(mse_loss(leaves, zero), leaves).flatten()[0].item<double>() == Approx(1.5e38));
}

TEST_CASE("corners: a Poisson loss of no counts, and of an infinite mean", "[op]") {
  const Tensor zero = zeros({1});
  for (const bool graph : {false, true}) {
    const Tensor x = leaf({0});
    CHECK(numbers(slope(poisson_nll_loss(x, zero, false, false, 0, Reduction::Sum), x, graph)) == Numbers{1});
  }
  CHECK(poisson_nll_loss(leaf({kInf}).detach(), ones({1}), false, false, 1e-8, Reduction::Sum).item<double>() == kInf);
}

TEST_CASE("corners: norms of negative order where an element is 0, and of order 1 where one is NaN", "[op]") {
  for (const double p : {-1.0, -2.0}) {
    for (const double v : {1e-3, 10.0, 1e-30}) {
      for (const bool graph : {false, true}) {
        const Tensor x = leaf({v, 0});
        CHECK(numbers(slope(norm(x, p), x, graph)) == Numbers{0, 0});
      }
    }
  }
  const Tensor x = leaf({kNan, -1});
  const Numbers dx = numbers(slope(norm(x, 1), x));
  CHECK((std::isnan(dx[0]) && dx[1] == -1));
}

TEST_CASE("corners: angles of the smallest numbers, and of NaN", "[op]") {
  for (const bool graph : {false, true}) {
    for (const ScalarType dtype : {kFloat32, kFloat64}) {
      const double small = dtype == kFloat32 ? 1e-39 : 1e-310;
      const Tensor x = leaf({small, 0, kNan, 0}, dtype);
      const Tensor w = leaf({0, small, 0, kNan}, dtype);
      const Tensor y = atan2(x, w);
      const Numbers dx = numbers(slope(y, x, graph));
      const Numbers dw = numbers(slope(y, w, graph));
      CHECK((dx[0] == 0 && dw[1] == 0 && std::isnan(dx[2]) && std::isnan(dw[3])));
    }
  }
}

TEST_CASE("corners: slopes of slopes, and those of a recorded pass, are those of the function", "[op]") {
  const Tensor x = leaf({kInf, -kInf, 0.5});
  for (const bool complement : {false, true}) {
    const Tensor y = complement ? erfc(x) : erf(x);
    const Numbers second = numbers(slope(slope(y, x, true), x));
    CHECK((second[0] == 0 && second[1] == 0 && second[2] != 0));
  }
  const Tensor outside = leaf({-2, -1e30, -kInf});
  CHECK(slope(acosh(outside), outside, true).isnan().all().item<bool>());
  const Tensor nan = leaf({kNan});
  CHECK(slope(l1_loss(nan, zeros({1})), nan, true).isnan().all().item<bool>());
}

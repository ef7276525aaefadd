// Expected numbers are those of PyTorch 1.13.1.
#include <backflow/nn/utils/clip_grad.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <backflow/backflow.h>
#include <backflow/tests/catch2.h>

namespace utils = backflow::nn::utils;
using backflow::kFloat32;
using backflow::kFloat64;
using backflow::Tensor;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> values(const Tensor& x) {
  const Tensor d = x.detach().to(kFloat64).contiguous();
  return {d.data_ptr<double>(), d.data_ptr<double>() + d.numel()};
}

Tensor parameter(const Tensor& gradient) {
  const Tensor p = backflow::zeros(gradient.sizes(), gradient.scalar_type()).requires_grad_();
  p.mutable_grad() = gradient.clone();
  return p;
}

/// Two parameters with gradients and one without.
std::vector<Tensor> parameters(backflow::ScalarType dtype = kFloat64) {
  return {parameter(backflow::tensor({{3.0, -4.0, 0.5}, {1.25, -2.0, 0.0}}, dtype)),
          parameter(backflow::tensor({12.0, -0.125}, dtype)), backflow::zeros(4).requires_grad_()};
}

struct Expected {
  double norm_type;
  double max_norm;
  double norm;
  double first;   ///< of the first gradient
  double second;  ///< of the second
};

const std::vector<Expected> kExpected = {
    {1, 1, 22.875, 0.13114753525038098, 0.5245901410015239},
    {1, 100, 22.875, 3, 12},
    {2, 1, 13.22225869509442, 0.22689011327716002, 0.9075604531086401},
    {2, 5, 13.22225869509442, 1.1344505663858002, 4.537802265543201},
    {2, 100, 13.22225869509442, 3, 12},
    {3, 5, 12.229562095560976, 1.2265360489815555, 4.906144195926222},
    {2.5, 1, 12.514270208301978, 0.23972630527695435, 0.9589052211078174},
    {kInf, 1, 12, 0.24999997916666844, 0.9999999166666738},
    {kInf, 100, 12, 3, 12},
    {0, 1, 2, 1.499999250000375, 5.9999970000015},
    {0, 5, 2, 3, 12},
};

bool all_nan(const Tensor& x) {
  const auto all = values(x);
  return std::all_of(all.begin(), all.end(), [](double v) { return std::isnan(v); });
}

}  // namespace

TEST_CASE("clip_grad_norm_: as in PyTorch 1.13") {
  for (const auto dtype : {kFloat64, kFloat32}) {
    const double epsilon = dtype == kFloat64 ? 1e-14 : 3e-7;
    for (const Expected& expected : kExpected) {
      CAPTURE(expected.norm_type, expected.max_norm, name(dtype));
      const auto p = parameters(dtype);
      CHECK(utils::clip_grad_norm_(p, expected.max_norm, expected.norm_type) == Approx(expected.norm).epsilon(epsilon));
      CHECK(values(p[0].grad())[0] == Approx(expected.first).epsilon(epsilon));
      CHECK(values(p[0].grad())[5] == 0);
      CHECK(values(p[1].grad())[0] == Approx(expected.second).epsilon(epsilon));
      CHECK_FALSE(p[2].grad().defined());
    }
  }
}

TEST_CASE("clip_grad_norm_: one parameter, a list, and none with a gradient") {
  const auto p = parameters();
  CHECK(utils::clip_grad_norm_(p[1], 100, 1) == 12.125);
  CHECK(utils::clip_grad_norm_({p[1], p[2]}, 100, 1) == 12.125);
  CHECK(utils::clip_grad_norm_(p[2], 1, 2, true) == 0);
  CHECK(utils::clip_grad_norm_(std::vector<Tensor>{}, 1) == 0);
  CHECK(utils::clip_grad_norm_(parameter(backflow::zeros(0)), 1, kInf) == 0);
}

TEST_CASE("clip_grad_norm_: numbers that are not finite spread, or are an error") {
  for (const double norm_type : {2.0, 1.0, kInf}) {
    for (const double bad : {kNan, kInf}) {
      CAPTURE(norm_type, bad);
      const auto p = parameters();
      p[0].grad()[0][1].fill_(bad);
      const auto before = values(p[1].grad());
      CHECK_THROWS_AS(utils::clip_grad_norm_(p, 1, norm_type, true), backflow::Error);
      CHECK(values(p[1].grad()) == before);
      const double norm = utils::clip_grad_norm_(p, 1, norm_type);
      if (std::isnan(bad)) {
        CHECK(std::isnan(norm));
        CHECK(all_nan(p[0].grad()));
        CHECK(all_nan(p[1].grad()));
      } else {
        CHECK(norm == kInf);
        CHECK(std::isnan(values(p[0].grad())[1]));
        CHECK(values(p[1].grad()) == std::vector<double>{0, 0});
      }
    }
  }
  const auto p = parameters();
  p[1].grad().fill_(kInf);
  CHECK_THROWS_WITH(utils::clip_grad_norm_(p, 1, 2, true),
                    Equals("clip_grad_norm_: the norm of order 2 of 2 gradients is inf: need a finite one; "
                           "error_if_nonfinite = false scales with it all the same"));
}

TEST_CASE("clip_grad_norm_: gradients whose powers overflow or vanish, or whose norm no number of the dtype holds") {
  // (3 s, 4 s) has the norm 5 s; 16 times 3e38 in float32 that of 1.2e39.
  for (const double s : {1e200, 1e-200, 1e300, 1e-300}) {
    const Tensor p = parameter(backflow::tensor({3 * s, -4 * s}, kFloat64));
    CHECK(utils::clip_grad_norm_(p, INFINITY) == Approx(5 * s));
    if (s > 1) {
      utils::clip_grad_norm_(p, 10);
      CHECK(values(p.grad())[0] == Approx(6));
      CHECK(values(p.grad())[1] == Approx(-8));
    }
  }
  const Tensor cubes = parameter(backflow::tensor({1e150, 1e150}, kFloat64));
  CHECK(utils::clip_grad_norm_(cubes, 1, 3) == Approx(1e150 * std::cbrt(2.0)));
  const Tensor many = parameter(backflow::full({16}, 3e38));
  CHECK(utils::clip_grad_norm_(many, 4) == Approx(1.2e39));
  CHECK(values(many.grad())[15] == Approx(1));
  CHECK(utils::clip_grad_norm_(parameter(backflow::zeros({3}, kFloat64)), 1) == 0);
}

TEST_CASE("clip_grad_norm_: large gradients, strides, and the same bits on 1, 2 and 4 threads") {
  backflow::manual_seed(21);
  const std::vector<Tensor> gradients = {backflow::randn({300, 1001}), backflow::randn({40'000}).to(kFloat64),
                                         backflow::randn({70, 500}).t(), backflow::randn({3})};
  double sum = 0;
  double largest = 0;
  for (const Tensor& g : gradients) {
    for (const double v : values(g)) {
      sum += v * v;
      largest = std::max(largest, std::abs(v));
    }
  }
  const int threads = backflow::get_num_threads();
  std::vector<double> norms;
  std::vector<Tensor> first;
  for (const int n : {1, 2, 4}) {
    backflow::set_num_threads(n);
    std::vector<Tensor> p;
    for (const Tensor& g : gradients) {
      p.push_back(parameter(g));
      p.back().mutable_grad() = g.is_contiguous() ? g.clone() : g.t().clone().t();
    }
    CHECK(p[2].grad().is_contiguous() == gradients[2].is_contiguous());
    norms.push_back(utils::clip_grad_norm_(p, 2.5));
    first.push_back(p[0].grad().clone());
    CHECK(norms.back() == norms.front());
    CHECK(std::memcmp(first.back().data_ptr(), first.front().data_ptr(), first.front().nbytes()) == 0);
    CHECK(utils::clip_grad_norm_(p, 1, 2) == Approx(2.5).epsilon(1e-6));
    CHECK(utils::clip_grad_norm_(p, 1, kInf) == Approx(largest / std::sqrt(sum)).epsilon(1e-6));
  }
  backflow::set_num_threads(threads);
  CHECK(norms[0] == Approx(std::sqrt(sum)).epsilon(1e-12));
}

TEST_CASE("clip_grad_norm_: what backward saved of a gradient becomes stale") {
  const Tensor x = backflow::ones(2).requires_grad_();
  (x * x * x).sum().backward({}, true, true);
  const Tensor y = (x.grad() * x.grad()).sum();
  utils::clip_grad_norm_(x, 1);
  CHECK_THROWS_AS(y.backward(), backflow::Error);
  x.mutable_grad() = Tensor();  // its history leads back to x
}

TEST_CASE("clip_grad_value_: as in PyTorch 1.13") {
  const auto p = parameters();
  utils::clip_grad_value_(p, 1.5);
  CHECK(values(p[0].grad()) == std::vector<double>{1.5, -1.5, 0.5, 1.25, -1.5, 0});
  CHECK(values(p[1].grad()) == std::vector<double>{1.5, -0.125});
  utils::clip_grad_value_({p[0], p[2]}, 1);
  CHECK(values(p[0].grad()) == std::vector<double>{1, -1, 0.5, 1, -1, 0});
  p[1].grad()[1].fill_(kNan);
  utils::clip_grad_value_(p[1], 0.25);
  CHECK(values(p[1].grad())[0] == 0.25);
  CHECK(std::isnan(values(p[1].grad())[1]));
}

TEST_CASE("clip_grad: mistakes are errors") {
  const auto p = parameters();
  CHECK_THROWS_WITH(utils::clip_grad_norm_(p, -1), Equals("clip_grad_norm_: max_norm -1: need a number >= 0"));
  CHECK_THROWS_WITH(utils::clip_grad_norm_(p, kNan), ContainsSubstring("max_norm nan"));
  CHECK_THROWS_WITH(utils::clip_grad_norm_(p, 1, -2), Equals("clip_grad_norm_: norm_type -2: need a number >= 0"));
  CHECK_THROWS_WITH(utils::clip_grad_norm_({p[0], Tensor()}, 1),
                    Equals("clip_grad_norm_: parameter 1 is undefined: need a tensor"));
  CHECK_THROWS_WITH(utils::clip_grad_value_(p, -0.5), Equals("clip_grad_value_: clip_value -0.5: need a number >= 0"));
}

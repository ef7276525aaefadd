// Softmax, sums of exponentials and losses of scores of which some are infinite, and positions that do not count.
#include <cmath>
#include <limits>
#include <numbers>

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
constexpr ScalarType kFloating[] = {kFloat64, kFloat32, kBFloat16};

Tensor leaf(const std::vector<double>& values, std::vector<std::int64_t> sizes, ScalarType dtype) {
  Tensor x = tensor_of({std::move(sizes), values}, dtype);
  x.set_requires_grad(true);
  return x;
}

Tensor gradient(const Tensor& y, const Tensor& x, bool create_graph = false) {
  return autograd::grad({y}, {x}, {ones_like(y)}, std::nullopt, create_graph)[0];
}

void check_equal(const Tensor& found, const std::vector<double>& wanted, double tolerance = 0.01) {
  const Array a = array_of(found);
  REQUIRE(a.data.size() == wanted.size());
  CHECK(distance({a.sizes, a.data}, {a.sizes, wanted}) <= tolerance);
}

/// Rows of scores beside each other or, with `columns`, below each other.
Tensor scores(const std::vector<double>& row, bool columns, ScalarType dtype) {
  const auto n = static_cast<std::int64_t>(row.size());
  std::vector<double> both;
  for (const double v : row) {
    both.insert(both.end(), columns ? 20 : 1, v);
  }
  return leaf(both, columns ? std::vector<std::int64_t>{n, 20} : std::vector<std::int64_t>{1, n}, dtype);
}

}  // namespace

TEST_CASE("infinite scores: softmax and its logarithm") {
  for (const ScalarType dtype : kFloating) {
    for (const bool columns : {false, true}) {
      CAPTURE(dtype, columns);
      const std::int64_t dim = columns ? 0 : 1;
      const Tensor x = scores({0, kInf, -3}, columns, dtype);
      const auto first = [&](const Tensor& y) { return columns ? select(y, 1, 19) : select(y, 0, 0); };
      check_equal(first(softmax(x, dim)), {0, 1, 0});
      check_equal(first(log_softmax(x, dim)), {-kInf, 0, -kInf});
      check_equal(first(gradient(softmax(x, dim).pow(2), x)), {0, 0, 0});
      check_equal(first(gradient(select(log_softmax(x, dim), dim, 1), x)), {0, 0, 0});
      const Tensor below = scores({0, -kInf, 0}, columns, dtype);
      check_equal(first(softmax(below, dim)), {0.5, 0, 0.5});
      check_equal(first(gradient(select(log_softmax(below, dim), dim, 0), below)), {0.5, 0, -0.5});
      for (const std::vector<double>& none : {std::vector{kInf, kInf, 0.0}, {-kInf, -kInf, -kInf}, {kNan, 1, kInf}}) {
        check_equal(first(softmax(scores(none, columns, dtype), dim)), {kNan, kNan, kNan});
        check_equal(first(log_softmax(scores(none, columns, dtype), dim)), {kNan, kNan, kNan});
      }
    }
  }
}

TEST_CASE("infinite scores: logsumexp has the gradient of its limit") {
  struct Case {
    std::vector<double> x;
    double y;
    std::vector<double> slopes;
  };
  for (const Case& c : std::vector<Case>{{{-kInf, -kInf}, -kInf, {0, 0}},
                                         {{0, kInf}, kInf, {0, 1}},
                                         {{kInf, kInf}, kInf, {0.5, 0.5}},
                                         {{-kInf, kInf}, kInf, {0, 1}},
                                         {{-kInf, 0}, 0, {0, 1}},
                                         {{0, 0}, std::numbers::ln2, {0.5, 0.5}},
                                         {{kNan, 0}, kNan, {kNan, kNan}}}) {
    for (const ScalarType dtype : kFloating) {
      for (const bool create_graph : {false, true}) {
        CAPTURE(c.x, dtype, create_graph);
        // A finite row beside the infinite one keeps its gradient.
        const Tensor x = leaf({c.x[0], c.x[1], 1, 1}, {2, 2}, dtype);
        const Tensor y = logsumexp(x, {1});
        check_equal(y, {c.y, 1 + std::numbers::ln2});
        check_equal(gradient(y, x, create_graph), {c.slopes[0], c.slopes[1], 0.5, 0.5});
      }
    }
  }
}

TEST_CASE("infinite scores: cross-entropy of classes and of probabilities") {
  for (const ScalarType dtype : kFloating) {
    CAPTURE(dtype);
    const Tensor first = tensor_of({{1}, {0}}, kInt64);
    const Tensor second = tensor_of({{1}, {1}}, kInt64);
    const Tensor below = leaf({-kInf, 0, 0}, {1, 3}, dtype);
    const Tensor above = leaf({0, kInf, 0}, {1, 3}, dtype);
    for (const bool create_graph : {false, true}) {
      CAPTURE(create_graph);
      const Tensor y = cross_entropy_loss(below, second);
      check_equal(y, {std::numbers::ln2});
      check_equal(gradient(y, below, create_graph), {0, -0.5, 0.5});
      const Tensor sure = cross_entropy_loss(above, second);
      check_equal(sure, {0});
      check_equal(gradient(sure, above, create_graph), {0, 0, 0});
      const Tensor wrong = cross_entropy_loss(above, first);
      check_equal(wrong, {kInf});
      check_equal(gradient(wrong, above, create_graph), {-1, 1, 0});
      const Tensor wanted = tensor_of({{1, 3}, {0, 0.25, 0.75}}, dtype);
      for (const std::int64_t reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
        const Tensor mixed = cross_entropy_loss(below, wanted, {}, reduction);
        check_equal(mixed, {std::numbers::ln2});
        check_equal(gradient(mixed, below, create_graph), {0, 0.25, -0.25});
      }
    }
    check_equal(cross_entropy_loss(below, second, {}, Reduction::Mean, -100, 0.1), {kInf});
    // A class of weight 0 costs nothing, even where it is impossible.
    const Tensor weight = tensor_of({{3}, {0, 1, 1}}, dtype);
    check_equal(cross_entropy_loss(below, first, weight, Reduction::Sum), {0});
    check_equal(nll_loss(log_softmax(below, 1), first, weight, Reduction::Sum), {0});
    check_equal(gradient(cross_entropy_loss(below, first, weight, Reduction::Sum), below), {0, 0, 0});
  }
}

TEST_CASE("ignored positions: gradients are exactly 0 whatever the scores") {
  struct Form {
    const char* name;
    std::vector<std::int64_t> sizes;
    double smoothing;
    bool weighted;
  };
  for (const Form& f : std::vector<Form>{{"rows", {2, 3}, 0, false},
                                         {"smooth rows", {2, 3}, 0.1, false},
                                         {"weighted rows", {2, 3}, 0, true},
                                         {"weighted smooth rows", {2, 3}, 0.1, true},
                                         {"positions", {2, 3, 1}, 0, false},
                                         {"smooth positions", {2, 3, 1}, 0.1, false},
                                         {"weighted smooth positions", {2, 3, 1, 1}, 0.1, true}}) {
    for (const std::vector<double>& bad : {std::vector{kNan, 0.0, 1.0}, {kInf, -kInf, kNan}, {kInf, kInf, 0}}) {
      for (const ScalarType dtype : kFloating) {
        for (const std::int64_t reduction : {Reduction::None, Reduction::Mean, Reduction::Sum}) {
          for (const bool create_graph : {false, true}) {
            CAPTURE(f.name, bad, dtype, reduction, create_graph);
            const Tensor x = leaf({bad[0], bad[1], bad[2], 1, 1, 1}, f.sizes, dtype);
            DimVector positions(f.sizes);
            positions.erase(1);
            const Tensor target = reshape(tensor_of({{2}, {7, 1}}, kInt64), positions);
            const Tensor weight = f.weighted ? tensor_of({{3}, {1, 1, 1}}, dtype) : Tensor();
            const Tensor y = cross_entropy_loss(x, target, weight, reduction, 7, f.smoothing);
            CHECK(std::abs(sum(y).item<double>() - std::log(3)) < 0.02);
            const double smooth = f.smoothing / 3;
            const Array g = array_of(gradient(y, x, create_graph));
            CHECK(g.data[0] == 0);
            CHECK(g.data[1] == 0);
            CHECK(g.data[2] == 0);
            CHECK(std::abs(g.data[3] - (1.0 / 3 - smooth)) < 0.01);
            CHECK(std::abs(g.data[4] - (1.0 / 3 - (1 - f.smoothing) - smooth)) < 0.01);
          }
        }
      }
    }
  }
}

TEST_CASE("ignored positions: so are second derivatives") {
  const Tensor target = tensor_of({{2}, {7, 1}}, kInt64);
  const Tensor x = leaf({kNan, kInf, 0, 1, 1, 1}, {2, 3}, kFloat64);
  const Tensor g = gradient(cross_entropy_loss(x, target, {}, Reduction::Mean, 7), x, true);
  const Array second = array_of(gradient(select(select(g, 0, 1), 0, 0), x));
  check_equal(tensor_of(second, kFloat64), {0, 0, 0, 2.0 / 9, -1.0 / 9, -1.0 / 9}, 1e-12);
}

TEST_CASE("masked elements: gradients are exactly 0 whatever they and dy are") {
  const Tensor mask = tensor_of({{3}, {1, 0, 0}}, kBool);
  for (const ScalarType dtype : kFloating) {
    CAPTURE(dtype);
    const Tensor x = leaf({kNan, 1, 2}, {3}, dtype);
    const Tensor dy = tensor_of({{3}, {kNan, 3, 4}}, dtype);
    const auto slopes = [&](const Tensor& y) { return autograd::grad({y}, {x}, {dy})[0]; };
    check_equal(slopes(masked_fill(x, mask, 5)), {0, 3, 4}, 0);
    check_equal(slopes(where(mask, 5, x)), {0, 3, 4}, 0);
    check_equal(slopes(dropout(x, 1, true)), {0, 0, 0}, 0);
    check_equal(dropout(x, 1, true), {0, 0, 0}, 0);
  }
}

// Operands whose squares, powers or sums overflow or vanish, although the results are ordinary numbers: values and
// gradients follow from those at scale 1, by how each operator scales.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

using Numbers = std::vector<double>;

/// f(s x) = s^degree y, and the gradient of its first element is s^(degree - 1) dx.
struct Case {
  const char* label;
  std::function<Tensor(const Tensor& x)> f;
  int degree;
  Numbers x;
  Numbers y;
  Numbers dx;
};

Tensor row(const Tensor& x) { return x.reshape({1, -1}); }
Tensor none() { return {}; }

/// x four times for each of 32 positions of a channel: more than groups have that are normalized as rows.
Tensor repeated(const Tensor& x) { return x.reshape({1, 1, 4, 1}).expand({1, 1, 4, 32}).contiguous(); }

// By hand, from the formulas in docs/operators.md. Of four numbers 1, -1, 1, -1 the mean is 0, the variance 1, and a
// normalization leaves them as they are; its gradient of the first, g = (1, 0, 0, 0), is g - 1/4 - z z[0] / 4.
const std::vector<Case>& cases() {
  const Numbers triangle = {3, -4};
  const Numbers signs = {1, -1, 1, -1};
  const Numbers of_first = {0.5, 0, -0.5, 0};
  const double root = std::cbrt(4.0);  // of 4 ones
  static const std::vector<Case> kCases = {
      {"norm", [](const Tensor& x) { return norm(x); }, 1, triangle, {5}, {0.6, -0.8}},
      {"norm over a dimension", [](const Tensor& x) { return norm(row(x), 2, {1}); }, 1, triangle, {5}, {0.6, -0.8}},
      {"norm in float64",
       [](const Tensor& x) { return norm(x, 2, kFloat64).to(x.scalar_type()); },
       1,
       triangle,
       {5},
       {0.6, -0.8}},
      {"norm of order 0", [](const Tensor& x) { return norm(x, 0); }, 0, triangle, {2}, {0, 0}},
      {"norm of order 1", [](const Tensor& x) { return norm(x, 1); }, 1, triangle, {7}, {1, -1}},
      {"norm of order 3",
       [](const Tensor& x) { return norm(x, 3); },
       1,
       signs,
       {root},
       {1 / (root * root), -1 / (root * root), 1 / (root * root), -1 / (root * root)}},
      {"norm of order 0.5", [](const Tensor& x) { return norm(x, 0.5); }, 1, signs, {16}, {4, -4, 4, -4}},
      {"norm of order -1",
       [](const Tensor& x) { return norm(x, -1); },
       1,
       signs,
       {0.25},
       {0.0625, -0.0625, 0.0625, -0.0625}},
      {"norm of order 100", [](const Tensor& x) { return norm(x, 100); }, 1, {8, 0}, {8}, {1, 0}},
      {"norm of order infinity", [](const Tensor& x) { return norm(x, INFINITY); }, 1, triangle, {4}, {0, -1}},
      {"norm of order -infinity", [](const Tensor& x) { return norm(x, -INFINITY); }, 1, triangle, {3}, {1, 0}},
      {"mean", [](const Tensor& x) { return mean(x); }, 1, {3, 3, 3, -1}, {2}, {0.25, 0.25, 0.25, 0.25}},
      {"std", [](const Tensor& x) { return backflow::std(x, false); }, 1, signs, {1}, {0.25, -0.25, 0.25, -0.25}},
      {"std over a dimension",
       [](const Tensor& x) { return backflow::std(row(x), {1}, true); },
       1,
       {1, -1},
       {std::sqrt(2.0)},
       {std::sqrt(0.5), -std::sqrt(0.5)}},
      {"var", [](const Tensor& x) { return var(x, false); }, 2, signs, {1}, {0.5, -0.5, 0.5, -0.5}},
      {"layer_norm", [](const Tensor& x) { return layer_norm(x, x.sizes(), none(), none(), 0); }, 0, signs, signs,
       of_first},
      {"rms_norm",
       [](const Tensor& x) { return rms_norm(x, x.sizes(), none(), 0); },
       0,
       signs,
       signs,
       {0.75, 0.25, -0.25, 0.25}},
      {"group_norm", [](const Tensor& x) { return group_norm(row(x), 1, none(), none(), 0); }, 0, signs, signs,
       of_first},
      {"group_norm of many positions",
       [](const Tensor& x) {
         return group_norm(repeated(x), 1, none(), none(), 0).reshape({4, 32}).mean(1);
       },
       0, signs, signs, of_first},
      {"instance_norm",
       [](const Tensor& x) {
         return instance_norm(x.reshape({1, 1, 4}), none(), none(), none(), none(), true, 0.1, 0, true);
       },
       0, signs, signs, of_first},
      {"batch_norm",
       [](const Tensor& x) {
         return batch_norm(x.reshape({4, 1}), none(), none(), none(), none(), true, 0.1, 0, true);
       },
       0, signs, signs, of_first},
      {"batch_norm_relu",
       [](const Tensor& x) {
         return batch_norm_relu(x.reshape({4, 1}), none(), none(), none(), none(), none(), true, 0.1, 0);
       },
       0,
       signs,
       {1, 0, 1, 0},
       of_first},
      {"cosine_similarity",  // of (1, 2) and (2, 1): w / (|x| |w|) - y x / |x|^2, of both
       [](const Tensor& x) { return cosine_similarity(row(x), row(x.flip({0})), 1, 0); },
       0,
       {1, 2},
       {0.8},
       {0.48, -0.24}},
      {"pairwise_distance",
       [](const Tensor& x) { return pairwise_distance(row(x), zeros_like(row(x)), 2, 0); },
       1,
       triangle,
       {5},
       {0.6, -0.8}},
  };
  return kCases;
}

struct Precision {
  ScalarType dtype;
  double tolerance;
  std::vector<int> exponents;  ///< of the scales
};

const std::vector<Precision>& precisions() {
  static const std::vector<Precision> kAll = {{kFloat32, 1e-6, {0, 64, -64, 100, -100, 124, -122}},
                                              {kBFloat16, 1e-2, {0, 64, -64, 100, -100, 124, -122}},
                                              {kFloat64, 1e-14, {0, 520, -520, 700, -700, 1020, -1018}}};
  return kAll;
}

Numbers times(const Numbers& x, double factor) {
  Numbers y;
  for (const double v : x) {
    y.push_back(v * factor);
  }
  return y;
}

/// Whether all numbers are those that are expected, as far as the dtype holds them.
bool are_near(const Tensor& found, const Numbers& expected, double tolerance) {
  const Numbers got = array_of(found).data;
  const Numbers held =
      array_of(tensor_of({{static_cast<std::int64_t>(expected.size())}, expected}, found.scalar_type())).data;
  double largest = 0;
  for (const double v : held) {
    largest = std::isinf(v) ? largest : std::max(largest, std::abs(v));
  }
  bool near = got.size() == held.size();
  for (std::size_t i = 0; near && i < got.size(); ++i) {
    near = got[i] == held[i] || std::abs(got[i] - held[i]) <= tolerance * largest;
  }
  return near;
}

/// The gradient of the first element of f(x), with or without a graph of its own.
Tensor gradient(const Tensor& y, const Tensor& x, bool graph) {
  const Tensor dy = zeros_like(y);
  dy.view({-1})[0].fill_(1);
  return autograd::grad({y}, {x}, {dy}, true, graph)[0];
}

}  // namespace

TEST_CASE("magnitudes: squares and powers that overflow or vanish do not count", "[op]") {
  for (const auto& [dtype, tolerance, exponents] : precisions()) {
    for (const int exponent : exponents) {
      const double s = std::ldexp(1.0, exponent);
      for (const Case& c : cases()) {
        INFO(c.label << ", " << name(dtype) << ", scale 2^" << exponent);
        const auto n = static_cast<std::int64_t>(c.x.size());
        const Tensor x = tensor_of({{n}, times(c.x, s)}, dtype).requires_grad_();
        const Tensor y = c.f(x);
        CHECK(are_near(y, times(c.y, std::pow(s, c.degree)), tolerance));
        for (const bool graph : {false, true}) {
          const Tensor dx = gradient(y, x, graph);
          INFO("gradient " << array_of(dx).data[0] << ", ...; with a graph: " << graph);
          CHECK(are_near(dx, times(c.dx, std::pow(s, c.degree - 1)), tolerance));
        }
      }
    }
  }
}

TEST_CASE("magnitudes: a row of large numbers changes no bit of its neighbours", "[op]") {
  const Tensor ordinary = randn({3, 5});
  const Tensor extreme = cat({ordinary, full({1, 5}, 3e38), full({1, 5}, 1e-30) * randn({1, 5}), zeros({1, 5})});
  for (const double p : {2.0, 3.0, 0.5}) {
    CHECK(bitwise_equal(norm(extreme, p, {1}).slice(0, 0, 3), norm(ordinary, p, {1})));
  }
  CHECK(bitwise_equal(mean(extreme, 1).slice(0, 0, 3), mean(ordinary, 1)));
  CHECK(array_of(mean(extreme, 1)).data[3] == Approx(3e38));
  CHECK(array_of(norm(extreme, 2, {1})).data[5] == 0);
}

TEST_CASE("magnitudes: the numbers of reports", "[op]") {
  const auto f32 = [](const Numbers& x) { return tensor_of({{static_cast<std::int64_t>(x.size())}, x}, kFloat32); };
  CHECK(backflow::std(f32({1.9e19, -1.9e19}), false).item<double>() == Approx(1.9e19));
  CHECK(backflow::std(f32({1.9e19, -1.9e19}), true).item<double>() == Approx(1.9e19 * std::sqrt(2.0)));
  CHECK(array_of(layer_norm(f32({1e30, -1e30, 1e30, -1e30}), {4})).data == Numbers{1, -1, 1, -1});
  CHECK(cosine_similarity(f32({1e20, 2e20}), f32({2e20, 1e20}), 0).item<double>() == Approx(0.8));
  CHECK(norm(f32({1e20, 1e20}), 3).item<double>() == Approx(1e20 * std::cbrt(2.0)));
  CHECK(norm(full({16}, 1e-30)).item<double>() == Approx(4e-30));
  const Tensor loss = cosine_embedding_loss(row(f32({1e20, 2e20})), row(f32({2e20, 1e20})), tensor({1}));
  CHECK(loss.item<double>() == Approx(0.2));
  CHECK(mean(full({4}, 3e38)).item<double>() == Approx(3e38));
}

TEST_CASE("magnitudes: what is zero, infinite or NaN stays so", "[op]") {
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    for (const double p : {0.5, 1.0, 2.0, 3.0}) {
      INFO(name(dtype) << ", order " << p);
      const Tensor zero = zeros({3}, dtype).requires_grad_();
      const Tensor y = norm(zero, p);
      CHECK(y.item<double>() == 0);
      CHECK(array_of(gradient(y, zero, false)).data == Numbers{0, 0, 0});
      CHECK(norm(tensor_of({{2}, {INFINITY, 1}}, dtype), p).item<double>() == INFINITY);
      CHECK(std::isnan(norm(tensor_of({{2}, {NAN, 1}}, dtype), p).item<double>()));
    }
    CHECK(std::isnan(backflow::std(tensor_of({{2}, {INFINITY, 1}}, dtype), false).item<double>()));
    CHECK(backflow::std(full({4}, 1e-30, dtype), false).item<double>() == 0);
    CHECK(mean(tensor_of({{2}, {INFINITY, 1}}, dtype)).item<double>() == INFINITY);
    CHECK(std::isnan(mean(tensor_of({{2}, {INFINITY, -INFINITY}}, dtype)).item<double>()));
  }
}

TEST_CASE("magnitudes: running statistics are those of large numbers, as far as the dtype holds them", "[op]") {
  // Of 1, -1, 1, -1, and 3 more: mean 3 s, variance with n - 1 4/3 s^2.
  for (const double s : {1.0, 0x1p60, 0x1p70}) {
    const Tensor x = tensor_of({{4, 1}, times({4, 2, 4, 2}, s)}, kFloat32);
    const Tensor mean = zeros({1});
    const Tensor variance = ones({1});
    batch_norm(x, none(), none(), mean, variance, true, 0.5, 1e-5, true);
    CHECK(mean.item<double>() == Approx(1.5 * s));
    CHECK(variance.item<double>() == Approx(s == 0x1p70 ? INFINITY : 0.5 + 2.0 / 3 * s * s));
  }
}

TEST_CASE("magnitudes: parameters of normalizations get the gradients of ordinary numbers", "[op]") {
  for (const double s : {1.0, 0x1p100, 0x1p-100}) {
    const Tensor x = tensor_of({{1, 4}, times({1, -1, 1, -1}, s)}, kFloat32).requires_grad_();
    const Tensor w = tensor_of({{4}, {1, 2, 3, 4}}, kFloat32).requires_grad_();
    const Tensor b = ones({4}).requires_grad_();
    const Tensor y = layer_norm(x, {4}, w, b, 0);
    CHECK(array_of(y).data == Numbers{2, -1, 4, -3});
    const auto gradients = autograd::grad({y}, {w, b}, {ones({1, 4})});
    CHECK(array_of(gradients[0]).data == Numbers{1, -1, 1, -1});
    CHECK(array_of(gradients[1]).data == Numbers{1, 1, 1, 1});
  }
}

TEST_CASE("magnitudes: equal numbers are normalized to zero beside others of any size", "[op]") {
  const double eps = 1e-5;
  const double r = 1 / std::sqrt(eps);
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor& x)>>> kinds = {
      {"layer_norm", [&](const Tensor& x) { return layer_norm(x, {3}, none(), none(), eps); }},
      {"group_norm",
       [&](const Tensor& x) {
         return group_norm(x.reshape({2, 1, 3}), 1, none(), none(), eps);
       }},
      {"instance_norm",
       [&](const Tensor& x) {
         return instance_norm(x.reshape({1, 2, 3}), none(), none(), none(), none(), true, 0.1, eps, true);
       }},
      {"batch_norm",
       [&](const Tensor& x) { return batch_norm(x.t(), none(), none(), none(), none(), true, 0.1, eps, true).t(); }}};
  for (const auto& [label, normalized] : kinds) {
    for (const auto& [dtype, tolerance, exponents] : precisions()) {
      for (const int exponent : exponents) {
        INFO(label << ' ' << name(dtype) << " times 2^" << exponent);
        const double s = 1.75 * std::ldexp(1, exponent);  // bfloat16 holds it
        const Tensor x = tensor_of({{2, 3}, {s, s, s, s, -s, 0}}, dtype).requires_grad_();
        const Tensor y = normalized(x).reshape({2, 3});
        CHECK(array_of(y[0]).data == Numbers{0, 0, 0});
        CHECK(y.isfinite().all().item<bool>());
        const Tensor dy = tensor_of({{2, 3}, {1, 0, 0, 0, 0, 0}}, dtype);
        for (const bool graph : {false, true}) {
          const Tensor dx = autograd::grad({y}, {x}, {dy}, true, graph)[0];
          CHECK(are_near(dx[0], {r * 2 / 3, -r / 3, -r / 3}, tolerance));
        }
      }
    }
  }
}

TEST_CASE("embedding_renorm: lengths of which powers overflow", "[op]") {
  for (const double s : {1.0, 0x1p700}) {
    for (const double order : {2.0, 3.0}) {
      const Tensor w = tensor_of({{1, 2}, {s, -s}}, kFloat64);
      const double length = s * std::pow(2.0, 1 / order) + 1e-7;
      const Numbers y = array_of(embedding_renorm(w, tensor({0}), 0.5 * s, order)).data;
      CHECK(y[0] == Approx(s / length * (0.5 * s)));
      CHECK(y[1] == -y[0]);
    }
  }
}

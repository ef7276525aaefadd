// The kernels at the sizes where they change their way of working.
#include <cmath>
#include <cstring>
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/kernels/products/gemm.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Threads {
  explicit Threads(int n) : previous(get_num_threads()) { set_num_threads(n); }
  ~Threads() { set_num_threads(previous); }
  int previous;
};

struct Product {
  std::int64_t m, n, k;
};

/// a b + bias for a sample of the elements, in float64.
double worst_error(const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& bias) {
  const Array ya = array_of(y), aa = array_of(a), ba = array_of(b);
  const Array bias_array = bias.defined() ? array_of(bias) : array_of(std::vector<std::int64_t>{y.size(1)});
  const std::int64_t step = std::max<std::int64_t>(1, y.numel() / 400);
  double worst = 0;
  for (std::int64_t e = 0; e < y.numel(); e += step) {
    const std::int64_t i = e / y.size(1);
    const std::int64_t j = e % y.size(1);
    double sum = bias_array.at({j});
    for (std::int64_t p = 0; p < a.size(1); ++p) {
      sum += aa.at({i, p}) * ba.at({p, j});
    }
    worst = std::max(worst, std::abs(sum - ya.at({i, j})) / (1 + static_cast<double>(a.size(1))));
  }
  return worst;
}

void check_product(const Product& p, ScalarType dtype, Layout left, Layout right) {
  const Tensor a = tensor_of(random_array({p.m, p.k}, "a"), dtype, left);
  const Tensor b = tensor_of(random_array({p.k, p.n}, "b"), dtype, right);
  const Tensor bias = random_tensor({p.n}, "bias", dtype);
  CAPTURE(p.m, p.n, p.k, dtype, name(left), name(right));
  for (const Tensor& added : {Tensor(), bias}) {
    const Tensor y = full({p.m, p.n}, kNan, dtype);  // what was there before must not matter
    kernels::gemm(y, a, b, added);
    CHECK(worst_error(y, a, b, added) <= (dtype == kFloat64 ? 1e-14 : 2e-6));
  }
}

}  // namespace

TEST_CASE("gemm: small and odd shapes, every layout") {
  for (const Product& p : std::vector<Product>{{0, 3, 2},
                                               {3, 0, 2},
                                               {3, 2, 0},
                                               {0, 0, 0},
                                               {1, 1, 1},
                                               {1, 7, 5},
                                               {7, 1, 5},
                                               {7, 5, 1},
                                               {1, 1, 300},
                                               {6, 8, 256},
                                               {5, 9, 257},
                                               {7, 17, 33},
                                               {13, 31, 64},
                                               {65, 3, 70},
                                               {2, 129, 511}}) {
    for (const ScalarType dtype : {kFloat32, kFloat64}) {
      for (const Layout left : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
        for (const Layout right : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
          check_product(p, dtype, left, right);
        }
      }
    }
  }
}

TEST_CASE("gemm: products that are cut for the threads, and their bits on 1, 2, 8") {
  for (const Product& p : std::vector<Product>{{500, 130, 300}, {130, 500, 300}, {1, 4000, 3000}, {333, 333, 333}}) {
    for (const ScalarType dtype : {kFloat32, kFloat64}) {
      const Tensor a = random_tensor({p.m, p.k}, "a", dtype);
      const Tensor b = tensor_of(random_array({p.k, p.n}, "b"), dtype, Layout::Transposed);
      std::vector<Tensor> results;
      for (const int n : {1, 2, 8}) {
        const Threads threads(n);
        results.push_back(mm(a, b));
      }
      CAPTURE(p.m, p.n, p.k, dtype);
      CHECK(worst_error(results[0], a, b, {}) <= (dtype == kFloat64 ? 1e-14 : 2e-6));
      CHECK(bitwise_equal(results[1], results[0]));
      CHECK(bitwise_equal(results[2], results[0]));
    }
  }
}

TEST_CASE("element-wise: rows about as long as a block and a chunk, every layout") {
  for (const std::int64_t inner : {1, 511, 512, 513, 4095, 4096, 4097, 32767, 32768, 32769}) {
    const std::int64_t outer = inner > 5000 ? 2 : 5;
    for (const Layout layout : {Layout::Contiguous, Layout::Transposed, Layout::Strided, Layout::Expanded}) {
      const Array x = array_of(tensor_of(random_array({outer, inner}, "x"), kFloat32, layout));
      const Array w = random_array({outer, inner}, "w");
      const Array row = random_array({inner}, "row");
      const Array column = random_array({outer, 1}, "column");
      const Tensor t = tensor_of(x, kFloat32, layout);
      CAPTURE(inner, name(layout));
      const auto plus = [](double a, double b) { return a + b; };
      CHECK(distance(array_of(t + tensor_of(w, kFloat32)), map(x, w, plus)) < 1e-6);
      CHECK(distance(array_of(t + tensor_of(row, kFloat32, Layout::Strided)), map(x, row, plus)) < 1e-6);
      CHECK(distance(array_of(tensor_of(column, kFloat32) + t), map(column, x, plus)) < 1e-6);
      CHECK(distance(array_of(3 - t), map(x, [](double a) { return 3 - a; })) < 1e-6);
      CHECK(distance(array_of(-t), map(x, [](double a) { return -a; })) < 1e-6);
      CHECK(bitwise_equal(t.clone(), t));
      if (layout != Layout::Expanded) {
        t.mul_(tensor_of(w, kFloat32, Layout::Transposed));
        CHECK(distance(array_of(t), map(x, w, [](double a, double b) { return a * b; })) < 1e-6);
      }
    }
  }
}

TEST_CASE("element-wise: int64 is exact, and wraps as in PyTorch") {
  const std::int64_t big = (std::int64_t{1} << 53) + 1;
  const Tensor x = tensor({big, -big});
  CHECK((x + 1)[0].item<std::int64_t>() == big + 1);
  CHECK((x * 3)[1].item<std::int64_t>() == -3 * big);
  CHECK((x - x * 2)[0].item<std::int64_t>() == -big);
  CHECK(x.sum().item<std::int64_t>() == 0);
  CHECK((-x)[0].item<std::int64_t>() == -big);
  CHECK(x.pow(2)[0].item<std::int64_t>() ==
        static_cast<std::int64_t>(static_cast<std::uint64_t>(big) * static_cast<std::uint64_t>(big)));
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  const std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
  CHECK((tensor({largest}) + 1).item<std::int64_t>() == smallest);
  CHECK((-tensor({smallest})).item<std::int64_t>() == smallest);
  CHECK(tensor({largest, largest}).sum().item<std::int64_t>() == -2);
  const Tensor bytes = tensor({200, 100}, kUInt8);
  CHECK((bytes + bytes)[0].item<std::int64_t>() == 144);
  CHECK(bytes.sum().item<std::int64_t>() == 300);
}

TEST_CASE("element-wise: NaN and infinities propagate") {
  for (const ScalarType dtype : {kFloat32, kFloat64}) {
    // 20 elements: both the vector body and the remainder.
    for (const float special : {kNan, kInf, -kInf, 1000.0F, -1000.0F, 100.0F, -100.0F, 0.0F, 1e30F, -1e30F, -88.0F}) {
      const Tensor x = full({20}, special, dtype);
      const auto v = static_cast<double>(special);
      const bool is_float = dtype == kFloat32;
      CAPTURE(special, dtype);
      const auto check_value = [&](const char* function, const Tensor& y, double expected) {
        CAPTURE(function);
        const double rounded = is_float ? static_cast<double>(static_cast<float>(expected)) : expected;
        CHECK(distance(array_of(y), array_of(full({20}, rounded, kFloat64))) < 1e-6);
      };
      check_value("exp", exp(x), std::exp(v));
      check_value("tanh", tanh(x), std::tanh(v));
      check_value("sigmoid", sigmoid(x), 1 / (1 + std::exp(-v)));
      check_value("relu", relu(x), std::isnan(v) ? v : std::max(v, 0.0));
      check_value("log", log(x), std::log(v));
      check_value("neg", neg(x), -v);
      check_value("abs", abs(x), std::abs(v));
      check_value("sign", sign(x), static_cast<double>(v > 0) - static_cast<double>(v < 0));
      check_value("sqrt", sqrt(x), std::sqrt(v));
      check_value("sin", sin(x), std::sin(v));
      check_value("cos", cos(x), std::cos(v));
      check_value("clamp", clamp(x, -50, 50), std::isnan(v) ? v : std::min(std::max(v, -50.0), 50.0));
      check_value("clamp by NaN", clamp(x, kNan, 50), kNan);
    }
  }
}

TEST_CASE("element-wise: sine and cosine over the range of the vector form and beyond") {
  for (const double scale : {1e-3, 1.0, 30.0, 1e3, 29999.0, 30001.0, 1e6}) {
    const Array x = random_array({37, 11}, "x", -scale, scale);
    const Tensor f64 = tensor_of(x, kFloat64);
    const Tensor f32 = tensor_of(x, kFloat32);
    CAPTURE(scale);
    const auto sine = [](double v) { return std::sin(v); };
    const auto cosine = [](double v) { return std::cos(v); };
    CHECK(distance(array_of(sin(f64)), map(x, sine)) < 1e-15);
    CHECK(distance(array_of(cos(f64)), map(x, cosine)) < 1e-15);
    CHECK(distance(array_of(sin(f32)), map(array_of(f32), sine)) < 3e-7);
    CHECK(distance(array_of(cos(f32)), map(array_of(f32), cosine)) < 3e-7);
  }
}

TEST_CASE("element-wise: integers keep their dtype where the function has integers") {
  const Tensor x = tensor({-3, 0, 5});
  CHECK(bitwise_equal(abs(x), tensor({3, 0, 5})));
  CHECK(bitwise_equal(sign(x), tensor({-1, 0, 1})));
  CHECK(bitwise_equal(square(x), tensor({9, 0, 25})));
  CHECK(bitwise_equal(clamp(x, -1, 2), tensor({-1, 0, 2})));
  CHECK(bitwise_equal(clamp(x, -1, 2.5), tensor({-1.0, 0.0, 2.5})));
  CHECK(bitwise_equal(x.clone().abs_().square_().clamp_max_(10), tensor({9, 0, 10})));
  const Tensor bytes = tensor({0, 200}, kUInt8);
  CHECK(bitwise_equal(sign(bytes), tensor({0, 1}, kUInt8)));
  CHECK(bitwise_equal(abs(bytes), bytes));
  CHECK(bitwise_equal(clamp(bytes, -1, 300), bytes));
  CHECK(sqrt(x).dtype() == kFloat32);
  CHECK(sin(x).dtype() == kFloat32);
  CHECK(cos(x).dtype() == kFloat32);
}

TEST_CASE("type promotion: as PyTorch's") {
  struct Row {
    ScalarType x;
    std::vector<std::int64_t> x_sizes;
    ScalarType w;
    std::vector<std::int64_t> w_sizes;
    ScalarType sum;
    ScalarType quotient;
  };
  for (const Row& r : std::vector<Row>{{kUInt8, {2}, kUInt8, {2}, kUInt8, kFloat32},
                                       {kUInt8, {2}, kInt64, {2}, kInt64, kFloat32},
                                       {kUInt8, {2}, kInt64, {}, kUInt8, kFloat32},
                                       {kInt64, {}, kInt64, {}, kInt64, kFloat32},
                                       {kInt64, {2}, kFloat32, {2}, kFloat32, kFloat32},
                                       {kInt64, {2}, kFloat32, {}, kFloat32, kFloat32},
                                       {kInt64, {2}, kFloat64, {}, kFloat64, kFloat64},
                                       {kFloat32, {2}, kInt64, {}, kFloat32, kFloat32},
                                       {kFloat32, {2}, kFloat64, {2}, kFloat64, kFloat64},
                                       {kFloat32, {2}, kFloat64, {}, kFloat32, kFloat32},
                                       {kFloat32, {}, kFloat64, {}, kFloat64, kFloat64},
                                       {kFloat64, {2}, kFloat32, {}, kFloat64, kFloat64}}) {
    CAPTURE(r.x, r.w);
    const Tensor x = ones(r.x_sizes, r.x);
    const Tensor w = ones(r.w_sizes, r.w);
    CHECK((x + w).dtype() == r.sum);
    CHECK((w + x).dtype() == r.sum);
    CHECK((x / w).dtype() == r.quotient);
  }
  CHECK((ones({2}, kUInt8) + 1).dtype() == kUInt8);
  CHECK((ones({2}, kInt64) * 0.5).dtype() == kFloat32);
  CHECK((ones({2}, kFloat64) * 0.5).dtype() == kFloat64);
  CHECK((ones({2}, kFloat32) + 1).dtype() == kFloat32);
  CHECK(exp(ones({2}, kInt64)).dtype() == kFloat32);
  CHECK(ones({2}, kUInt8).sum().dtype() == kInt64);
  CHECK(pow(ones({2}, kInt64), 2).dtype() == kInt64);
}

// The functions of one operand over the whole range of numbers: within a few units in the last place of C's in a wider
// type, and with C's values at infinities, zeros, denormal numbers and NaN.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/kernels/elementwise/elementwise.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;
namespace functions = backflow::kernels::functions;

namespace {

using Wide = long double;

struct Function {
  const char* name;
  kernels::Unary f;
  Wide (*reference)(Wide);
  double ulps = 4;         ///< allowed error
  double ulps_double = 4;  ///< the same for float64
  kernels::Params params = {};
  bool signed_zeros = true;  ///< zeros have C's sign
  bool times_x = false;      ///< x times a number that may underflow
};

Wide normal(Wide x) { return std::erfc(-x * std::sqrt(Wide{0.5})) / 2; }
Wide sigmoid(Wide x) { return 1 / (1 + std::exp(-x)); }
Wide softplus(Wide x) { return std::max(x, Wide{0}) + std::log1p(std::exp(-std::abs(x))); }
/// x times a share, of which nothing is left at -infinity.
Wide part(Wide x, Wide share) { return share == 0 ? -share : x * share; }
Wide gelu_tanh(Wide x) {
  // (1 + tanh(z)) / 2 = 1 / (1 + e^-2z), which keeps its digits for negative z.
  const Wide root = 0.797884560802865355879892119868763737L;
  return part(x, sigmoid(2 * root * (x + static_cast<Wide>(0.044715) * x * x * x)));
}

std::vector<Function> cases() {
  return {
      {"exp", functions::Exp{}, std::exp, 1.5, 1.5},
      {"expm1", functions::Expm1{}, std::expm1},
      {"exp2", functions::Exp2{}, std::exp2, 1, 1},
      {"log", functions::Log{}, std::log},
      {"log1p", functions::Log1p{}, std::log1p},
      {"log2", functions::Log2{}, std::log2},
      {"log10", functions::Log10{}, std::log10},
      {"sqrt", functions::Sqrt{}, std::sqrt, 0.51, 0.51},
      {"rsqrt", functions::Rsqrt{}, [](Wide x) { return 1 / std::sqrt(x); }, 1.5, 1.5},
      {"reciprocal", functions::Reciprocal{}, [](Wide x) { return 1 / x; }, 0.51, 0.51},
      {"floor", functions::Floor{}, std::floor, 0, 0},
      {"ceil", functions::Ceil{}, std::ceil, 0, 0},
      {"round", functions::Round{}, std::nearbyint, 0, 0},
      {"trunc", functions::Trunc{}, std::trunc, 0, 0},
      {"frac", functions::Frac{}, [](Wide x) { return x - std::trunc(x); }, 0, 0, {}, false},
      {"sin", functions::Sin{}, std::sin},
      {"cos", functions::Cos{}, std::cos},
      {"tan", functions::Tan{}, std::tan, 5},
      {"asin", functions::Asin{}, std::asin},
      {"acos", functions::Acos{}, std::acos},
      {"atan", functions::Atan{}, std::atan},
      {"sinh", functions::Sinh{}, std::sinh},
      {"cosh", functions::Cosh{}, std::cosh},
      {"tanh", functions::Tanh{}, std::tanh},
      {"asinh", functions::Asinh{}, std::asinh},
      {"acosh", functions::Acosh{}, std::acosh},
      {"atanh", functions::Atanh{}, std::atanh},
      {"erf", functions::Erf{}, std::erf, 2},
      {"erfc", functions::Erfc{}, std::erfc, 8, 8},
      {"sigmoid", functions::Sigmoid{}, sigmoid},
      {"gelu", functions::Gelu{}, [](Wide x) { return x == 0 ? x : part(x, normal(x)); }, 8, 20, {}, true, true},
      {"gelu_tanh", functions::GeluTanh{}, gelu_tanh, 400, 4000, {}, true, true},
      {"silu", functions::Silu{}, [](Wide x) { return part(x, sigmoid(x)); }, 4, 4, {}, true, true},
      {"mish",
       functions::Mish{},
       [](Wide x) { return part(x, std::tanh(std::log1p(std::exp(x)))); },
       5,
       5,
       {},
       true,
       true},
      {"softplus", functions::Softplus{}, softplus, 4, 4, {1, 1000}},
      {"log_sigmoid", functions::LogSigmoid{}, [](Wide x) { return -softplus(-x); }, 4, 4, {}, false},
      {"elu", functions::Elu{}, [](Wide x) { return x > 0 ? x : std::expm1(x); }, 4, 4, {1, 1, 1}},
  };
}

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// Numbers of every magnitude, more of them between 2^-20 and 2^20, and the special ones.
template <class T>
std::vector<T> sweep() {
  using L = std::numeric_limits<T>;
  std::vector<T> x = {
      T{0},     -T{0},     L::infinity(), -L::infinity(), L::quiet_NaN(), L::denorm_min(), -L::denorm_min(),
      L::min(), -L::min(), L::max(),      L::lowest(),    T{1},           T{-1},           T{0.5},
      T{-0.5},  T{1.5},    T{2.5},        T{-2.5},        L::epsilon(),   -L::epsilon()};
  const auto add = [&](T low, T high, int count) {
    const auto from = std::bit_cast<Bits<T>>(low);
    const Bits<T> step = (std::bit_cast<Bits<T>>(high) - from) / static_cast<Bits<T>>(count);
    for (int i = 0; i < count; ++i) {
      x.push_back(std::bit_cast<T>(static_cast<Bits<T>>(from + step * static_cast<Bits<T>>(i))));
      x.push_back(-x.back());
    }
  };
  add(L::denorm_min(), L::max(), 20011);
  add(T(0x1p-20), T(0x1p20), 40009);
  for (int i = 0; i < 20011; ++i) {  // near one, where logarithms and inverse functions are small
    x.push_back(T{1} + static_cast<T>(i - 10000) / T{10007});
    x.push_back(static_cast<T>(i - 10000) / T{100.7});
  }
  return x;
}

/// The distance of y from the exact value in units of the last place of y's type.
/// Below `smallest`, those of `smallest`.
template <class T>
double error_in_ulps(T y, Wide exact, T smallest) {
  const T rounded = static_cast<T>(exact);
  if (y == rounded || (std::isnan(y) && std::isnan(rounded))) {
    return 0;
  }
  if (!std::isfinite(y) || !std::isfinite(rounded)) {
    // The largest number, where the exact value lies within its rounding error.
    const T largest = std::numeric_limits<T>::max();
    return std::isinf(y) && std::abs(exact) > largest * (1 - Wide{8} * std::numeric_limits<T>::epsilon())
               ? 1
               : std::numeric_limits<double>::infinity();
  }
  const T magnitude = std::max(std::abs(rounded), smallest);
  const Wide ulp = static_cast<Wide>(std::nextafter(magnitude, std::numeric_limits<T>::infinity())) - magnitude;
  return static_cast<double>(std::abs(static_cast<Wide>(y) - exact) / ulp);
}

template <class T>
void check_function(const Function& f, double allowed) {
  const std::vector<T> values = sweep<T>();
  const auto n = static_cast<std::int64_t>(values.size());
  const Tensor x = empty({n}, dtype_of<T>);
  std::copy(values.begin(), values.end(), x.data_ptr<T>());
  const Tensor y = empty({n}, dtype_of<T>);
  kernels::unary(f.f, y, x, f.params);
  const T* results = y.data_ptr<T>();
  double worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Wide exact = f.reference(values[i]);
    const T scale = f.times_x && std::isfinite(values[i]) ? std::max(std::abs(values[i]), T{1}) : T{1};
    double error = error_in_ulps(results[i], exact, scale * std::numeric_limits<T>::min());
    if (f.signed_zeros && exact == 0 && results[i] == 0 && std::signbit(exact) != std::signbit(results[i])) {
      error = 1000;
    }
    if (error > worst) {
      worst = error;
      at = i;
    }
  }
  if (std::getenv("BACKFLOW_PRINT_ULPS") != nullptr) {
    std::printf("%-12s f%zu: %7.2f ulps at %.9g: %.9g, exact %.9Lg\n", f.name, 8 * sizeof(T), worst,
                static_cast<double>(values[at]), static_cast<double>(results[at]), f.reference(values[at]));
  }
  INFO(f.name << " of " << dtype_of<T> << " at " << static_cast<double>(values[at]) << " is "
              << static_cast<double>(results[at]) << ", exactly " << static_cast<double>(f.reference(values[at])));
  CHECK(worst <= allowed);
}

}  // namespace

TEST_CASE("functions: float32 and float64 agree with C's in a wider type") {
  for (const Function& f : cases()) {
    check_function<float>(f, f.ulps);
    check_function<double>(f, f.ulps_double);
  }
}

TEST_CASE("functions: NaN, infinities and ties") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = tensor({nan, inf, -inf, 0.0F, 200.0F, -200.0F, 3.0F, -3.0F});
  const auto check = [&](const Tensor& y, const std::vector<double>& expected) {
    CAPTURE(array_of(y).data, expected);
    CHECK(distance(array_of(y), {x.sizes().vec(), expected}) < 1e-6);
  };
  check(silu(x), {nan, inf, 0, 0, 200, 0, 2.8577224, -0.14227762});
  check(mish(x), {nan, inf, 0, 0, 200, 0, 2.9865351, -0.14564733});
  check(gelu(x), {nan, inf, 0, 0, 200, 0, 2.9959507, -0.0040496941});
  check(softplus(x), {nan, inf, 0, std::log(2.0), 200, 0, 3.0485873, 0.048587352});
  check(log_sigmoid(x), {nan, 0, -inf, -std::log(2.0), 0, -200, -0.048587352, -3.0485873});
  check(elu(x), {nan, inf, -1, 0, 200, -1, 3, -0.95021293});
  check(leaky_relu(x), {nan, inf, -inf, 0, 200, -2, 3, -0.03});
  check(hardtanh(x), {nan, 1, -1, 0, 1, -1, 1, -1});
  check(relu6(x), {nan, 6, 0, 0, 6, 0, 3, 0});
  check(hardswish(x), {nan, inf, 0, 0, 200, 0, 3, 0});
  check(clamp(x, -2, 2), {nan, 2, -2, 0, 2, -2, 2, -2});
  check(clamp(x, tensor({-2.0F}), tensor({2.0F})), {nan, 2, -2, 0, 2, -2, 2, -2});
  check(clamp(x, nan, 1), {nan, nan, nan, nan, nan, nan, nan, nan});
  check(sign(x), {0, 1, -1, 0, 1, -1, 1, -1});
  check(isnan(x), {1, 0, 0, 0, 0, 0, 0, 0});
  check(isinf(x), {0, 1, 1, 0, 0, 0, 0, 0});
  check(isfinite(x), {0, 0, 0, 1, 1, 1, 1, 1});
  check(logical_not(x), {0, 0, 0, 1, 0, 0, 0, 0});
  CHECK(distance(array_of(round(tensor({0.5, 1.5, 2.5, -0.5, -1.5}))), {{5}, {0, 2, 2, 0, -2}}) == 0);
  CHECK(distance(array_of(logit(tensor({0.0, 1.0, 2.0, 0.5}))), {{4}, {-inf, inf, nan, 0}}) == 0);
  CHECK(distance(array_of(log2(tensor({8.0F, 1024.0F, 0.25F}))), {{3}, {3, 10, -2}}) == 0);
  CHECK(distance(array_of(log10(tensor({10.0F, 1000.0F, 1e10F}))), {{3}, {1, 3, 10}}) == 0);
}

TEST_CASE("functions: gradients at kinks and of NaN as in PyTorch") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values = {-3, 3, -1, 1, 0, 6, nan, inf, -inf};
  const auto check = [&](Tensor (*f)(const Tensor&), const std::vector<double>& expected) {
    for (const bool create_graph : {false, true}) {
      const Tensor x = tensor(values, requires_grad());
      const Tensor dx = autograd::grad({f(x).sum()}, {x}, {}, std::nullopt, create_graph)[0];
      CAPTURE(create_graph, array_of(dx).data, expected);
      CHECK(distance(array_of(dx), {{9}, expected}) < 1e-6);
    }
  };
  const double s = 1.0 / 6;
  check([](const Tensor& x) { return hardtanh(x); }, {0, 0, 0, 0, 1, 0, 1, 0, 0});
  check([](const Tensor& x) { return relu6(x); }, {0, 1, 0, 1, 0, 0, 1, 0, 0});
  check([](const Tensor& x) { return clamp(x, -1, 1); }, {0, 0, 1, 1, 1, 0, 0, 0, 0});
  check([](const Tensor& x) { return clamp_min(x, 1); }, {0, 1, 0, 1, 0, 1, 0, 1, 0});
  check([](const Tensor& x) { return hardsigmoid(x); }, {0, 0, s, s, s, 0, 0, 0, 0});
  check([](const Tensor& x) { return hardswish(x); }, {-0.5, 1.5, s, 5 * s, 0.5, 1, 1, 1, 0});
  check([](const Tensor& x) { return leaky_relu(x); }, {0.01, 1, 0.01, 1, 0.01, 1, 0.01, 1, 0.01});
  const auto e = [](double x) { return std::exp(x); };
  check([](const Tensor& x) { return elu(x); }, {e(-3), 1, e(-1), 1, 1, 1, 1, 1, 0});
}

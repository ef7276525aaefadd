// Functions of one operand at infinities, and beyond where squares overflow.
#include <cmath>
#include <numbers>

#include <backflow/tests/support/limits.h>

namespace backflow::test {
namespace {

/// A function at infinity and at -infinity.
struct Ends {
  const char* sample;
  double above;
  double slope_above;
  double below;
  double slope_below;
};

constexpr double I = kInfinity;  // NOLINT(readability-identifier-naming): a table of them
constexpr double N = kNone;      // NOLINT(readability-identifier-naming)
constexpr double kQuarter = std::numbers::pi / 2;

const Ends kEnds[] = {
    {"abs/odd_length", I, 1, I, -1},
    {"acos/odd_length", N, N, N, N},
    {"acosh/odd_length", I, 0, N, N},
    {"asin/odd_length", N, N, N, N},
    {"asinh/odd_length", I, 0, -I, 0},
    {"atan/odd_length", kQuarter, 0, -kQuarter, 0},
    {"atanh/odd_length", N, N, N, N},
    {"ceil/odd_length", I, 0, -I, 0},
    {"celu/odd_length", I, 1, -1, 0},
    {"cos/odd_length", N, N, N, N},
    {"cosh/odd_length", I, I, I, -I},
    {"elu/odd_length", I, 1, -1, 0},
    {"elu/scaled_odd_length", I, 1.5, -0.75, 0},
    {"erf/odd_length", 1, 0, -1, 0},
    {"erfc/odd_length", 0, 0, 2, 0},
    {"exp/odd_length", I, I, 0, 0},
    {"exp2/odd_length", I, I, 0, 0},
    {"expm1/odd_length", I, I, -1, 0},
    {"floor/odd_length", I, 0, -I, 0},
    {"frac/odd_length", N, 1, N, 1},
    {"gelu/odd_length", I, 1, 0, 0},
    {"gelu/tanh_odd_length", I, 1, 0, 0},
    {"hardshrink/odd_length", I, 1, -I, 1},
    {"hardsigmoid/odd_length", 1, 0, 0, 0},
    {"hardswish/odd_length", I, 1, 0, 0},
    {"hardtanh/odd_length", 1, 0, -1, 0},
    {"hardtanh/bounds_odd_length", 5, 0, -3, 0},
    {"leaky_relu/odd_length", I, 1, -I, 0.01},
    {"log/odd_length", I, 0, N, N},
    {"log10/odd_length", I, 0, N, N},
    {"log1p/odd_length", I, 0, N, N},
    {"log2/odd_length", I, 0, N, N},
    {"log_sigmoid/odd_length", 0, 0, -I, 1},
    {"logit/odd_length", N, N, N, N},
    {"logit/eps_odd_length", 0.84729786038720345, 0, -0.84729786038720345, 0},
    {"mish/odd_length", I, 1, 0, 0},
    {"neg/odd_length", -I, -1, I, -1},
    {"reciprocal/odd_length", 0, 0, 0, 0},
    {"relu/odd_length", I, 1, 0, 0},
    {"relu6/odd_length", 6, 0, 0, 0},
    {"round/odd_length", I, 0, -I, 0},
    {"rsqrt/odd_length", 0, 0, N, N},
    {"selu/odd_length", I, 1.0507009873554805, -1.7580993408473766, 0},
    {"sigmoid/odd_length", 1, 0, 0, 0},
    {"sign/odd_length", 1, 0, -1, 0},
    {"silu/odd_length", I, 1, 0, 0},
    {"sin/odd_length", N, N, N, N},
    {"sinh/odd_length", I, I, -I, I},
    {"softplus/odd_length", I, 1, 0, 0},
    {"softplus/threshold_odd_length", I, 1, 0, 0},
    {"softshrink/odd_length", I, 1, -I, 1},
    {"softsign/odd_length", 1, 0, -1, 0},
    {"sqrt/odd_length", I, 0, N, N},
    {"square/odd_length", I, I, I, -I},
    {"tan/odd_length", N, N, N, N},
    {"tanh/odd_length", 1, 0, -1, 0},
    {"trunc/odd_length", I, 0, -I, 0},
};

/// Where squares, cubes or sixfolds of float32 overflow, and slopes are still numbers.
const Limit kFar[] = {
    {"acosh/odd_length", {1e20}, 20 * std::numbers::ln10 + std::numbers::ln2, {1e-20}},
    {"acosh/odd_length", {1e37}, 37 * std::numbers::ln10 + std::numbers::ln2, {1e-37}},
    {"asinh/odd_length", {1e20}, 20 * std::numbers::ln10 + std::numbers::ln2, {1e-20}},
    {"asinh/odd_length", {-1e37}, -37 * std::numbers::ln10 - std::numbers::ln2, {1e-37}},
    {"atan/odd_length", {1e18}, kQuarter, {1e-36}},
    {"gelu/odd_length", {1e30}, 1e30, {1}},
    {"gelu/odd_length", {-1e30}, 0, {0}},
    {"gelu/tanh_odd_length", {1.9e19}, 1.9e19, {1}},
    {"gelu/tanh_odd_length", {-1.9e19}, 0, {0}},
    {"gelu/tanh_odd_length", {3e38}, 3e38, {1}},
    {"gelu/tanh_odd_length", {-3e38}, 0, {0}},
    {"hardswish/odd_length", {3e38}, 3e38, {1}},
    {"hardswish/odd_length", {-3e38}, 0, {0}},
    {"log1p/odd_length", {3e38}, 38 * std::numbers::ln10 + 1.0986122886681098, {1 / 3e38}},
    {"mish/odd_length", {3e38}, 3e38, {1}},
    {"mish/odd_length", {-3e38}, 0, {0}},
    {"reciprocal/odd_length", {1e-18}, 1e18, {-1e36}},
    {"rsqrt/odd_length", {1e-24}, 1e12, {-5e35}},
    {"silu/odd_length", {3e38}, 3e38, {1}},
    {"silu/odd_length", {-3e38}, 0, {0}},
    {"softsign/odd_length", {1e18}, 1, {1e-36}},
    {"softsign/odd_length", {-3e38}, -1, {1 / 9e76}},
    {"square/odd_length", {1e-18}, 1e-36, {2e-18}},
    {"sqrt/odd_length", {0}, 0, {I}},
};

}  // namespace

std::vector<Limit> function_limits() {
  std::vector<Limit> all(std::begin(kFar), std::end(kFar));
  for (const Ends& ends : kEnds) {
    all.push_back({ends.sample, {I}, ends.above, {ends.slope_above}});
    all.push_back({ends.sample, {-I}, ends.below, {ends.slope_below}});
  }
  return all;
}

}  // namespace backflow::test

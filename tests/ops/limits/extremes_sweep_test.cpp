// Operands near the largest and the smallest numbers of each dtype: values and gradients are those of the naive
// reference in float64, whose range is enough for float32 and bfloat16. For float64 itself they are continued, in long
// double, from operands between which the reference follows a power law, as most functions do far out.
#include <algorithm>
#include <cmath>
#include <limits>

#include <backflow/ops/operators.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/support/sweep.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::size_t kSamples = 16;  // of an operator
constexpr std::size_t kPlaces = 3;    // of an operand
constexpr double kStep = 1e-4;        // of differences, relative

const Reasons kReasons = {
    {"binary_cross_entropy", "its logarithms are at least -100 and its quotients bounded, as documented"},
    {"fmod", "it is periodic, and the reference far out is the remainder of a rounded quotient"},
    {"remainder", "it is periodic, and the reference far out is the remainder of a rounded quotient"},
};

constexpr const char* kSteps = "it goes up in steps";
constexpr const char* kWaves = "it oscillates";
constexpr const char* kKinks = "differences reach over a kink";

/// Operators whose differences say nothing of their slopes.
const Reasons kNoDifferences = {
    {"ceil", kSteps},
    {"floor", kSteps},
    {"round", kSteps},
    {"trunc", kSteps},
    {"frac", kSteps},
    {"floor_divide", kSteps},
    {"trunc_divide", kSteps},
    {"div", kSteps},
    {"sin", kWaves},
    {"cos", kWaves},
    {"tan", kWaves},
    {"adaptive_max_pool1d", kKinks},
    {"adaptive_max_pool2d", kKinks},
    {"adaptive_max_pool3d", kKinks},
    {"batch_norm_relu", kKinks},
    {"native_batch_norm_relu", kKinks},
    {"margin_ranking_loss", kKinks},
    {"native_group_norm", "beside a large shift they are rounding errors"},
    {"multilabel_margin_loss", kKinks},
    {"conv_transpose2d", "sums hide the differences of the bias, but not where the output is padded"},
};

/// Operators that are not given large operands beside others, or not small ones.
const Reasons kNotMixed = {
    {"triplet_margin_loss", "the reference adds the margin to a distance that hides it, before these are subtracted"},
};

constexpr const char* kBounded = "lengths are at least eps, as documented";
constexpr const char* kDigits = "the reference adds 1, and loses small numbers";

const Reasons kNotSmall = {
    {"cosine_similarity", kBounded},
    {"cosine_embedding_loss", kBounded},
    {"log_softmax", kDigits},
    {"logsumexp", kDigits},
};

/// What a dtype can hold, and how closely results are compared.
struct Limits {
  int exponent;  ///< operands are multiplied by two to this, or to the same below zero
  long double largest;
  long double smallest;
  double tolerance;
};

Limits limits_of(ScalarType dtype, std::size_t elements) {
  using Single = std::numeric_limits<float>;
  using Double = std::numeric_limits<double>;
  const int exponent = elements <= 64 ? 116 : 104;  // sums of many are not to overflow
  return dtype == kFloat64   ? Limits{1012, Double::max(), Double::min(), 1e-7}
         : dtype == kFloat32 ? Limits{exponent, Single::max(), Single::min(), 2e-4}
                             : Limits{exponent, Single::max(), Single::min(), 0.06};
}

/// Which operands are multiplied, by powers of two of either sign.
struct Pattern {
  std::vector<int> signs;  ///< by operand: 1, -1 or 0

  bool has(int sign) const { return std::find(signs.begin(), signs.end(), sign) != signs.end(); }
  Arrays apply(Arrays values, int exponent) const {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (signs[i] != 0) {
        values[i] = map(values[i], [&](double v) { return std::ldexp(v, signs[i] * exponent); });
      }
    }
    return values;
  }
};

std::vector<Pattern> patterns_of(const Sample& s) {
  const auto of_numbers = [&](auto choose) {
    Pattern p;
    for (std::size_t i = 0; i < s.operands.size(); ++i) {
      const int same = s.operands[i].same_as;
      p.signs.push_back(s.operands[i].of == Of::Number ? choose(same >= 0 ? static_cast<std::size_t>(same) : i) : 0);
    }
    return p;
  };
  std::vector<Pattern> all;
  for (const int sign : {1, -1}) {
    all.push_back(of_numbers([&](std::size_t) { return sign; }));
    const auto numbers = number_operands(s);
    for (const std::size_t only : numbers.size() > 1 ? numbers : std::vector<std::size_t>{}) {
      all.push_back(of_numbers([&](std::size_t i) { return i == only ? sign : 0; }));
    }
  }
  return all;
}

using Numbers = std::vector<long double>;  // NaN where nothing is known

/// f at operands multiplied by 2^exponent: directly, or for float64 continued from two smaller powers.
template <class F>
Numbers expected(const F& f, ScalarType dtype, int exponent) {
  Numbers result;
  if (dtype != kFloat64) {
    for (const double v : f(exponent)) {
      result.push_back(v);
    }
    return result;
  }
  constexpr int kNear = 100;
  constexpr int kFar = 150;
  const std::vector<double> near = f(kNear);
  const std::vector<double> far = f(kFar);
  for (std::size_t i = 0; i < near.size(); ++i) {
    const double power = std::round(2 * std::log2(std::abs(far[i] / near[i])) / (kFar - kNear)) / 2;
    const long double law = std::exp2(static_cast<long double>(power * (kFar - kNear))) * near[i];
    const bool holds = std::isfinite(power) && std::abs(law - far[i]) <= 1e-8L * std::abs(far[i]);
    const long double there = std::exp2(static_cast<long double>(power) * (exponent - kFar)) * far[i];
    result.push_back(far[i] == 0 && near[i] == 0 ? 0 : holds ? there : std::nanl(""));
  }
  return result;
}

/// Whether `found` is `wanted` as the dtype holds it: infinite where it is beyond; `scale` is what sums were made of.
bool agrees(double found, long double wanted, long double scale, const Limits& limits) {
  if (std::isnan(wanted) || !std::isfinite(scale)) {
    return true;
  }
  if (std::abs(wanted) > limits.largest / 2) {
    return !std::isfinite(found) || std::abs(found - wanted) <= limits.tolerance * std::abs(wanted);
  }
  return std::abs(found - wanted) <= limits.tolerance * (std::abs(wanted) + scale) + 2 * limits.smallest;
}

long double largest_of(const Numbers& x, const Limits& limits) {
  long double largest = 0;
  for (const long double v : x) {
    largest = std::isnan(v) ? largest : std::max(largest, std::abs(v));
  }
  return std::min(largest, limits.largest);
}

class Sweep {
 public:
  Sweep(const Sample& s, const Pattern& pattern, ScalarType dtype)
      : s_(s),
        pattern_(pattern),
        dtype_(dtype),
        values_(values_in(s, dtype == kBFloat16 ? kBFloat16 : kFloat32)),
        limits_(limits_of(dtype, elements())) {}

  /// Whether there was something to check.
  bool run() {
    const Tensors operands = operands_of(s_, pattern_.apply(values_, limits_.exponent), dtype_);
    const Tensor y = result_of(s_, operands);
    if (!y.defined() || !y.is_floating_point()) {
      return y.defined();
    }
    const Numbers wanted = expected([&](int exponent) { return s_.reference(pattern_.apply(values_, exponent)).data; },
                                    dtype_, limits_.exponent);
    const Array found = array_of(y);
    const bool overflows = largest_of(wanted, limits_) > limits_.largest / 4;
    const long double scale = largest_of(wanted, limits_);
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      if (!agrees(found.data[k], wanted[k], scale, limits_)) {
        INFO("element " << k << " is " << found.data[k] << ", should be " << static_cast<double>(wanted[k]));
        CHECK_FALSE("the value is wrong");
        return true;
      }
    }
    if (y.requires_grad() && !overflows && !kNoDifferences.contains(s_.op)) {
      check_gradient(operands, y);
    }
    return true;
  }

 private:
  void check_gradient(const Tensors& operands, const Tensor& y) {
    const Array dy = tensor_rounded(random_array(y.sizes().vec(), "dy"));
    const Arrays found = gradients_of(s_, operands, y, dy);
    Limits limits = limits_;
    limits.tolerance = std::max(limits.tolerance, 5e-4);  // that of differences
    const auto numbers = number_operands(s_);
    for (std::size_t n = 0; n < numbers.size(); ++n) {
      const std::size_t i = numbers[n];
      const auto at = places(found[n].data.size(), kPlaces);
      const Numbers wanted =
          expected([&](int exponent) { return slopes(dy, i, at, exponent); }, dtype_, limits_.exponent);
      const long double scale = largest_of(wanted, limits_);
      for (std::size_t k = 0; k < at.size(); ++k) {
        if (!agrees(found[n].data[at[k]], wanted[k], scale, limits)) {
          INFO("gradient of operand " << i << ", element " << at[k] << " is " << found[n].data[at[k]] << ", should be "
                                      << static_cast<double>(wanted[k]));
          CHECK_FALSE("the gradient is wrong");
          return;
        }
      }
    }
  }
  std::size_t elements() const {
    std::size_t most = 0;
    for (const Array& x : values_) {
      most = std::max(most, x.data.size());
    }
    return most;
  }
  Array tensor_rounded(const Array& x) const { return array_of(tensor_of(x, kBFloat16)); }

  /// Central differences of the sum of dy y for elements `at` of operand i; NaN where rounding hides them.
  std::vector<double> slopes(const Array& dy, std::size_t i, const std::vector<std::size_t>& at, int exponent) const {
    const Arrays values = pattern_.apply(values_, exponent);
    std::vector<double> result;
    for (const std::size_t e : at) {
      const double x = values[i].data[e];
      const Array above = s_.reference(with_element(s_, values, i, e, x * (1 + kStep)));
      const Array below = s_.reference(with_element(s_, values, i, e, x * (1 - kStep)));
      long double difference = 0;
      long double size = 0;  // of what changed
      for (std::size_t k = 0; k < dy.data.size(); ++k) {
        const bool changed = above.data[k] != below.data[k];
        difference += dy.data[k] * (static_cast<long double>(above.data[k]) - below.data[k]);
        size += changed ? std::abs(static_cast<long double>(dy.data[k]) * above.data[k]) : 0;
      }
      const bool is_seen = std::abs(difference) > 1e-9L * size && size > 0;
      result.push_back(is_seen ? static_cast<double>(difference / (2 * kStep * static_cast<long double>(x)))
                               : std::nan(""));
    }
    return result;
  }

  const Sample& s_;
  const Pattern& pattern_;
  ScalarType dtype_;
  Arrays values_;
  Limits limits_;
};

}  // namespace

TEST_CASE("sweep: operands near the largest and smallest numbers") {
  std::set<std::string> swept;
  for (const Sample* sample : swept_samples(kSamples, kReasons)) {
    const Sample s = with_own_elements(*sample);
    if (s.label.find("f32") != std::string::npos || s.label.find("one_class") != std::string::npos) {
      continue;  // a dtype of its own; a logarithm of 1, of which the reference leaves a rounding error
    }
    INFO(reproduce(s, "sweep: operands near the largest and smallest numbers"));
    for (const Pattern& pattern : patterns_of(s)) {
      if ((pattern.has(-1) && kNotSmall.contains(s.op)) ||
          (pattern.has(1) && pattern.has(0) && kNotMixed.contains(s.op))) {
        continue;
      }
      CAPTURE(pattern.signs);
      for (const ScalarType dtype : kSweptDtypes) {
        CAPTURE(dtype);
        if (Sweep(s, pattern, dtype).run()) {
          swept.insert(s.op);
        }
      }
    }
  }
  check_complete(swept, kReasons);
}

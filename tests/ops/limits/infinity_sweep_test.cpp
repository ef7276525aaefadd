// An infinite element of an operand: where the naive reference has a value there, the operator has the same, and where
// slopes settle far out, the slope at infinity is what they settle at. tests/support/limits*.cpp says by hand what the
// limits of element-wise functions and losses are, whose references are often NaN there.
#include <algorithm>
#include <cmath>
#include <limits>

#include <backflow/ops/operators.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/sweep.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kSamples = 16;  // of an operator
constexpr std::size_t kPlaces = 3;    // of an operand

const Reasons kReasons = {
    {"isfinite", "the reference knows finite numbers only"},
};

constexpr const char* kZeros = "the zeros of padding are multiplied by weights, and dy by what did not count";
constexpr const char* kMeans = "numbers are compared with the mean or norm of all, which is infinite too";

/// Operators whose limits are not taken: the product of a zero and an infinite part, or the quotient of two.
const Reasons kNoLimits = {
    {"conv1d", kZeros},
    {"conv2d", kZeros},
    {"conv3d", kZeros},
    {"convolution", kZeros},
    {"convolution_weight_gradient", kZeros},
    {"conv_transpose1d", kZeros},
    {"conv_transpose2d", kZeros},
    {"conv_transpose3d", kZeros},
    {"floor_divide", "divided by -infinity it is -1, the limit; the reference rounds a quotient of -0"},
    {"div", "its rounding modes, as floor_divide; limits_of_several.cpp has its limits"},
    {"linear_recurrence", "the slope of a factor is a product with a running value, here infinite"},
    {"margin_ranking_loss", "the slope of the target is a product with the difference, here infinite"},
    {"soft_margin_loss", "targets are 1 or -1; without limit for infinite ones"},
    {"std", kMeans},
    {"var", kMeans},
    {"cosine_similarity", kMeans},
    {"cosine_embedding_loss", kMeans},
    {"triplet_margin_loss", "it compares two distances, which are infinite both"},
    {"batch_norm", kMeans},
    {"batch_norm_relu", kMeans},
    {"native_batch_norm", kMeans},
    {"native_batch_norm_relu", kMeans},
    {"group_norm", kMeans},
    {"native_group_norm", kMeans},
    {"instance_norm", kMeans},
    {"layer_norm", kMeans},
    {"native_layer_norm", kMeans},
    {"rms_norm", kMeans},
    {"_fused_rms_norm", kMeans},
};

/// Whether two operands are one tensor: then two parts of a formula are infinite. Or whether a logarithm is 0, that of
/// the only class, and an infinite probability is multiplied by it.
bool has_two_parts(const Sample& s) {
  return s.label.find("one_class") != std::string::npos ||
         std::any_of(s.operands.begin(), s.operands.end(), [](const Operand& o) { return o.same_as >= 0; });
}

double tolerance_of(ScalarType dtype) { return dtype == kFloat64 ? 1e-6 : dtype == kFloat32 ? 1e-4 : 0.06; }

void check_forward(const Sample& s, const Arrays& values, ScalarType dtype) {
  const Array wanted = s.reference(values);
  const Tensor y = result_of(s, operands_of(s, values, dtype));
  if (!y.defined()) {
    return;
  }
  const Array found = array_of(y);
  for (std::size_t k = 0; k < found.data.size() && found.sizes == wanted.sizes; ++k) {
    const double w = wanted.data[k];
    const bool agrees = std::isnan(w) || found.data[k] == w ||
                        std::abs(found.data[k] - w) <= tolerance_of(dtype) * std::max(1.0, std::abs(w));
    if (!agrees) {
      INFO("element " << k << " is " << found.data[k] << ", should be " << w);
      CHECK_FALSE("the value is wrong");
      return;
    }
  }
}

/// The gradients with element e of operand i set to v, of a result in a fixed direction; none where it has none.
Arrays slopes(const Sample& s, const Arrays& values, std::size_t i, std::size_t e, double v, ScalarType dtype) {
  const Tensors operands = operands_of(s, with_element(s, values, i, e, v), dtype);
  const Tensor y = result_of(s, operands);
  if (!y.defined() || !y.requires_grad()) {
    return {};
  }
  const Array dy = array_of(tensor_of(random_array(y.sizes().vec(), "dy"), kBFloat16));
  return gradients_of(s, operands, y, dy);
}

bool near(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)); }

void check_backward(const Sample& s, const Arrays& values, std::size_t i, std::size_t e, int sign, ScalarType dtype) {
  const Arrays first = slopes(s, values, i, e, sign * 0x1p27, kFloat64);
  const Arrays second = slopes(s, values, i, e, sign * 0x1p54, kFloat64);
  const Arrays third = slopes(s, values, i, e, sign * 0x1p81, kFloat64);
  const Arrays found = slopes(s, values, i, e, sign * kInfinity, dtype);
  if (first.size() != found.size() || second.size() != found.size() || third.size() != found.size()) {
    return;
  }
  for (std::size_t n = 0; n < found.size(); ++n) {
    for (std::size_t k = 0; k < found[n].data.size(); ++k) {
      const double settled = third[n].data[k];
      const bool settles = near(first[n].data[k], settled, 1e-5) && near(second[n].data[k], settled, 1e-9);
      if (settles && !near(found[n].data[k], settled, tolerance_of(dtype))) {
        INFO("gradient " << n << ", element " << k << " is " << found[n].data[k] << ", settles at " << settled);
        CHECK_FALSE("the slope is wrong");
        return;
      }
    }
  }
}

}  // namespace

TEST_CASE("sweep: infinite operands have the values and slopes of their limits") {
  std::set<std::string> swept;
  for (const Sample* sample : swept_samples(kSamples, kReasons)) {
    const Sample s = with_own_elements(*sample);
    INFO(reproduce(s, "sweep: infinite operands have the values and slopes of their limits"));
    swept.insert(s.op);
    if (kNoLimits.contains(s.op) || has_two_parts(s)) {
      continue;
    }
    for (const ScalarType dtype : kSweptDtypes) {
      const Arrays values = values_in(s, dtype == kBFloat16 ? kBFloat16 : kFloat32);
      for (const std::size_t i : number_operands(s)) {
        for (const std::size_t e : places(values[i].data.size(), kPlaces)) {
          for (const int sign : {1, -1}) {
            CAPTURE(dtype);
            INFO("element " << e << " of operand " << i << " is " << sign * kInfinity);
            check_forward(s, with_element(s, values, i, e, sign * kInfinity), dtype);
            check_backward(s, values, i, e, sign, dtype);
          }
        }
      }
    }
  }
  check_complete(swept, kReasons);
}

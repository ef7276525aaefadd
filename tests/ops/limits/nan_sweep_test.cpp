// NaN goes through every operator: where an element of the result depends on an element of an operand, that is NaN once
// this is; elsewhere it stays as it was. The same for gradients and the gradient of the result.
#include <algorithm>
#include <cmath>
#include <limits>

#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/sweep.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kSamples = 24;  // of an operator
constexpr std::size_t kPlaces = 4;    // of an operand

const Reasons kReasons = {
    {"sign", "that of NaN is 0, as PyTorch's"},
    {"relu_backward", "the result is a mask, and dy passes where it is NaN"},
    {"sort", "NaN counts as the largest, and the others move up"},
    {"topk", "NaN counts as the largest, and the others move up"},
    {"embedding_renorm", "a row with NaN has no length, and is left as it is"},
};

constexpr const char* kZeros = "weights are multiplied by the zeros of padding";
constexpr const char* kHidden = "the reference is 0 behind a maximum with 0, whatever the operand is";

/// Operators with more NaN than the reference depends on.
const Reasons kSpreads = {
    {"conv1d", kZeros},
    {"conv2d", kZeros},
    {"conv3d", kZeros},
    {"convolution", kZeros},
    {"convolution_weight_gradient", kZeros},
    {"batch_norm_relu", kHidden},
    {"native_batch_norm_relu", kHidden},
    {"cosine_embedding_loss", kHidden},
    {"triplet_margin_loss", kHidden},
    {"clamp", "a bound that is NaN makes NaN, even where the other one holds"},
};

/// Whether NaN means nothing to the call: a norm of order 0 counts what is not 0.
bool counts(const Sample& s) { return s.op == "norm" && s.label.starts_with("0_"); }

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// The same but for the last digits: a normalization computes all again when one of many is NaN.
bool is_kept(double a, double b) { return same(a, b) || std::abs(a - b) <= 0.05 * std::max(1.0, std::abs(b)); }

/// What the naive reference's elements are when element e of operand i is something else: where they change, they
/// depend on it.
std::vector<bool> dependence(const Sample& s, const Arrays& values, std::size_t i, std::size_t e) {
  const Array base = s.reference(values);
  std::vector<bool> depends(base.data.size());
  const Operand& o = s.operands[i];
  for (const double v : {o.low, o.high, (o.low + o.high) / 2, 50.0, -50.0}) {
    const Array other = s.reference(with_element(s, values, i, e, v));
    for (std::size_t k = 0; k < base.data.size() && other.sizes == base.sizes; ++k) {
      depends[k] = depends[k] || !same(other.data[k], base.data[k]);
    }
  }
  return depends;
}

void check_forward(const Sample& s, const Arrays& values, ScalarType dtype, const Tensor& y, std::size_t i,
                   std::size_t e) {
  const std::vector<bool> depends = dependence(s, values, i, e);
  const Tensor found = result_of(s, operands_of(s, with_element(s, values, i, e, kNan), dtype));
  if (!found.defined()) {
    return;  // an Error says so
  }
  const Array after = array_of(found);
  const Array before = array_of(y);
  REQUIRE(after.sizes == before.sizes);
  const Array wanted = s.reference(with_element(s, values, i, e, kNan));
  for (std::size_t k = 0; k < depends.size(); ++k) {
    const bool may_be_nan = std::isnan(wanted.data[k]) || kSpreads.contains(s.op);
    if (depends[k] ? !std::isnan(after.data[k]) : !is_kept(after.data[k], before.data[k]) && !may_be_nan) {
      INFO("element " << k << " is " << after.data[k] << ", without NaN " << before.data[k]);
      CHECK_FALSE((depends[k] ? "NaN was lost" : "NaN came from elsewhere"));
      return;
    }
  }
}

void check_backward(const Sample& s, const Arrays& values, ScalarType dtype) {
  const Tensors in_double = operands_of(s, values, kFloat64);
  const Tensor y = result_of(s, in_double);
  if (!y.defined() || !y.requires_grad()) {
    return;
  }
  const Array dy = random_array(y.sizes().vec(), "dy");
  for (const std::size_t k : places(dy.data.size(), kPlaces)) {
    Array other = dy;
    other.data[k] += 1;
    const Arrays base = gradients_of(s, in_double, s.call(in_double), dy);
    const Arrays moved = gradients_of(s, in_double, s.call(in_double), other);
    other.data[k] = kNan;
    const Tensors operands = operands_of(s, values, dtype);
    const Arrays found = gradients_of(s, operands, s.call(operands), other);
    for (std::size_t i = 0; i < base.size(); ++i) {
      for (std::size_t e = 0; e < base[i].data.size(); ++e) {
        if (!same(base[i].data[e], moved[i].data[e]) && !std::isnan(found[i].data[e])) {
          INFO("dy[" << k << "] = NaN, gradient " << i << ", element " << e << " is " << found[i].data[e]);
          CHECK_FALSE("NaN was lost");
          return;
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("sweep: NaN in an operand is NaN in what depends on it") {
  std::set<std::string> swept;
  const NoGradGuard guard;
  for (const Sample* sample : swept_samples(kSamples, kReasons)) {
    const Sample s = with_own_elements(*sample);
    INFO(reproduce(s, "sweep: NaN in an operand is NaN in what depends on it"));
    for (const ScalarType dtype : kSweptDtypes) {
      CAPTURE(dtype);
      const Arrays values = values_in(s, dtype == kBFloat16 ? kBFloat16 : kFloat32);
      const Tensor y = result_of(s, operands_of(s, values, dtype));
      swept.insert(s.op);
      if (!y.defined() || !y.is_floating_point() || counts(s)) {
        continue;  // truth values and indices are not numbers
      }
      for (const std::size_t i : number_operands(s)) {
        for (const std::size_t e : places(values[i].data.size(), kPlaces)) {
          INFO("NaN in element " << e << " of operand " << i);
          check_forward(s, values, dtype, y, i, e);
        }
      }
    }
  }
  check_complete(swept, kReasons);
}

TEST_CASE("sweep: NaN in dy is NaN in the gradients that depend on it") {
  std::set<std::string> swept;
  for (const Sample* sample : swept_samples(kSamples, kReasons)) {
    const Sample s = with_own_elements(*sample);
    INFO(reproduce(s, "sweep: NaN in dy is NaN in the gradients that depend on it"));
    for (const ScalarType dtype : kSweptDtypes) {
      CAPTURE(dtype);
      const Arrays values = values_in(s, dtype == kBFloat16 ? kBFloat16 : kFloat32);
      if (result_of(s, operands_of(s, values, dtype)).defined()) {
        check_backward(s, values, dtype);
      }
    }
  }
}

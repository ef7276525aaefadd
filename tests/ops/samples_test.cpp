// Every operator sample, in every mode: values, first and second derivatives, dtypes, engines.
#include <cmath>
#include <cstdlib>

#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/threads/threads.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/samples.h>

using namespace backflow;
using namespace backflow::test;

namespace {

/// How central differences are taken of what is computed in a dtype: the step, and how far gradients may be off.
struct Differences {
  double step;
  double tolerance;
};

constexpr Differences differences_in(ScalarType dtype) {
  // In float32 a step of 2^-4 moves a number of [-2, 2] by that to 2^-20 of it; only linear samples go through it.
  return dtype == kFloat64 ? Differences{1e-5, 1e-7} : Differences{1.0 / 16, 1e-5};
}

/// The result for operands of float64, the elements of number `i` moved by about `part` of themselves, each by another.
Tensor moved_result(const Sample& s, std::size_t i, double part) {
  Arrays values = operand_values(s);
  int count = 0;  // one factor for all would leave what is normalized as it is
  values[i] = map(values[i], [&](double v) { return v * (1 + part * (1 + 0.4 * (count++ % 6))); });
  const NoGradGuard guard;
  return s.call(operands_of(s, values, kFloat64));
}

/// The dtype that limits how exact a sample is in operand `i` when it is given float64: float32 if its numbers pass
/// through that, so that what lies below its precision changes nothing, and what lies just above it does.
ScalarType narrowest_dtype(const Sample& s, std::size_t i) {
  const Tensor y = moved_result(s, i, 0);
  const bool coarse = bitwise_equal(moved_result(s, i, 0x1p-40), y) && !bitwise_equal(moved_result(s, i, 0x1p-20), y);
  return coarse ? kFloat32 : kFloat64;
}

/// A fixed random direction of the shape and dtype of `x`.
Tensor direction(const Tensor& x, const std::string& key) {
  return tensor_of(random_array(x.sizes().vec(), key), x.scalar_type());
}

Tensors differentiable(const Sample& s, const Tensors& operands) {
  Tensors result;
  for (const std::size_t i : differentiable_operands(s)) {
    result.push_back(operands[i]);
  }
  return result;
}

/// The operands with element e of operand i moved by `step`, and with it those that are the same tensor.
Arrays moved(const Sample& s, Arrays values, std::size_t i, std::size_t e, double step) {
  values[i].data[e] += step;
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (s.operands[k].same_as == static_cast<int>(i)) {
      values[k].data[e] += step;
    }
  }
  return values;
}

/// The sample with every operand row-major, so that each element can be moved alone.
Sample plain(Sample s) {
  for (Operand& o : s.operands) {
    o.layout = Layout::Contiguous;
  }
  return s;
}

/// Central differences of f(values) with respect to every element of the differentiable operands.
Arrays differences(const Sample& s, const Arrays& values, const std::function<double(const Arrays&)>& f) {
  Arrays result;
  for (const std::size_t i : differentiable_operands(s)) {
    const double step = differences_in(narrowest_dtype(s, i)).step;
    Array d = array_of(values[i].sizes);
    for (std::size_t e = 0; e < d.data.size(); ++e) {
      d.data[e] = (f(moved(s, values, i, e, step)) - f(moved(s, values, i, e, -step))) / (2 * step);
    }
    result.push_back(d);
  }
  return result;
}

double inner_product(const Tensor& a, const Tensor& b) {
  const Array x = array_of(a);
  const Array y = array_of(b);
  double total = 0;
  for (std::size_t i = 0; i < x.data.size(); ++i) {
    total += x.data[i] * y.data[i];
  }
  return total;
}

/// The gradients of the sample's result in a fixed direction.
Tensors gradients(const Sample& s, const Tensors& operands, bool create_graph = false) {
  const Tensor y = s.call(operands);
  return autograd::grad({y}, differentiable(s, operands), {direction(y, "dy")}, std::nullopt, create_graph);
}

/// The sum over operands of their gradients, each in a fixed direction: what second derivatives are taken of.
double gradient_sum(const Sample& s, const Arrays& values) {
  const Tensors g = gradients(s, operands_of(s, values, kFloat64));
  double total = 0;
  for (const Tensor& x : g) {
    total += inner_product(x, direction(x, "ddx"));
  }
  return total;
}

/// With a tolerance for each of the differentiable operands.
void check_close(const Tensors& found, const Arrays& expected, const std::vector<double>& tolerances) {
  REQUIRE(found.size() == expected.size());
  REQUIRE(found.size() == tolerances.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("differentiable operand " << i << " of dtype " << found[i].scalar_type());
    CHECK(distance(array_of(found[i]), expected[i]) <= tolerances[i]);
  }
}

/// What central differences of a number `f` are good for, for each of the sample's differentiable operands: the two
/// values that are subtracted are each off by some units in the last place of `f`.
std::vector<double> tolerances_of_differences(const Sample& s, double f) {
  std::vector<double> tolerances;
  for (const std::size_t i : differentiable_operands(s)) {
    const auto [step, tolerance] = differences_in(narrowest_dtype(s, i));
    tolerances.push_back(tolerance + 4 * std::numeric_limits<double>::epsilon() * std::abs(f) / step);
  }
  return tolerances;
}

bool has_nan(const Sample& s) {
  for (const double v : s.reference(operand_values(s)).data) {
    if (std::isnan(v)) {
      return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("samples: forward agrees with the reference") {
  for (const Sample& s : samples()) {
    INFO(reproduce(s, "samples: forward agrees with the reference"));
    const Arrays values = operand_values(s);
    const Array expected = s.reference(values);
    for (const ScalarType dtype : {kFloat64, kFloat32}) {
      const Tensor y = s.call(operands_of(s, values, dtype));
      CAPTURE(dtype);
      CHECK(distance(array_of(y), expected) <= (dtype == kFloat64 ? 1e-13 : 1e-6) * s.tolerance);
      CHECK(y.requires_grad() == s.differentiable);
      const NoGradGuard guard;
      CHECK(bitwise_equal(s.call(operands_of(s, values, dtype)), y));
    }
  }
}

TEST_CASE("samples: gradient agrees with central differences") {
  for (const Sample& s : samples()) {
    if (!s.differentiable || has_nan(s)) {
      continue;
    }
    INFO(reproduce(s, "samples: gradient agrees with central differences"));
    const Arrays values = operand_values(s);
    const Sample moving = plain(s);
    const auto result_in_direction = [&](const Arrays& at) {
      const NoGradGuard guard;
      const Tensor y = moving.call(operands_of(moving, at, kFloat64));
      return inner_product(y, direction(y, "dy").to(kFloat64));
    };
    check_close(gradients(s, operands_of(s, values, kFloat64)), differences(s, values, result_in_direction),
                tolerances_of_differences(s, result_in_direction(values)));
  }
}

TEST_CASE("samples: second derivative agrees with differences of the first") {
  for (const Sample& s : samples()) {
    if (!s.differentiable || has_nan(s)) {
      continue;
    }
    INFO(reproduce(s, "samples: second derivative agrees with differences of the first"));
    const Arrays values = operand_values(s);
    const Sample moving = plain(s);
    const auto gradient_in_direction = [&](const Arrays& at) { return gradient_sum(moving, at); };
    const Arrays expected = differences(s, values, gradient_in_direction);
    const Tensors operands = operands_of(s, values, kFloat64);
    Tensors recorded;
    Tensors directions;
    for (const Tensor& g : gradients(s, operands, true)) {
      if (g.requires_grad()) {
        recorded.push_back(g);
        directions.push_back(direction(g, "ddx"));
      }
    }
    Tensors found(expected.size());
    if (!recorded.empty()) {
      found = autograd::grad(recorded, differentiable(s, operands), directions, std::nullopt, false, true);
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
      found[i] = found[i].defined() ? found[i] : tensor_of(array_of(expected[i].sizes), kFloat64);
    }
    check_close(found, expected, tolerances_of_differences(s, gradient_in_direction(values)));
  }
}

TEST_CASE("samples: those that pass through float32 are few and known") {
  std::vector<std::string> found;
  for (const Sample& s : samples()) {
    for (const std::size_t i : s.differentiable ? differentiable_operands(s) : std::vector<std::size_t>{}) {
      if (narrowest_dtype(s, i) == kFloat32) {
        found.push_back(to_text(s.title(), " of operand ", i));
      }
    }
  }
  if (std::getenv("BACKFLOW_SAMPLE") == nullptr) {
    CHECK(found == std::vector<std::string>{"to/f32_contiguous of operand 0", "to/f32_transposed of operand 0",
                                            "to/f32_strided of operand 0", "to/f32_expanded of operand 0",
                                            "stack/f32_promoted of operand 0", "cat/f32_promoted of operand 1"});
  }
}

TEST_CASE("samples: float32 gradient agrees with float64") {
  for (const Sample& s : samples()) {
    if (!s.differentiable || has_nan(s)) {
      continue;
    }
    INFO(reproduce(s, "samples: float32 gradient agrees with float64"));
    const Arrays values = operand_values(s);
    Arrays expected;
    for (const Tensor& g : gradients(s, operands_of(s, values, kFloat64))) {
      expected.push_back(array_of(g));
    }
    const Tensors found = gradients(s, operands_of(s, values, kFloat32));
    for (const Tensor& g : found) {
      CHECK(g.scalar_type() == kFloat32);
    }
    check_close(found, expected, std::vector<double>(found.size(), 4e-6 * s.tolerance));
  }
}

TEST_CASE("samples: gradients are the same bits on both engines and 1, 2, 8 threads") {
  const int threads = get_num_threads();
  FlowEngine flow(FlowEngine::Use::Always);
  SerialEngine serial;
  std::vector<Tensors> expected;
  for (const int n : {1, 2, 8}) {
    set_num_threads(n);
    for (std::size_t i = 0; i < samples().size(); ++i) {
      const Sample& s = samples()[i];
      if (!s.differentiable) {
        expected.resize(samples().size());
        continue;
      }
      INFO(reproduce(s, "samples: gradients are the same bits on both engines and 1, 2, 8 threads"));
      CAPTURE(n);
      const Tensors operands = operands_of(s, operand_values(s), kFloat32);
      expected.resize(samples().size());
      if (n == 1) {
        const EngineGuard guard(serial);
        expected[i] = gradients(s, operands);
      }
      const EngineGuard guard(flow);
      CHECK(bitwise_equal(gradients(s, operands), expected[i]));
    }
  }
  set_num_threads(threads);
}

// equal and allclose: shapes, dtypes, strides, NaN and infinities.
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/elementwise/comparison.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/arrays.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("equal: shape and every value") {
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
  CHECK(equal(x, x.clone()));
  CHECK(x.equal(x.t().clone().t()));
  CHECK_FALSE(equal(x, x.t()));
  CHECK_FALSE(equal(x, x.view({4})));
  CHECK_FALSE(equal(x, x[0]));
  CHECK(equal(x, x.to(kFloat64)));
  CHECK(equal(tensor({1, 2}), tensor({1.0, 2.0})));
  CHECK_FALSE(equal(tensor({1, 2}), tensor({1.0, 2.5})));
  CHECK(equal(tensor({0.0}), tensor({-0.0})));
  CHECK_FALSE(equal(tensor({kNan}), tensor({kNan})));
  CHECK(equal(zeros({0, 3}), zeros({0, 3})));
  CHECK_FALSE(equal(zeros({0, 3}), zeros({3, 0})));
  CHECK(equal(zeros({}), zeros({})));
  CHECK_THROWS_WITH(equal(x, Tensor()), StartsWith("tensor: undefined"));
  for (const Layout layout : {Layout::Transposed, Layout::Strided, Layout::Expanded}) {
    const Tensor w = tensor_of(random_array({5, 7, 3}, "w"), kFloat32, layout);
    CHECK(equal(w, w.clone()));
    const Tensor changed = w.clone();
    changed[4][6][2].add_(1);
    CHECK_FALSE(equal(w, changed));
    CHECK_FALSE(allclose(changed, w));
  }
}

TEST_CASE("allclose: relative to the second operand, broadcast") {
  const Tensor x = tensor({1.0, 100.0}, kFloat64);
  CHECK(allclose(x, x * (1 + 0.9e-5)));
  CHECK_FALSE(x.allclose(x * (1 + 1.1e-5)));
  CHECK(x.allclose(x + 0.5, 0, 0.6));
  CHECK_FALSE(x.allclose(x + 0.5, 0.3, 0));
  CHECK(allclose(tensor({0.0}), tensor({9e-9})));
  CHECK(allclose(ones({3, 2}), ones({2})));
  CHECK(allclose(zeros({0}), zeros({1})));
  CHECK(allclose(tensor({kInf, -kInf}), tensor({kInf, -kInf})));
  CHECK_FALSE(allclose(tensor({kInf}), tensor({-kInf})));
  CHECK_FALSE(allclose(tensor({1.0}), tensor({kInf})));
  CHECK_FALSE(allclose(tensor({kNan}), tensor({kNan})));
  CHECK(allclose(tensor({kNan, 1.0}), tensor({kNan, 1.0}), 1e-5, 1e-8, true));
  CHECK_FALSE(allclose(tensor({kNan, 1.0}), tensor({1.0, kNan}), 1e-5, 1e-8, true));
  CHECK(allclose(tensor({100000}), tensor({100001})));
  CHECK_FALSE(allclose(tensor({1000}), tensor({1001})));
  CHECK_THROWS_WITH(allclose(x, x.to(kFloat32)), Equals("allclose: f64[2] and f32[2]: need equal dtypes; to() "
                                                        "converts"));
  CHECK_THROWS_WITH(allclose(x, x, -1), Equals("allclose: rtol -1, atol 1e-08: need tolerances of 0 or more"));
  CHECK_THROWS_WITH(allclose(x, zeros({3}, kFloat64)), StartsWith("allclose: shapes do not broadcast"));
}

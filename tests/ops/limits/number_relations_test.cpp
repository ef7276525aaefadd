// Relations with numbers that a dtype can't hold: those of the numbers themselves.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/catch2.h>

using namespace backflow;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

}  // namespace

TEST_CASE("limits: a relation with a number is that of the numbers") {
  struct Case {
    Tensor x;
    Scalar number;
    int sign;  // of x - number
  };
  const std::vector<Case> cases = {
      {tensor({44}, kUInt8), 300, -1},
      {tensor({255}, kUInt8), 255, 0},
      {tensor({255}, kUInt8), 256, -1},
      {tensor({253}, kUInt8), -3, 1},
      {tensor({0}, kUInt8), -256, 1},
      {tensor({1}, kInt), (1LL << 32) + 1, -1},
      {tensor({-1294967296}, kInt), 3000000000, -1},
      {tensor({2147483647}, kInt), -2147483649, 1},
      {tensor({true}), 256, -1},
      {tensor({(1LL << 53) + 1}), 1LL << 53, 1},
      {tensor({1}, kInt), 1e300, -1},
      {tensor({1}), -kInf, 1},
      {tensor({std::numeric_limits<float>::max()}), 1e300, -1},
      {tensor({kInf}), 1e300, 1},
      {tensor({-kInf}), -1e300, -1},
      {tensor({-kInf}), -kInf, 0},
      {tensor({1.0}).to(kBFloat16), 3.4e38, -1},
      {tensor({kInf}).to(kBFloat16), 1e39, 1},
      {tensor({1e300}, kFloat64), 1e300, 0},
  };
  for (const Case& c : cases) {
    const auto holds = [](const Tensor& y) { return y.item<bool>(); };
    INFO(c.x << " and " << c.number.toDouble());
    CHECK(holds(c.x == c.number) == (c.sign == 0));
    CHECK(holds(c.x != c.number) == (c.sign != 0));
    CHECK(holds(c.x < c.number) == (c.sign < 0));
    CHECK(holds(c.x <= c.number) == (c.sign <= 0));
    CHECK(holds(c.x > c.number) == (c.sign > 0));
    CHECK(holds(c.x >= c.number) == (c.sign >= 0));
    CHECK(holds(c.number > c.x) == (c.sign < 0));
  }
  const Tensor nan = tensor({kNan});
  CHECK_FALSE((nan == 1e300).item<bool>());
  CHECK((nan != 1e300).item<bool>());
  CHECK_FALSE((nan < 1e300).item<bool>());
  CHECK_FALSE((nan >= -1e300).item<bool>());
}

TEST_CASE("limits: a relation with a tensor without dimensions is that of the numbers") {
  const Tensor bytes = tensor({44, 253}, kUInt8);
  CHECK((bytes == tensor(300)).equal(tensor({false, false})));
  CHECK((bytes < tensor(300)).equal(tensor({true, true})));
  CHECK((tensor(-3) < bytes).equal(tensor({true, true})));
  CHECK((tensor({7}, kInt) == tensor((1LL << 32) + 7)).equal(tensor({false})));
  const Tensor reals = tensor({kInf, 1.0});
  CHECK((reals == tensor(1e300, kFloat64)).equal(tensor({false, false})));
  CHECK((tensor(1e300, kFloat64) < reals).equal(tensor({true, false})));
  CHECK((tensor(-1e300, kFloat64) <= reals).equal(tensor({true, true})));
  CHECK(logical_and(bytes, tensor(256)).equal(tensor({true, true})));
  CHECK(logical_and(tensor({1.0, 0.0}), tensor(1e-300, kFloat64)).equal(tensor({true, false})));
}

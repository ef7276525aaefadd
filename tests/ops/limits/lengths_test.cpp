// Lengths and places that follow from whole numbers: exact where a quotient of floating-point numbers would not be.
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSmallest = std::numeric_limits<std::int64_t>::min();

}  // namespace

TEST_CASE("lengths: arange of integers beyond 2^53") {
  CHECK(arange(1LL << 53, (1LL << 53) + 1).equal(tensor({1LL << 53})));
  const Tensor five = arange(1LL << 62, (1LL << 62) + 5);
  REQUIRE(five.numel() == 5);
  CHECK((five - (1LL << 62)).equal(tensor({0, 1, 2, 3, 4})));
  CHECK(arange(kLargest - 2, kLargest).equal(tensor({kLargest - 2, kLargest - 1})));
  CHECK(arange(kSmallest + 2, kSmallest, -1).equal(tensor({kSmallest + 2, kSmallest + 1})));
  // From end to end in three steps: the distance is 2^64 - 1.
  CHECK(arange(kSmallest, kLargest, kLargest).equal(tensor({kSmallest, std::int64_t{-1}, kLargest - 1})));
  CHECK(arange(kLargest, kSmallest, kSmallest).equal(tensor({kLargest, std::int64_t{-1}})));
  CHECK(arange(1LL << 53, (1LL << 53) + 1, kFloat64).numel() == 1);
  CHECK(arange(7, 7).numel() == 0);
  CHECK(arange(0, 7, 3).equal(tensor({0, 3, 6})));
  CHECK(arange(0, 6, 3).equal(tensor({0, 3})));
  check_all({
      {"arange: from -9223372036854775808 to 9223372036854775807 by 1: need fewer elements",
       [] { arange(kSmallest, kLargest); }},
      {"arange: from 0 to inf by 1: need fewer elements", [] { arange(std::numeric_limits<double>::infinity()); }},
      {"arange: from 0 to 3 by 0: need a step other than 0 that leads from one to the other", [] { arange(0, 3, 0); }},
      {"arange: from nan to 3 by 1: need a step other than 0 that leads from one to the other",
       [] { arange(std::nan(""), 3); }},
      {"arange: number 259 as u8: need one from 0 to 255", [] { arange(250, 260, kUInt8); }},
      {"arange: number 3000000000 as i32: need one from -2147483648 to 2147483647",
       [] { arange(3000000000, 3000000002, kInt); }},
  });
  CHECK(arange(250, 256, kUInt8).equal(tensor({250, 251, 252, 253, 254, 255}, kUInt8)));
}

TEST_CASE("lengths: linspace of integers cuts the exact numbers") {
  // 2 i / 98 is i / 49: 0 below 49, 1 from there on, 2 at the end.
  const Tensor y = linspace(0, 2, 99, kLong);
  for (std::int64_t i = 0; i < 99; ++i) {
    INFO("element " << i);
    CHECK(y[i].item<std::int64_t>() == i / 49);
  }
  for (std::int64_t steps = 2; steps < 200; ++steps) {
    CHECK(linspace(0, steps - 1, steps, kInt).equal(arange(steps, kInt)));
    CHECK(linspace(steps - 1, 0, steps, kLong).equal(arange(steps - 1, -1, -1)));
  }
  CHECK(linspace(-3, 3, 5, kLong).equal(tensor({-3, -1, 0, 1, 3})));  // -1.5 and 1.5 towards zero
  CHECK(linspace(kSmallest, kLargest, 3, kLong).equal(tensor({kSmallest, std::int64_t{0}, kLargest})));
  CHECK(linspace(5, 9, 1, kLong).equal(tensor({5})));
  CHECK(linspace(5, 9, 0, kLong).numel() == 0);
}

TEST_CASE("lengths: linspace of reals has both ends, and stays finite") {
  for (const ScalarType dtype : {kBFloat16, kFloat32, kFloat64}) {
    for (std::int64_t steps = 2; steps < 100; ++steps) {
      const Tensor y = linspace(0.1, 0.7, steps, dtype);
      INFO(dtype << ", " << steps << " steps");
      CHECK(y[0].equal(tensor(0.1, kFloat64).to(dtype)));
      CHECK(y[-1].equal(tensor(0.7, kFloat64).to(dtype)));
    }
  }
  constexpr double kMost = std::numeric_limits<double>::max();
  CHECK(bitwise_equal(linspace(-kMost, kMost, 3, kFloat64), tensor({-kMost, 0.0, kMost}, kFloat64)));
}

TEST_CASE("lengths: nearest resampling takes floor(i size / resampled)") {
  for (const ScalarType dtype : {kBFloat16, kFloat32, kFloat64}) {
    for (std::int64_t size = 1; size <= 5; ++size) {
      for (std::int64_t to = 1; to <= 130; ++to) {
        const Tensor y = upsample_nearest1d(arange(size, dtype).view({1, 1, size}), to, std::nullopt).view({to});
        Tensor expected = arange(to);
        expected = (expected * size).floor_divide(to).to(dtype);
        INFO(dtype << ", " << size << " to " << to);
        CHECK(y.equal(expected));
      }
    }
  }
}

TEST_CASE("lengths: nearest resampling by a whole factor repeats elements") {
  for (std::int64_t factor = 1; factor <= 130; ++factor) {
    const Tensor x = tensor({{{0.0, 1.0, 2.0}}});
    const Tensor y = upsample_nearest1d(x, 3 * factor, static_cast<double>(factor)).view({3, factor});
    INFO("factor " << factor);
    CHECK(y.equal(tensor({{0.0}, {1.0}, {2.0}}).expand({3, factor})));
    // And back, by the factor 1 / factor.
    CHECK(upsample_nearest1d(y.reshape({1, 1, -1}), 3, 1 / static_cast<double>(factor)).equal(x));
  }
}

TEST_CASE("lengths: linear resampling of a ramp is a ramp") {
  // With the corners aligned, element i of `to` is at i (size - 1) / (to - 1), where the ramp has that value.
  for (const ScalarType dtype : {kFloat32, kFloat64}) {
    for (std::int64_t to = 2; to <= 100; ++to) {
      const Tensor y = upsample_linear1d(arange(3, dtype).view({1, 1, 3}), to, true, std::nullopt).view({to});
      for (std::int64_t i = 0; i < to; ++i) {
        const double place = static_cast<double>(2 * i) / static_cast<double>(to - 1);
        const double found = y[i].item<double>();
        INFO(dtype << ", element " << i << " of " << to);
        CHECK(std::abs(found - place) <= (dtype == kFloat32 ? 0x1p-23 : 0x1p-52));
        CHECK((2 * i % (to - 1) != 0 || found == place));  // on an element
      }
    }
  }
}

TEST_CASE("lengths: centers that lie on an element are that element") {
  // Element i of 3 n lies in the middle of cell i / 3 for i = 3 k + 1, for linear and cubic alike.
  for (std::int64_t n = 1; n <= 60; ++n) {
    const Tensor x = arange(n, kFloat32).view({1, 1, 1, n});
    for (const bool cubic : {false, true}) {
      const Tensor y = cubic ? upsample_bicubic2d(x, {1, 3 * n}, false, std::nullopt, std::nullopt)
                             : upsample_bilinear2d(x, {1, 3 * n}, false, std::nullopt, std::nullopt);
      INFO(n << " elements, cubic " << cubic);
      CHECK(y.view({n, 3}).select(1, 1).equal(x.view({n})));
    }
  }
}

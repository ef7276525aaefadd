// Bounds of random numbers that a dtype can't hold, or that are no numbers.
#include <cmath>
#include <limits>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/creation/random.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/support/arrays.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

}  // namespace

TEST_CASE("random bounds: uniform numbers") {
  const std::string most = ": need one from -3.40282e+38 to 3.40282e+38, or an infinite one";
  check_all({
      {"uniform_: [-3e+38, 3e+38): need a length that f32 holds", [] { f32({4}).uniform_(-3e38, 3e38); }},
      {"uniform_: [-1e+308, 1e+308): need a length that f64 holds", [] { f64({4}).uniform_(-1e308, 1e308); }},
      {"uniform_: [-3e+38, 3e+38): need a length that bf16 holds", [] { zeros({4}, kBFloat16).uniform_(-3e38, 3e38); }},
      {"uniform_: number 1e+39 as f32" + most, [] { f32({4}).uniform_(0, 1e39); }},
      {"uniform_: [0, inf): need finite numbers", [] { f32({4}).uniform_(0, kInf); }},
      {"uniform_: [-inf, 0): need finite numbers", [] { f64({4}).uniform_(-kInf, 0); }},
      {"uniform_: [inf, inf): need finite numbers", [] { f32({4}).uniform_(kInf, kInf); }},
      {"uniform_: [nan, 1): need from <= to", [] { f32({4}).uniform_(kNan, 1); }},
      {"uniform_: [0, nan): need from <= to", [] { f32({4}).uniform_(0, kNan); }},
      {"uniform_: [2, 1): need from <= to", [] { f32({4}).uniform_(2, 1); }},
  });
  // Up to the limit, numbers spread over the interval.
  manual_seed(5);
  for (const ScalarType dtype : {kFloat32, kFloat64, kBFloat16}) {
    const double end = dtype == kFloat64 ? 0x1.fp1022 : 0x1.fp126;
    const Tensor x = zeros({1000}, dtype).uniform_(-end, end);
    const Tensor positive = (x > 0).to(kInt64).sum();
    CHECK(isfinite(x).all().item<bool>());
    CHECK(std::abs(positive.item<std::int64_t>() - 500) < 100);
  }
  CHECK(f32({2}).uniform_(3e38, 3e38).equal(full({2}, 3e38)));
}

TEST_CASE("random bounds: normal numbers") {
  check_all({
      {"normal_: standard deviation -1: need a number >= 0", [] { f32({4}).normal_(0, -1); }},
      {"normal_: standard deviation nan: need a number >= 0", [] { f32({4}).normal_(0, kNan); }},
      {"normal_: mean 0, standard deviation inf: need finite numbers", [] { f32({4}).normal_(0, kInf); }},
      {"normal_: mean nan, standard deviation 1: need finite numbers", [] { f64({4}).normal_(kNan, 1); }},
      {"normal_: number 1e+39 as f32: need one from -3.40282e+38 to 3.40282e+38, or an infinite one",
       [] { f32({4}).normal_(1e39, 1); }},
  });
  CHECK(f32({2}).normal_(3, 0).equal(full({2}, 3.0)));
}

TEST_CASE("random bounds: whole numbers, permutations and probabilities") {
  check_all({
      {"randint: 299 as bf16: need numbers that the dtype holds", [] { randint(300, 2, kBFloat16); }},
      {"randint: 16777217 as f32: need numbers that the dtype holds", [] { randint(0, 16777218, 2, kFloat32); }},
      {"randint: -16777217 as f32: need numbers that the dtype holds", [] { randint(-16777217, 2, 2, kFloat32); }},
      {"randperm: 299 as bf16: need numbers that the dtype holds", [] { randperm(300, kBFloat16); }},
      {"randint: -1 as u8: need numbers that the dtype holds", [] { randint(-1, 2, 2, kUInt8); }},
      {"bernoulli: probability nan: need one in [0, 1]", [] { bernoulli(f32({2}), kNan); }},
      {"bernoulli: probability nan at 0: need one in [0, 1]", [] { bernoulli(full({1}, kNan)); }},
      {"dropout: probability nan: need one in [0, 1]", [] { dropout(f32({2}), kNan, true); }},
      {"dropout: probability nan: need one in [0, 1]", [] { dropout(f32({2}), kNan, false); }},
      {"alpha_dropout: probability inf: need one in [0, 1]", [] { alpha_dropout(f32({2}), kInf, true); }},
  });
  CHECK(randint(16777217, 2, kFloat32).scalar_type() == kFloat32);
  CHECK(randperm(257, kBFloat16).to(kFloat64).sum().item<double>() == 256 * 257 / 2);
}

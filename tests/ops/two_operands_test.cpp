// Division, relations and choices: mistakes and special numbers.
#include <cmath>
#include <limits>

#include <backflow/ops/operators.h>

#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: division") {
  const Tensor zeros_and_ones = tensor({0, 1});
  check_all({
      {"floor_divide: a divisor in i64[2] is 0: need others for integers; floating-point numbers give inf or NaN",
       [&] { floor_divide(i64({2}), zeros_and_ones); }},
      {"fmod: a divisor in i64[] is 0: need others for integers; floating-point numbers give inf or NaN",
       [] { fmod(i64({2}), 0); }},
      {"remainder: a divisor in i64[2] is 0: need others for integers; floating-point numbers give inf or NaN",
       [&] { i64({2}).remainder_(zeros_and_ones); }},
      {"div: rounding mode 'up': need 'floor', 'trunc' or none", [] { div(f32({2}), f32({2}), "up"); }},
      {"trunc_divide: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] { div(f32({2}), f32({3}), "trunc"); }},
      {"sub: bool[2]: need numbers; to(kInt64) gives them", [] { zeros({2}, kBool) - zeros({2}, kBool); }},
      {"add: alpha 0.5 for i64[2] and i64[2]: need an integer for integers", [] { i64({2}).add(i64({2}), 0.5); }},
      {"bitwise_and: dtype f32: need integers or truth values", [] { f32({2}) & f32({2}); }},
  });
}

TEST_CASE("errors: choices and sums of three operands") {
  check_all({
      {"where: condition f32[2]: need bool; a comparison gives one", [] { where(f32({2}), f32({2}), f32({2})); }},
      {"where: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] { where(zeros({2}, kBool), f32({3}), f32({1})); }},
      {"maximum: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] { maximum(f32({2}), f32({3})); }},
      {"lerp: f32[2], f64[2] and weight f32[]: need tensors of one floating-point dtype",
       [] { lerp(f32({2}), f64({2}), 0.5); }},
      {"addcdiv: dtype i64: need floating-point tensors; to(kFloat32) gives one",
       [] { addcdiv(i64({2}), i64({2}), i64({2})); }},
      {"addcmul: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] { addcmul(f32({2}), f32({2}), f32({3})); }},
  });
}

TEST_CASE("relations: NaN is unequal to all, masks join") {
  const Tensor x = tensor({-1.0, 0.5, std::nan(""), 2.0});
  CHECK((x == x).equal(tensor({true, true, false, true})));
  CHECK((x != x).equal(tensor({false, false, true, false})));
  CHECK(((x > 0) & (x < 1)).equal(tensor({false, true, false, false})));
  CHECK((1 > x).equal(tensor({true, true, false, false})));
  CHECK(where(x > 0, x, 0.0).equal(tensor({0.0, 0.5, 0.0, 2.0})));
}

TEST_CASE("division: integers as in Python, at the ends too") {
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  CHECK(floor_divide(tensor({-7, 7, 7}), tensor({2, -2, 2})).equal(tensor({-4, -4, 3})));
  CHECK(remainder(tensor({-7, 7, 7}), tensor({2, -2, 2})).equal(tensor({1, -1, 1})));
  CHECK(fmod(tensor({-7, 7, 7}), tensor({2, -2, 2})).equal(tensor({-1, 1, 1})));
  CHECK(floor_divide(full({1}, least), -1).equal(full({1}, least)));
  CHECK(remainder(full({1}, least), -1).equal(tensor({0})));
  CHECK(pow(tensor({2, -3, 2}), tensor({10, 3, -1})).equal(tensor({1024, -27, 0})));
  CHECK(div(tensor({1.0}), 0, "floor").equal(tensor({INFINITY})));
}

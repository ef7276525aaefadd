// Mistakes of the caller of functions of one operand, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: functions of one operand") {
  check_all({
      {"abs: dtype bool: need numbers; to(kInt64) gives them", [] { abs(zeros({2}, kBool)); }},
      {"floor: dtype bool: need numbers; to(kInt64) gives them", [] { floor(zeros({2}, kBool)); }},
      {"round: dtype i64: need floating-point numbers; to(kFloat32) gives them", [] { round(i64({2}), 1); }},
      {"frac: dtype i64: need floating-point numbers; to(kFloat32) gives them", [] { frac(i64({2})); }},
      {"erf_: the result is f32, the tensor i64[2]: need a floating-point tensor for it", [] { i64({2}).erf_(); }},
      {"logit_: the result is f32, the tensor i64[2]: need a floating-point tensor for it",
       [] { i64({2}).logit_(0.1); }},
      {"tan_: f32[3, 2] has elements that share memory: need a tensor whose elements are its own; clone() gives one",
       [] {
         f32({2}).expand({3, 2}).tan_();
       }},
  });
}

TEST_CASE("errors: activations") {
  check_all({
      {"gelu: approximate 'erf': need 'none' or 'tanh'", [] { gelu(f32({2}), "erf"); }},
      {"gelu: dtype i64: need floating-point numbers; to(kFloat32) gives them", [] { gelu(i64({2})); }},
      {"selu: dtype i64: need floating-point numbers; to(kFloat32) gives them", [] { selu(i64({2})); }},
      {"elu: dtype i32: need floating-point numbers; to(kFloat32) gives them", [] { elu(zeros({2}, kInt32)); }},
      {"leaky_relu: dtype bool: need floating-point numbers; to(kFloat32) gives them",
       [] { leaky_relu(zeros({2}, kBool)); }},
      {"relu6: dtype bool: need numbers; to(kInt64) gives them", [] { relu6(zeros({2}, kBool)); }},
      {"hardtanh: dtype u8: need signed numbers; clamp() takes bytes", [] { hardtanh(zeros({2}, kUInt8)); }},
  });
}

TEST_CASE("errors: bounds that are tensors") {
  check_all({
      {"clamp: f32[2] without bounds: need a minimum or a maximum", [] { clamp(f32({2}), Tensor()); }},
      {"clamp: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] { clamp(f32({2}), f32({3})); }},
      {"clamp: dtype bool: need numbers; to(kInt64) gives them", [] { clamp(zeros({2}, kBool), zeros({2}, kBool)); }},
      {"clamp_min_: the result has shape [3, 2], the tensor f32[2]: need equal shapes, since the tensor keeps its own",
       [] {
         f32({2}).clamp_min_(f32({3, 2}));
       }},
      {"clamp_max_: the result is f64, the tensor i64[2]: need a floating-point tensor for it",
       [] { i64({2}).clamp_max_(f64({2})); }},
  });
}

// Mistakes of the caller in reductions, scans and sorts, and the exact message that each gives.
#include <backflow/ops/operators.h>

#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: reductions over dimensions") {
  check_all({
      {"prod: dimension 2 of a tensor with 2 dimensions: need one in [-2, 1]",
       [] {
         f32({2, 3}).prod(2);
       }},
      {"any: dimension 1 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32({2}).any(1); }},
      {"mean: i64[2]: need a floating-point tensor; to(kFloat32) gives one", [] { i64({2}).mean(0); }},
      {"max: f32[2, 0] over dimension 1: need one of size 1 or more",
       [] {
         f32({2, 0}).max();
       }},
      {"min: f32[2, 0] over dimension 1: need one of size 1 or more",
       [] {
         f32({2, 0}).min(1);
       }},
      {"amax: f32[2, 0] over dimension 1: need one of size 1 or more",
       [] {
         f32({2, 0}).amax(-1);
       }},
      {"argmax: f32[0] has no elements: need some, or a dimension", [] { f32({0}).argmax(); }},
      {"argmin: f32[0] over dimension 0: need one of size 1 or more", [] { f32({0}).argmin(0); }},
      {"var: i64[2]: need a floating-point tensor; to(kFloat32) gives one", [] { i64({2}).var(); }},
      {"std: dimension -2 of f32[2, 3] is listed twice in [0, -2]: need each once",
       [] {
         f32({2, 3}).std({0, -2}, true);
       }},
      {"norm: i64[2]: need a floating-point tensor; to(kFloat32) gives one", [] { i64({2}).norm(); }},
      {"logsumexp: dimension 3 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32({2}).logsumexp(3); }},
  });
}

TEST_CASE("errors: softmax, scans and sorts") {
  check_all({
      {"softmax: dtype i64: need a floating-point one; the argument dtype gives one", [] { i64({2}).softmax(0); }},
      {"log_softmax: dtype i64: need a floating-point one; the argument dtype gives one",
       [] { i64({2}).log_softmax(0); }},
      {"softmax: dimension 1 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32({2}).softmax(1); }},
      {"_softmax_backward_data: gradient f32[2], output f32[3]: need one shape and one floating-point dtype",
       [] { _softmax_backward_data(f32({2}), f32({3}), 0, kFloat32); }},
      {"cumsum: dimension 1 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32({2}).cumsum(1); }},
      {"cumsum_: dtype f64, the tensor f32[2]: need the tensor's own", [] { f32({2}).cumsum_(0, kFloat64); }},
      {"linear_recurrence: input f32[2], factor f32[3]: need one shape and one floating-point dtype",
       [] { linear_recurrence(f32({2}), f32({3}), 0); }},
      {"sort: dimension -2 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32({2}).sort(-2); }},
      {"topk: 4 of f32[3] along dimension 0: need one in [0, 3]", [] { f32({3}).topk(4); }},
      {"value_selecting_reduction: index 3: need one in [0, 2]",
       [] { value_selecting_reduction(f32({3}), 0, full({1}, 3), true); }},
      {"value_selecting_reduction_backward: index -1: need one in [0, 2]",
       [] { value_selecting_reduction_backward(f32({1}), 0, full({1}, -1), {3}, true); }},
      {"value_selecting_reduction: selection i64[2, 4] of shape [3, 3]: need equal sizes except in dimension 0",
       [] {
         value_selecting_reduction(f32({3, 3}), 0, i64({2, 4}), true);
       }},
  });
}

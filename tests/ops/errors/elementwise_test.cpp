// Mistakes of the caller, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: element-wise operators") {
  check_all({
      {"add: shapes do not broadcast ([2, 3] and [2, 4]): need equal sizes, or 1, counted from the last dimension",
       [] {
         add(f32({2, 3}), f32({2, 4}));
       }},
      {"tanh_backward: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] { tanh_backward(f32({2}), f32({3})); }},
      {"pow: i64[2] to the power -3: need a floating-point tensor; to(kFloat32) gives one", [] { pow(i64({2}), -3); }},
      {"clamp: f32[2] without bounds: need a minimum or a maximum", [] { clamp(f32({2})); }},
      {"clamp_: the result is f32, the tensor i64[2]: need a floating-point tensor for it",
       [] { i64({2}).clamp_(0.5); }},
      {"tensor: undefined: need a tensor that has been given a value", [] { add(Tensor(), f32({2})); }},
      {"add_: the result has shape [2, 2], the tensor f32[2]: need equal shapes, since the tensor keeps its own",
       [] {
         f32({2}).add_(f32({2, 2}));
       }},
      {"div_: the result is f32, the tensor i64[2]: need a floating-point tensor for it",
       [] { i64({2}).div_(i64({2})); }},
      {"add_: the result is f32, the tensor i64[2]: need a floating-point tensor for it", [] { i64({2}).add_(0.5); }},
      {"add_: f32[3, 2] has elements that share memory: need a tensor whose elements are its own; clone() gives one",
       [] {
         f32({2}).expand({3, 2}).add_(1);
       }},
  });
}

TEST_CASE("errors: shapes") {
  check_all({
      {"reshape: f32[2, 3] to [4, -1]: need the same number of elements, 6",
       [] {
         f32({2, 3}).reshape({4, -1});
       }},
      {"reshape: size -1 in [-1, -1]: need sizes of 0 or more, at most one of them -1",
       [] {
         f32({2, 3}).reshape({-1, -1});
       }},
      {"reshape: f32[0, 3] to [0, -1]: need the same number of elements, 0",
       [] {
         f32({0, 3}).reshape({0, -1});
       }},
      {"view: f32[3, 2] with strides [1, 3] to [6]: need sizes that fit the strides; reshape() copies where they do "
       "not",
       [] {
         f32({2, 3}).t().view({6});
       }},
      {"flatten: dimensions 1 to 0 of f32[2, 3]: need the first before the last",
       [] {
         f32({2, 3}).flatten(1, 0);
       }},
      {"transpose: dimension 2 of a tensor with 2 dimensions: need one in [-2, 1]",
       [] {
         f32({2, 3}).transpose(0, 2);
       }},
      {"t: f32[1, 2, 3]: need at most 2 dimensions; transpose() takes more",
       [] {
         f32({1, 2, 3}).t();
       }},
      {"select: f32[] has no dimension to index: need at least one", [] { f32({})[0]; }},
      {"select: index 3 in dimension 0 of f32[3]: need one in [-3, 2]", [] { f32({3})[3]; }},
      {"expand: f32[3] to [2, 4]: need equal sizes where the tensor's is not 1",
       [] {
         f32({3}).expand({2, 4});
       }},
      {"expand: f32[2, 3] to [3]: need at least as many dimensions as the tensor has",
       [] {
         f32({2, 3}).expand({3});
       }},
      {"permute: dimensions [0, -2] of f32[2, 3]: need each of them once",
       [] {
         f32({2, 3}).permute({0, -2});
       }},
      {"permute: dimensions [0] of f32[2, 3]: need each of them once",
       [] {
         f32({2, 3}).permute(0);
       }},
      {"squeeze: dimension 2 of a tensor with 2 dimensions: need one in [-2, 1]",
       [] {
         f32({2, 3}).squeeze(2);
       }},
      {"unsqueeze: dimension 4 of a tensor with 3 dimensions: need one in [-3, 2]",
       [] {
         f32({2, 3}).unsqueeze(4);
       }},
      {"slice: f32[] has no dimension to slice: need at least one", [] { f32({}).slice(); }},
      {"slice: step 0: need one of 1 or more", [] { f32({2}).slice(0, 0, 2, 0); }},
      {"slice_backward: gradient f32[2], view f32[3]: need equal sizes",
       [] { slice_backward(f32({2}), 4, 0, 1, std::nullopt, 1); }},
      {"narrow: start 4 in dimension 0 of f32[3]: need one in [-3, 3]", [] { f32({3}).narrow(0, 4, 0); }},
      {"narrow: length 2 from 2 in dimension 0 of f32[3]: need one in [0, 1]", [] { f32({3}).narrow(0, 2, 2); }},
      {"diagonal: f32[3]: need at least 2 dimensions", [] { f32({3}).diagonal(); }},
      {"diagonal: dimensions 1 and -1 of f32[2, 3] are the same: need two",
       [] {
         f32({2, 3}).diagonal(0, 1, -1);
       }},
      {"tensor: 17 dimensions: need at most 16", [] { f32(std::vector<std::int64_t>(17, 1)); }},
      {"tensor: 17 dimensions: need at most 16", [] { f32(std::vector<std::int64_t>(16, 1)).unsqueeze(0); }},
      {"tensor: negative size in [2, -3]: need sizes of 0 or more",
       [] {
         f32({2, -3});
       }},
      {"tensor: inner lists of shapes [2] and [1]: need equal shapes",
       [] {
         tensor({{1, 2}, {3}});
       }},
  });
}

TEST_CASE("errors: reductions") {
  check_all({
      {"sum: dimension -1 of f32[2, 3] is listed twice in [1, -1]: need each once",
       [] {
         f32({2, 3}).sum({1, -1});
       }},
      {"mean: dimension 5 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32({2}).mean({5}); }},
      {"mean: i64[2]: need a floating-point tensor; to(kFloat32) gives one", [] { i64({2}).mean(); }},
      {"sum_to_size: f32[2, 3] to [2]: need sizes that broadcast to the tensor's",
       [] {
         f32({2, 3}).sum_to_size(2);
       }},
      {"sum_to_size: f32[] to [3]: need sizes that broadcast to the tensor's", [] { f32({}).sum_to_size(3); }},
  });
}

TEST_CASE("errors: joining") {
  check_all({
      {"stack: no tensors: need at least one", [] { stack({}); }},
      {"stack: tensor 1 is f32[2, 3], tensor 0 f32[3]: need equal shapes",
       [] {
         stack({f32({3}), f32({2, 3})});
       }},
      {"stack: dimension 2 of a tensor with 2 dimensions: need one in [-2, 1]",
       [] {
         stack({f32({3}), f32({3})}, 2);
       }},
      {"tensor: undefined: need a tensor that has been given a value",
       [] {
         stack({f32({3}), Tensor()});
       }},
      {"cat: no tensors: need at least one", [] { cat({}); }},
      {"cat: tensor 1 is f32[], without dimensions: need tensors that have some; stack() joins numbers",
       [] {
         cat({f32({3}), f32({})});
       }},
      {"cat: tensor 2 is f32[2, 4], tensor 1 f32[2, 3]: need equal sizes except in dimension 0",
       [] {
         cat({f32({0}), f32({2, 3}), f32({2, 4})});
       }},
      {"cat: tensor 1 is f32[2], tensor 0 f32[2, 3]: need equal sizes except in dimension 1",
       [] {
         cat({f32({2, 3}), f32({2})}, -1);
       }},
      {"cat: dimension 1 of a tensor with 1 dimensions: need one in [-1, 0]",
       [] {
         cat({f32({3}), f32({3})}, 1);
       }},
  });
}

TEST_CASE("errors: matrix products") {
  check_all({
      {"mm: x f32[2], w f32[2, 3]: need two matrices",
       [] {
         mm(f32({2}), f32({2, 3}));
       }},
      {"mm: inner dimensions differ: x f32[2, 3], w f32[4, 5]: need 3",
       [] {
         mm(f32({2, 3}), f32({4, 5}));
       }},
      {"mm: dtypes f32[2, 3] and f64[3, 2]: need tensors of one dtype",
       [] {
         mm(f32({2, 3}), f64({3, 2}));
       }},
      {"matmul: x f32[], w f32[2, 3]: need tensors with dimensions",
       [] {
         f32({}).matmul(f32({2, 3}));
       }},
      {"matmul: inner dimensions differ: x f32[5, 2, 3], w f32[2, 3]: need 3",
       [] {
         f32({5, 2, 3}).matmul(f32({2, 3}));
       }},
      {"linear: inner dimensions differ: input f32[32, 784], weight f32[10, 768]: need 768",
       [] {
         linear(f32({32, 784}), f32({10, 768}));
       }},
      {"linear: bias f32[3], weight f32[10, 4]: need a bias of shape [10]",
       [] {
         linear(f32({2, 4}), f32({10, 4}), f32({3}));
       }},
      {"linear: input f32[], weight f32[10, 4]: need an input with dimensions and a matrix",
       [] {
         linear(f32({}), f32({10, 4}));
       }},
  });
}

TEST_CASE("errors: memory of the caller's") {
  float numbers[6] = {};
  check_all({
      {"from_blob: no memory (null) for sizes [2]: need the address of 2 elements", [] { from_blob(nullptr, {2}); }},
      {"from_blob: no memory (null) for sizes []: need the address of 1 elements",
       [] { from_blob(nullptr, IntArrayRef()); }},
      {"from_blob: no memory (null) for sizes [2]: need the address of 2 elements",
       [] { from_blob(nullptr, {2}, [](void*) {}); }},
      {"from_blob: no memory (null) for sizes [2, 2]: need the address of 6 elements",
       [] {
         from_blob(nullptr, {2, 2}, {4, 1});
       }},
      {"from_blob: strides [-1]: need numbers >= 0", [&] { from_blob(numbers, {2}, IntArrayRef({-1})); }},
      {"from_blob: sizes [2], strides [1, 1]: need one for each",
       [&] {
         from_blob(numbers, {2}, {1, 1});
       }},
      {"tensor: negative size in [-1]: need sizes of 0 or more", [&] { from_blob(numbers, {-1}); }},
      {"from_blob: sizes [3], strides [4611686018427387904]: need fewer than 2^60 elements",
       [&] { from_blob(numbers, {3}, IntArrayRef({std::int64_t{1} << 62})); }},
  });
  CHECK(from_blob(nullptr, {0}).numel() == 0);
  CHECK(from_blob(nullptr, {3, 0}).sizes() == IntArrayRef({3, 0}));
  int freed = 0;
  CHECK_THROWS_AS(from_blob(nullptr, {2}, [&](void*) { ++freed; }), Error);
  CHECK(freed == 0);
  from_blob(numbers, {2}, [&](void*) { ++freed; });
  CHECK(freed == 1);
}

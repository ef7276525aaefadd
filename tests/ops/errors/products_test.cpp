// Mistakes with matrix products and einsum, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

TEST_CASE("errors: products of batches and vectors") {
  check_all({
      {"bmm: x f32[2, 3], w f32[1, 3, 2]: need two batches of matrices",
       [] {
         bmm(f32({2, 3}), f32({1, 3, 2}));
       }},
      {"bmm: batches differ: x f32[2, 3, 4], w f32[3, 4, 5]: need 2",
       [] {
         bmm(f32({2, 3, 4}), f32({3, 4, 5}));
       }},
      {"bmm: inner dimensions differ: x f32[2, 3, 4], w f32[2, 3, 5]: need 4",
       [] {
         bmm(f32({2, 3, 4}), f32({2, 3, 5}));
       }},
      {"bmm: dtype bool: need numbers; to(kInt64) gives them",
       [] {
         bmm(zeros({2, 3, 4}, kBool), zeros({2, 4, 5}, kBool));
       }},
      {"matmul: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] {
         matmul(f32({2, 3, 4}), f32({3, 4, 5}));
       }},
      {"matmul: dtypes f32[2, 3] and i64[3, 2]: need tensors of one dtype",
       [] {
         matmul(f32({2, 3}), i64({3, 2}));
       }},
      {"dot: x f32[2], w f32[3]: need two vectors of one length", [] { dot(f32(2), f32(3)); }},
      {"mv: inner dimensions differ: x f32[2, 3], w f32[2]: need 3",
       [] {
         mv(f32({2, 3}), f32(2));
       }},
      {"outer: x f32[2, 3], w f32[2]: need two vectors",
       [] {
         outer(f32({2, 3}), f32(2));
       }},
      {"addmm: input f32[3], product of shape [2, 4]: need an input that broadcasts to it",
       [] {
         addmm(f32(3), f32({2, 3}), f32({3, 4}));
       }},
      {"addmm: dtypes f64[4] and f32[2, 3]: need tensors of one dtype",
       [] {
         addmm(f64(4), f32({2, 3}), f32({3, 4}));
       }},
      {"addmm_: the result has shape [2, 4], the tensor f32[4]: need equal shapes, since the tensor keeps its own",
       [] {
         f32(4).addmm_(f32({2, 3}), f32({3, 4}));
       }},
      {"baddbmm: x f32[2, 3, 4], w f32[2, 3, 4]: need equal batches and inner dimensions",
       [] {
         baddbmm(f32({}), f32({2, 3, 4}), f32({2, 3, 4}));
       }},
      {"tensordot: dimensions [0] and [0, 1]: need equally many",
       [] {
         tensordot(f32({2, 3}), f32({2, 3}), 0, {0, 1});
       }},
      {"tensordot: dimension 1 of f32[2, 3] and 0 of f32[2, 3]: need equal sizes, and each dimension once",
       [] {
         tensordot(f32({2, 3}), f32({2, 3}), 1, 0);
       }},
  });
}

TEST_CASE("errors: einsum") {
  check_all({
      {"einsum: 1 tensors for the 2 terms of 'i,j': need one for each", [] { einsum("i,j", {f32(2)}); }},
      {"einsum: 2 labels for operand 0, f32[2], in 'ij': need one for each dimension, or an ellipsis",
       [] { einsum("ij", {f32(2)}); }},
      {"einsum: 2 labels for operand 0, f32[2], in '...ij': need one for each dimension",
       [] { einsum("...ij", {f32(2)}); }},
      {"einsum: label '1' in 'i1': need letters",
       [] {
         einsum("i1", {f32({2, 3})});
       }},
      {"einsum: '.' in 'i.j': need an ellipsis of three",
       [] {
         einsum("i.j", {f32({2, 3})});
       }},
      {"einsum: two ellipses in one term of '......i': need at most one",
       [] {
         einsum("......i", {f32({2, 3})});
       }},
      {"einsum: label 'k' in the result of 'ij->ik' is that of no operand: need one of theirs",
       [] {
         einsum("ij->ik", {f32({2, 3})});
       }},
      {"einsum: label 'i' occurs twice in the result of 'ij->ii': need each once",
       [] {
         einsum("ij->ii", {f32({2, 3})});
       }},
      {"einsum: label 'i' of operand 0, f32[2, 3], in 'ii' has sizes 2 and 3: need equal ones",
       [] {
         einsum("ii", {f32({2, 3})});
       }},
      {"einsum: label 'j' of operand 1, f32[4, 2], in 'ij,jk' has size 4, in an operand before it 3: need equal sizes, "
       "or 1",
       [] {
         einsum("ij,jk", {f32({2, 3}), f32({4, 2})});
       }},
      {"einsum: label ... of operand 1, f32[4, 2], in '...i,...i' has size 4, in an operand before it 3: need equal "
       "sizes, or 1",
       [] {
         einsum("...i,...i", {f32({3, 2}), f32({4, 2})});
       }},
      {"einsum: dtypes f32[2, 3] and f64[3, 2]: need tensors of one dtype",
       [] {
         einsum("ij,jk", {f32({2, 3}), f64({3, 2})});
       }},
  });
}

TEST_CASE("errors: creation") {
  check_all({
      {"arange: from 5 to 0 by 1: need a step other than 0 that leads from one to the other", [] { arange(5, 0); }},
      {"arange: step 0.7 in i64: need a step other than 0", [] { arange(0, 3, 0.7, kInt64); }},
      {"arange: dtype bool: need numbers; to(kInt64) gives them", [] { arange(2, kBool); }},
      {"linspace: dtype bool: need numbers; to(kInt64) gives them", [] { linspace(0, 1, 2, kBool); }},
      {"linspace: -1 steps: need a number >= 0", [] { linspace(0, 1, -1); }},
      {"rand: dtype i64: need a floating-point one; randint() makes integers", [] { rand(2, kInt64); }},
      {"randint: 299 as u8: need numbers that the dtype holds", [] { randint(300, 2, kUInt8); }},
      {"randint: from 3 to 3: need low < high", [] { randint(3, 3, 2); }},
      {"randperm: -1 numbers: need 0 or more", [] { randperm(-1); }},
      {"randperm: 299 as u8: need numbers that the dtype holds", [] { randperm(300, kUInt8); }},
      {"randperm: dtype bool: need numbers", [] { randperm(2, kBool); }},
      {"bernoulli: i64[2]: need floating-point probabilities", [] { bernoulli(i64(2)); }},
      {"bernoulli: probability 2 at 1: need one in [0, 1]",
       [] {
         bernoulli(tensor({0.5, 2.0}));
       }},
      {"bernoulli: probability 1.5: need one in [0, 1]", [] { bernoulli(f32(2), 1.5); }},
  });
}

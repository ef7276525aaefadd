// Mistakes with indices, masks, parts and borders, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/indexing/tensor_index.h>
#include <backflow/ops/operators.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;
using backflow::indexing::Slice;

namespace {

Tensor at(std::int64_t index, IntArrayRef sizes = 1) { return full(sizes, index, kInt64); }
Tensor mask(IntArrayRef sizes) { return zeros(sizes, kBool); }

}  // namespace

TEST_CASE("errors: gather and scatter") {
  check_all({
      {"gather: index 3 in dimension 0 of size 3: need one in [0, 2]", [] { f32(3).gather(0, at(3)); }},
      {"gather: index -1 in dimension 1 of size 2: need one in [0, 1]",
       [] {
         f32({3, 2}).gather(1, at(-1, {3, 1}));
       }},
      {"gather: index f32[2]: need dtype i64", [] { f32(3).gather(0, f32(2)); }},
      {"gather: index i64[2], tensor f32[3, 2]: need as many dimensions",
       [] {
         f32({3, 2}).gather(0, at(0, 2));
       }},
      {"gather: index i64[2, 3], tensor f32[3, 2]: need an index no larger in dimension 1",
       [] {
         f32({3, 2}).gather(0, at(0, {2, 3}));
       }},
      {"gather: dimension 2 of a tensor with 1 dimensions: need one in [-1, 0]", [] { f32(3).gather(2, at(0)); }},
      {"take_along_dim: tensor f32[3, 2], indices i64[1]: need as many dimensions",
       [] {
         f32({3, 2}).take_along_dim(at(0), 0);
       }},
      {"take: index f32[1]: need dtype i64", [] { f32(3).take(f32(1)); }},
      {"index_select: index 4 in dimension 0 of size 3: need one in [0, 2]", [] { f32(3).index_select(0, at(4)); }},
      {"index_select: index i64[1, 1]: need at most one dimension",
       [] {
         f32(3).index_select(0, at(0, {1, 1}));
       }},
      {"index_select: index f32[1]: need dtype i64", [] { f32(3).index_select(0, f32(1)); }},
      {"index_select: index i64[2], tensor f32[]: need one index for a number",
       [] { f32({}).index_select(0, at(0, 2)); }},
      {"scatter: index 3 in dimension 0 of size 3: need one in [0, 2]", [] { f32(3).scatter(0, at(3), f32(1)); }},
      {"scatter: src f64[1], tensor f32[3]: need equal dtypes", [] { f32(3).scatter(0, at(0), f64(1)); }},
      {"scatter: index i64[2], src f32[1], tensor f32[3]: need an index no larger in dimension 0",
       [] { f32(3).scatter(0, at(0, 2), f32(1)); }},
      {"scatter_add: index i64[1], src f32[1], tensor f32[3, 2]: need as many dimensions",
       [] {
         f32({3, 2}).scatter_add(0, at(0), f32(1));
       }},
      {"scatter_add_: index -1 in dimension 0 of size 3: need one in [0, 2]",
       [] { f32(3).scatter_add_(0, at(-1), f32(1)); }},
      {"index_add: source f32[2], index i64[1], tensor f32[3]: need a source of shape [1]",
       [] { f32(3).index_add(0, at(0), f32(2)); }},
      {"index_copy: source f64[1], tensor f32[3]: need equal dtypes", [] { f32(3).index_copy(0, at(0), f64(1)); }},
      {"index_fill: value f32[1]: need a tensor without dimensions", [] { f32(3).index_fill(0, at(0), f32(1)); }},
  });
}

TEST_CASE("errors: index tensors") {
  check_all({
      {"index: index 3 in dimension 0 of f32[3, 2]: need one in [-3, 2]",
       [] {
         f32({3, 2}).index({at(3)});
       }},
      {"index: index -3 in dimension 1 of f32[3, 2]: need one in [-2, 1]",
       [] {
         f32({3, 2}).index({Slice(), at(-3)});
       }},
      {"index: mask bool[2] from dimension 0 of f32[3]: need the tensor's sizes", [] { f32(3).index({mask(2)}); }},
      {"index: shapes do not broadcast ([2] and [3]): need equal sizes, or 1, counted from the last dimension",
       [] {
         f32({3, 3}).index({at(0, 2), at(0, 3)});
       }},
      {"index: index f32[1]: need dtype i64", [] { f32(3).index({f32(1)}); }},
      {"index: 2 indices of f32[3]: need at most one for each dimension",
       [] {
         f32(3).index({0, Slice()});
       }},
      {"index: 2 ellipses: need at most one",
       [] {
         f32(3).index({"...", "..."});
       }},
      {"index: \"..\": need \"...\", or no text", [] { f32(3).index({".."}); }},
      {"index: no index tensors: need at least one", [] { index(f32(3), std::vector<Tensor>{}); }},
      {"select: index 3 in dimension 0 of f32[3]: need one in [-3, 2]", [] { f32(3).index({3}); }},
      {"index_put_: values f64[], tensor f32[3]: need equal dtypes", [] { f32(3).index_put_({at(0)}, f64({})); }},
      {"index_put_: values f32[2], indexed shape [3]: need values that broadcast to it",
       [] { f32(3).index_put_({at(0, 3)}, f32(2)); }},
  });
}

TEST_CASE("errors: masks") {
  check_all({
      {"masked_fill: mask i64[3]: need dtype bool", [] { f32(3).masked_fill(i64(3), 1); }},
      {"masked_fill: shapes do not broadcast ([3] and [2]): need equal sizes, or 1, counted from the last dimension",
       [] { f32(3).masked_fill(mask(2), 1); }},
      {"masked_fill_: mask bool[2, 3], tensor f32[3]: need a mask that broadcasts to the tensor's shape",
       [] {
         f32(3).masked_fill_(mask({2, 3}), 1);
       }},
      {"masked_fill: value f32[1]: need a tensor without dimensions", [] { f32(3).masked_fill(mask(3), f32(1)); }},
      {"masked_select: mask f32[3]: need dtype bool", [] { f32(3).masked_select(f32(3)); }},
      {"masked_scatter: source f32[2], but 3 elements of the mask are true: need as many",
       [] { f32(3).masked_scatter(ones(3, kBool), f32(2)); }},
      {"masked_scatter: source f64[3], tensor f32[3]: need equal dtypes",
       [] { f32(3).masked_scatter(mask(3), f64(3)); }},
      {"one_hot: classes f32[2]: need dtype i64", [] { one_hot(f32(2)); }},
      {"one_hot: class 3 of i64[1]: need one in [0, 2]", [] { one_hot(at(3), 3); }},
      {"one_hot: no classes (i64[0]): need num_classes", [] { one_hot(i64(0)); }},
  });
}

TEST_CASE("errors: parts, borders and windows") {
  check_all({
      {"split: parts of size 0 in dimension 0 of f32[3]: need 1 or more", [] { f32(3).split(0); }},
      {"split: f32[] has no dimension to split: need at least one", [] { f32({}).split(1); }},
      {"split_with_sizes: sizes [1, 1] in dimension 0 of f32[3]: need sizes of 0 or more with a sum of 3",
       [] {
         f32(3).split({1, 1});
       }},
      {"chunk: 0 chunks of f32[3]: need 1 or more", [] { f32(3).chunk(0); }},
      {"tensor_split: 0 sections of f32[3]: need 1 or more", [] { f32(3).tensor_split(0); }},
      {"unflatten: size -2 in [5, -2]: need sizes of 0 or more, at most one of them -1",
       [] {
         f32(6).unflatten(0, {5, -2});
       }},
      {"unflatten: f32[6] to [4, -1]: need the same number of elements, 6",
       [] {
         f32(6).unflatten(0, {4, -1});
       }},
      {"movedim: dimensions [0, 0] of f32[2, 3] to [0, 1]: need each of them once",
       [] {
         f32({2, 3}).movedim({0, 0}, {0, 1});
       }},
      {"flip: dimensions [0, -1] of f32[3]: need each of them once",
       [] {
         f32(3).flip({0, -1});
       }},
      {"roll: shifts [1, 2] along dimensions [0] of f32[3]: need a shift for each dimension",
       [] {
         f32(3).roll({1, 2}, 0);
       }},
      {"repeat: f32[2, 3] by [2]: need numbers of 0 or more, at least as many as the tensor has dimensions",
       [] {
         f32({2, 3}).repeat(2);
       }},
      {"tril: f32[3]: need at least 2 dimensions", [] { f32(3).tril(); }},
      {"pad: padding [1] of f32[3]: need two numbers for each of the last dimensions, the last one's first",
       [] { pad(f32(3), 1); }},
      {"pad: mode 'mirror': need constant, reflect, replicate or circular",
       [] {
         pad(f32(3), {1, 1}, "mirror");
       }},
      {"pad: 3 before and 0 after dimension 0 of shape [3]: need at most 2 of each and a size of 1 or more",
       [] {
         pad(f32(3), {3, 0}, "reflect");
       }},
      {"constant_pad_nd: padding [-2, -2] of f32[3]: need a size of 0 or more, not -1 in dimension 0",
       [] {
         constant_pad_nd(f32(3), {-2, -2});
       }},
      {"unfold: windows of size 4 and step 1 in dimension 0 of f32[3]: need a size of at most 3 and a step of 1 or "
       "more",
       [] { f32(3).unfold(0, 4, 1); }},
      {"unfold_backward: gradient f32[2, 2], windows f32[2, 3]: need equal sizes",
       [] {
         unfold_backward(f32({2, 2}), 4, 0, 3, 1);
       }},
  });
}

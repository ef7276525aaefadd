// Mistakes with losses, and the exact message that each gives.
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/support/mistakes.h>

using namespace backflow;
using namespace backflow::test;

namespace {

const char* const kShapes =
    ": need an input [classes], [rows, classes] or [rows, classes, ...] and a target of its shape without the classes";

Tensor wants_gradient(IntArrayRef sizes) { return zeros(sizes).set_requires_grad(true); }

}  // namespace

TEST_CASE("errors: losses of classes") {
  check_all({
      {std::string("nll_loss: input of shape [2, 3], target i64[3]") + kShapes,
       [] {
         nll_loss(f32({2, 3}), i64({3}));
       }},
      {std::string("nll_loss2d: input of shape [2, 3, 4], target i64[2]") + kShapes,
       [] {
         nll_loss_nd(f32({2, 3, 4}), i64({2}));
       }},
      {"nll_loss: input f32[2, 3, 4]: need log-probabilities [classes] or [rows, classes]; nll_loss_nd takes more "
       "dimensions",
       [] {
         nll_loss(f32({2, 3, 4}), i64({2, 4}));
       }},
      {"nll_loss2d: input f32[2, 3]: need log-probabilities [rows, classes, d1, ...]",
       [] {
         nll_loss2d(f32({2, 3}), i64({2}));
       }},
      {"nll_loss: target f32[2]: need int64 class indices",
       [] {
         nll_loss(f32({2, 3}), f32({2}));
       }},
      {"nll_loss: input i64[2, 3]: need a floating-point tensor",
       [] {
         nll_loss(i64({2, 3}), i64({2}));
       }},
      {"nll_loss: target 3 in row 1: need a class in [0, 3)",
       [] {
         nll_loss(f32({2, 3}), tensor({0, 3}));
       }},
      {"nll_loss: target -1 in row 0: need a class in [0, 3)",
       [] {
         nll_loss(f32({2, 3}), tensor({-1, 3}));
       }},
      {"nll_loss2d: target 7 in row 1, element 2 of it: need a class in [0, 3)",
       [] {
         nll_loss2d(f32({2, 3, 3}), tensor({{0, 1, 2}, {0, -100, 7}}));
       }},
      {"nll_loss: reduction 7: need Reduction::None, Mean or Sum",
       [] {
         nll_loss(f32({2, 3}), i64({2}), {}, 7);
       }},
      {"nll_loss: weight f64[3], input f32[2, 3]: need one number of its dtype for each of 3 classes",
       [] {
         nll_loss(f32({2, 3}), i64({2}), f64({3}));
       }},
      {"nll_loss: weight requires a gradient: need one that does not; detach() gives it",
       [] {
         nll_loss(f32({2, 3}), i64({2}), wants_gradient({3}));
       }},
      {"nll_loss_backward: target 3 in row 1: need a class in [0, 3)",
       [] {
         nll_loss_backward(f32({}), tensor({0, 3}), {}, {2, 3}, 1, -100);
       }},
      {"nll_loss_backward: gradient f32[3], target i64[2]: need one number, or one for each row for Reduction::None",
       [] {
         nll_loss_backward(f32({3}), i64({2}), {}, {2, 3}, 0, -100);
       }},
  });
}

TEST_CASE("errors: cross-entropy") {
  check_all({
      {"cross_entropy_loss: input f32[3], target i64[3]: need probabilities of the input's dtype, or int64 class "
       "indices in its shape without the classes",
       [] { cross_entropy_loss(f32({3}), i64({3})); }},
      {std::string("cross_entropy_loss: input of shape [2, 3], target i64[3]") + kShapes,
       [] {
         cross_entropy_loss(f32({2, 3}), i64({3}));
       }},
      {"cross_entropy_loss: target 3 in row 1: need a class in [0, 3)",
       [] {
         cross_entropy_loss(f32({2, 3}), tensor({0, 3}));
       }},
      {"cross_entropy_loss: label_smoothing 1.5: need a number in [0, 1]",
       [] {
         cross_entropy_loss(f32({2, 3}), i64({2}), {}, 1, -100, 1.5);
       }},
      {"cross_entropy_loss: weight f32[2], input f32[2, 3]: need one number of its dtype for each of 3 classes",
       [] {
         cross_entropy_loss(f32({2, 3}), i64({2}), f32({2}));
       }},
      {"cross_entropy_loss: input f32[], target i64[]: need floating-point scores [classes], [rows, classes] or [rows, "
       "classes, ...]",
       [] { cross_entropy_loss(f32({}), i64({})); }},
  });
}

TEST_CASE("errors: losses of an input and a target of one shape") {
  check_all({
      {"mse_loss: input f32[2], target f64[2]: need one shape and one floating-point dtype",
       [] { mse_loss(f32({2}), f64({2})); }},
      {"l1_loss: input f32[2], target f32[2, 1]: need one shape and one floating-point dtype",
       [] {
         l1_loss(f32({2}), f32({2, 1}));
       }},
      {"l1_loss: reduction -1: need Reduction::None, Mean or Sum", [] { l1_loss(f32({2}), f32({2}), -1); }},
      {"smooth_l1_loss: beta -1: need at least 0", [] { smooth_l1_loss(f32({2}), f32({2}), 1, -1); }},
      {"huber_loss: delta 0: need a positive number", [] { huber_loss(f32({2}), f32({2}), 1, 0); }},
      {"binary_cross_entropy: input 1.5 in element 1: need probabilities in [0, 1]; binary_cross_entropy_with_logits "
       "takes any numbers",
       [] {
         binary_cross_entropy(tensor({0.5, 1.5}), f32({2}));
       }},
      {"binary_cross_entropy: input -0.5 in element 0: need probabilities in [0, 1]; binary_cross_entropy_with_logits "
       "takes any numbers",
       [] {
         binary_cross_entropy(tensor({-0.5, 1.5}), f32({2}), {}, 0);
       }},
      {"binary_cross_entropy: weight f32[3], input f32[1]: need its dtype and a shape that broadcasts to its own",
       [] { binary_cross_entropy(f32({1}), f32({1}), f32({3})); }},
      {"binary_cross_entropy_with_logits: pos_weight f64[2], input f32[2]: need its dtype and a shape that broadcasts "
       "to its own",
       [] { binary_cross_entropy_with_logits(f32({2}), f32({2}), {}, f64({2})); }},
      {"binary_cross_entropy_with_logits: weight requires a gradient: need one that does not; detach() gives it",
       [] { binary_cross_entropy_with_logits(f32({2}), f32({2}), wants_gradient({2})); }},
  });
}

TEST_CASE("errors: losses of margins and embeddings") {
  check_all({
      {"multi_margin_loss: p 3: need 1 or 2",
       [] {
         multi_margin_loss(f32({2, 3}), i64({2}), 3);
       }},
      {"multi_margin_loss: target 3 in row 1: need a class in [0, 3)",
       [] {
         multi_margin_loss(f32({2, 3}), tensor({0, 3}));
       }},
      {"multilabel_margin_loss: target 2 in row 1: need classes in [0, 2), or -1 behind the last",
       [] {
         multilabel_margin_loss(f32({2, 2}), tensor({{0, -1}, {1, 2}}));
       }},
      {"hinge_embedding_loss: input f32[2], target f32[3]: need a floating-point input and a target of its shape",
       [] { hinge_embedding_loss(f32({2}), f32({3})); }},
      {"margin_ranking_loss: inputs f32[2] and f64[2], target f32[2]: need one floating-point dtype",
       [] { margin_ranking_loss(f32({2}), f64({2}), f32({2})); }},
      {"cosine_similarity: f32[2] and i64[2]: need tensors of one floating-point dtype",
       [] { cosine_similarity(f32({2}), i64({2}), 0); }},
      {"cosine_embedding_loss: inputs f32[2, 3] and f32[2, 3], target f32[3]: need inputs [size] or [rows, size] of "
       "one "
       "shape and a target [] or [rows]",
       [] {
         cosine_embedding_loss(f32({2, 3}), f32({2, 3}), f32({3}));
       }},
      {"triplet_margin_loss: anchor f32[2, 3], positive f32[3], negative f32[2, 3]: need equal numbers of dimensions",
       [] {
         triplet_margin_loss(f32({2, 3}), f32({3}), f32({2, 3}));
       }},
  });
}

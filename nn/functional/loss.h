#pragma once

#include <backflow/nn/options/loss.h>

/// Losses, reduced as the options say: kMean unless they say kSum or kNone. Formulas, shapes, dtypes and errors are
/// those of the operators of the same name (ops/functions.h).
namespace backflow::nn::functional {

/// |x - t| of two tensors of one shape.
Tensor l1_loss(const Tensor& input, const Tensor& target, const L1LossFuncOptions& options = {});
/// (x - t)^2 of two tensors of one shape.
Tensor mse_loss(const Tensor& input, const Tensor& target, const MSELossFuncOptions& options = {});
/// |x - t|, squared where that is below beta.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossFuncOptions& options = {});
/// (x - t)^2, linear where |x - t| is above delta.
Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossFuncOptions& options = {});
/// The Kullback-Leibler divergence of log-probabilities from probabilities of one shape.
Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivFuncOptions& options = {});
/// Of probabilities in [0, 1] and targets of one shape.
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                            const BinaryCrossEntropyFuncOptions& options = {});
/// The same of sigmoid(x), without overflow.
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsFuncOptions& options = {});
/// Of log-probabilities [classes], [rows, classes] or [rows, classes, ...] and int64 classes in that shape without the
/// classes. kMean is weighted by the classes' weights.
Tensor nll_loss(const Tensor& input, const Tensor& target, const NLLLossFuncOptions& options = {});
/// The same of scores; or of scores and probabilities of the classes, of one shape.
Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyFuncOptions& options = {});
/// Of distances and targets 1 (alike) or -1.
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target,
                            const HingeEmbeddingLossFuncOptions& options = {});
/// Of two scores and targets 1 (the first is to be larger) or -1, all of one number of dimensions.
Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                           const MarginRankingLossFuncOptions& options = {});
/// Of vectors [size] or [rows, size] and targets 1 (alike) or -1.
Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                             const CosineEmbeddingLossFuncOptions& options = {});
/// Of scores [classes] or [rows, classes] and int64 classes.
Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginLossFuncOptions& options = {});
/// Of scores [classes] or [rows, classes] and each row's int64 labels in that shape, with -1 behind the last.
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target,
                              const MultilabelMarginLossFuncOptions& options = {});
/// Of scores and targets 1 or -1.
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const SoftMarginLossFuncOptions& options = {});
/// Of logits and targets [..., classes], averaged over classes.
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target,
                                   const MultilabelSoftMarginLossFuncOptions& options = {});
/// Of vectors [size] or [rows, size].
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginLossFuncOptions& options = {});
/// Of the logarithms of means and counts of one shape.
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNLLLossFuncOptions& options = {});

}  // namespace backflow::nn::functional

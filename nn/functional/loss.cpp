#include <backflow/nn/functional/loss.h>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>

namespace backflow::nn::functional {
namespace {

/// The operators' number of a reduction.
std::int64_t number(const char* where, enumtype::Reduction reduction) {
  check(reduction != kBatchMean, where, ": reduction kBatchMean: need kNone, kMean or kSum; kl_div alone has it");
  return reduction == kNone ? Reduction::None : reduction == kMean ? Reduction::Mean : Reduction::Sum;
}

}  // namespace

Tensor l1_loss(const Tensor& input, const Tensor& target, const L1LossFuncOptions& options) {
  return backflow::l1_loss(input, target, number("l1_loss", options.reduction()));
}

Tensor mse_loss(const Tensor& input, const Tensor& target, const MSELossFuncOptions& options) {
  return backflow::mse_loss(input, target, number("mse_loss", options.reduction()));
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossFuncOptions& options) {
  return backflow::smooth_l1_loss(input, target, number("smooth_l1_loss", options.reduction()), options.beta());
}

Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossFuncOptions& options) {
  return backflow::huber_loss(input, target, number("huber_loss", options.reduction()), options.delta());
}

Tensor kl_div(const Tensor& input, const Tensor& target, const KLDivFuncOptions& options) {
  if (options.reduction() != kBatchMean) {
    return backflow::kl_div(input, target, number("kl_div", options.reduction()), options.log_target());
  }
  const Tensor total = backflow::kl_div(input, target, Reduction::Sum, options.log_target());
  return input.dim() == 0 ? total : div(total, input.size(0));
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const BinaryCrossEntropyFuncOptions& options) {
  check(input.sizes() == target.sizes(), "binary_cross_entropy: input ", describe(input), ", target ", describe(target),
        ": need one shape; the operator of this name takes other dimensions of size 1");
  return backflow::binary_cross_entropy(input, target, options.weight(),
                                        number("binary_cross_entropy", options.reduction()));
}

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsFuncOptions& options) {
  return backflow::binary_cross_entropy_with_logits(input, target, options.weight(), options.pos_weight(),
                                                    number("binary_cross_entropy_with_logits", options.reduction()));
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const NLLLossFuncOptions& options) {
  return backflow::nll_loss_nd(input, target, options.weight(), number("nll_loss", options.reduction()),
                               options.ignore_index());
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const CrossEntropyFuncOptions& options) {
  return backflow::cross_entropy_loss(input, target, options.weight(), number("cross_entropy", options.reduction()),
                                      options.ignore_index(), options.label_smoothing());
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, const HingeEmbeddingLossFuncOptions& options) {
  return backflow::hinge_embedding_loss(input, target, options.margin(),
                                        number("hinge_embedding_loss", options.reduction()));
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                           const MarginRankingLossFuncOptions& options) {
  check(input1.dim() == input2.dim() && input1.dim() == target.dim(), "margin_ranking_loss: inputs ", describe(input1),
        " and ", describe(input2), ", target ", describe(target), ": need equal numbers of dimensions");
  return backflow::margin_ranking_loss(input1, input2, target, options.margin(),
                                       number("margin_ranking_loss", options.reduction()));
}

Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                             const CosineEmbeddingLossFuncOptions& options) {
  return backflow::cosine_embedding_loss(input1, input2, target, options.margin(),
                                         number("cosine_embedding_loss", options.reduction()));
}

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginLossFuncOptions& options) {
  return backflow::multi_margin_loss(input, target, options.p(), options.margin(), options.weight(),
                                     number("multi_margin_loss", options.reduction()));
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target,
                              const MultilabelMarginLossFuncOptions& options) {
  return backflow::multilabel_margin_loss(input, target, number("multilabel_margin_loss", options.reduction()));
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const SoftMarginLossFuncOptions& options) {
  return backflow::soft_margin_loss(input, target, number("soft_margin_loss", options.reduction()));
}

Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target,
                                   const MultilabelSoftMarginLossFuncOptions& options) {
  return backflow::multilabel_soft_margin_loss(input, target, options.weight(),
                                               number("multilabel_soft_margin_loss", options.reduction()));
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginLossFuncOptions& options) {
  return backflow::triplet_margin_loss(anchor, positive, negative, options.margin(), options.p(), options.eps(),
                                       options.swap(), number("triplet_margin_loss", options.reduction()));
}

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNLLLossFuncOptions& options) {
  return backflow::poisson_nll_loss(input, target, options.log_input(), options.full(), options.eps(),
                                    number("poisson_nll_loss", options.reduction()));
}

}  // namespace backflow::nn::functional

#pragma once

#include <backflow/nn/modules/loss_module.h>

namespace backflow::nn {

/// Loss of the cosine similarity of vectors [size] or [rows, size], for targets 1 (similar) or -1.
class CosineEmbeddingLossImpl
    : public detail::LossModuleOfThree<CosineEmbeddingLossOptions, functional::cosine_embedding_loss> {
 public:
  using LossModuleOfThree::LossModuleOfThree;
};
BACKFLOW_MODULE(CosineEmbeddingLoss);

/// Triplet loss of an anchor, a positive (to be near) and a negative (to be far), [size] or [rows, size].
class TripletMarginLossImpl
    : public detail::LossModuleOfThree<TripletMarginLossOptions, functional::triplet_margin_loss> {
 public:
  using LossModuleOfThree::LossModuleOfThree;
};
BACKFLOW_MODULE(TripletMarginLoss);

}  // namespace backflow::nn

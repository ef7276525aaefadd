#pragma once

#include <backflow/nn/modules/loss_module.h>

namespace backflow::nn {

/// Loss of the angle between vectors [size] or [rows, size] and targets 1 (alike) or -1.
class CosineEmbeddingLossImpl
    : public detail::LossModuleOfThree<CosineEmbeddingLossOptions, functional::cosine_embedding_loss> {
 public:
  using LossModuleOfThree::LossModuleOfThree;
};
BACKFLOW_MODULE(CosineEmbeddingLoss);

/// Loss of an anchor, what is to be near and what is to be far, [size] or [rows, size].
class TripletMarginLossImpl
    : public detail::LossModuleOfThree<TripletMarginLossOptions, functional::triplet_margin_loss> {
 public:
  using LossModuleOfThree::LossModuleOfThree;
};
BACKFLOW_MODULE(TripletMarginLoss);

}  // namespace backflow::nn

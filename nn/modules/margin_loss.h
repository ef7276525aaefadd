#pragma once

#include <backflow/nn/modules/loss_module.h>

namespace backflow::nn {

/// Hinge loss of distances and targets 1 (similar) or -1, of one shape.
class HingeEmbeddingLossImpl : public detail::LossModule<HingeEmbeddingLossOptions, functional::hinge_embedding_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(HingeEmbeddingLoss);

/// Ranking loss of two scores and targets: 1 where the first one should be larger, -1 where the second.
class MarginRankingLossImpl
    : public detail::LossModuleOfThree<MarginRankingLossOptions, functional::margin_ranking_loss> {
 public:
  using LossModuleOfThree::LossModuleOfThree;
};
BACKFLOW_MODULE(MarginRankingLoss);

/// Logistic loss of scores and targets, 1 or -1, of one shape.
class SoftMarginLossImpl : public detail::LossModule<SoftMarginLossOptions, functional::soft_margin_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(SoftMarginLoss);

/// Hinge loss of scores [classes] or [rows, classes] and int64 classes.
class MultiMarginLossImpl : public detail::LossModule<MultiMarginLossOptions, functional::multi_margin_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(MultiMarginLoss);

/// Hinge loss of scores [classes] or [rows, classes] and int64 labels in the same shape: the labels of a row, then -1.
class MultiLabelMarginLossImpl
    : public detail::LossModule<MultiLabelMarginLossOptions, functional::multilabel_margin_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(MultiLabelMarginLoss);

/// Binary cross-entropy of logits and targets [..., classes], averaged over classes.
class MultiLabelSoftMarginLossImpl
    : public detail::LossModule<MultiLabelSoftMarginLossOptions, functional::multilabel_soft_margin_loss> {
 public:
  using LossModule::LossModule;
};
BACKFLOW_MODULE(MultiLabelSoftMarginLoss);

}  // namespace backflow::nn

#pragma once

#include <backflow/nn/functional/distance.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

/// The cosine similarity of vectors along a dimension; operands broadcast.
class CosineSimilarityImpl : public Module {
 public:
  explicit CosineSimilarityImpl(const CosineSimilarityOptions& options_ = {}) : options(options_) {}
  Tensor forward(const Tensor& x1, const Tensor& x2) const { return functional::cosine_similarity(x1, x2, options); }
  CosineSimilarityOptions options;
};
BACKFLOW_MODULE(CosineSimilarity);

/// The norm of the difference along the last dimension; operands broadcast.
class PairwiseDistanceImpl : public Module {
 public:
  explicit PairwiseDistanceImpl(const PairwiseDistanceOptions& options_ = {}) : options(options_) {}
  Tensor forward(const Tensor& x1, const Tensor& x2) const { return functional::pairwise_distance(x1, x2, options); }
  PairwiseDistanceOptions options;
};
BACKFLOW_MODULE(PairwiseDistance);

}  // namespace backflow::nn

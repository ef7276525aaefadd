#pragma once

#include <backflow/nn/options/distance.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// The cosine similarity of vectors along a dimension; operands broadcast.
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, const CosineSimilarityFuncOptions& options = {});
/// The norm of the difference along the last dimension; operands broadcast.
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceFuncOptions& options = {});

}  // namespace backflow::nn::functional

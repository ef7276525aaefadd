#include <backflow/nn/functional/distance.h>

#include <backflow/ops/functions.h>

namespace backflow::nn::functional {

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, const CosineSimilarityFuncOptions& options) {
  return backflow::cosine_similarity(x1, x2, options.dim(), options.eps());
}

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceFuncOptions& options) {
  return backflow::pairwise_distance(x1, x2, options.p(), options.eps(), options.keepdim());
}

}  // namespace backflow::nn::functional

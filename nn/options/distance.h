#pragma once

#include <cstdint>

namespace backflow::nn {

/// `dim`: the dimension of the vectors. `eps`: the least norm; shorter vectors count as this long.
class CosineSimilarityOptions {
 public:
  CosineSimilarityOptions& dim(std::int64_t dim) {
    dim_ = dim;
    return *this;
  }
  CosineSimilarityOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  std::int64_t dim() const { return dim_; }
  double eps() const { return eps_; }

 private:
  std::int64_t dim_ = 1;
  double eps_ = 1e-8;
};

/// `p`: the order of the norm. `eps`: added to every difference. `keepdim`: the last dimension stays, with size 1.
class PairwiseDistanceOptions {
 public:
  PairwiseDistanceOptions& p(double p) {
    p_ = p;
    return *this;
  }
  PairwiseDistanceOptions& eps(double eps) {
    eps_ = eps;
    return *this;
  }
  PairwiseDistanceOptions& keepdim(bool keepdim) {
    keepdim_ = keepdim;
    return *this;
  }
  double p() const { return p_; }
  double eps() const { return eps_; }
  bool keepdim() const { return keepdim_; }

 private:
  double p_ = 2;
  double eps_ = 1e-6;
  bool keepdim_ = false;
};

namespace functional {

using CosineSimilarityFuncOptions = CosineSimilarityOptions;
using PairwiseDistanceFuncOptions = PairwiseDistanceOptions;

}  // namespace functional
}  // namespace backflow::nn

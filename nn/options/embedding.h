#pragma once

#include <cstdint>
#include <optional>

#include <backflow/nn/options/arg.h>
#include <backflow/runtime/tensor.h>

namespace backflow::nn {

/// A table of num_embeddings rows. The row padding_idx, counted from the end if negative, starts as zeros and gets no
/// gradient. With max_norm, rows are made no longer than that, in the norm of order norm_type, when they are used. With
/// scale_grad_by_freq, gradients are divided by the number of times that the row was used. sparse is refused.
class EmbeddingOptions {
 public:
  EmbeddingOptions(std::int64_t num_embeddings, std::int64_t embedding_dim)
      : num_embeddings_(num_embeddings), embedding_dim_(embedding_dim) {}
  BACKFLOW_ARG(std::int64_t, num_embeddings);
  BACKFLOW_ARG(std::int64_t, embedding_dim);
  BACKFLOW_ARG(std::optional<std::int64_t>, padding_idx);
  BACKFLOW_ARG(std::optional<double>, max_norm);
  BACKFLOW_ARG(double, norm_type) = 2.0;
  BACKFLOW_ARG(bool, scale_grad_by_freq) = false;
  BACKFLOW_ARG(bool, sparse) = false;
  BACKFLOW_ARG(Tensor, _weight);  ///< the table, if it is not drawn
};

/// The same for a table that is given; one that is frozen is not trained.
class EmbeddingFromPretrainedOptions {
  BACKFLOW_ARG(bool, freeze) = true;
  BACKFLOW_ARG(std::optional<std::int64_t>, padding_idx);
  BACKFLOW_ARG(std::optional<double>, max_norm);
  BACKFLOW_ARG(double, norm_type) = 2.0;
  BACKFLOW_ARG(bool, scale_grad_by_freq) = false;
  BACKFLOW_ARG(bool, sparse) = false;
};

namespace functional {

class EmbeddingFuncOptions {
  BACKFLOW_ARG(std::optional<std::int64_t>, padding_idx);
  BACKFLOW_ARG(std::optional<double>, max_norm);
  BACKFLOW_ARG(double, norm_type) = 2.0;
  BACKFLOW_ARG(bool, scale_grad_by_freq) = false;
  BACKFLOW_ARG(bool, sparse) = false;
};

}  // namespace functional
}  // namespace backflow::nn

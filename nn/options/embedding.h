#pragma once

#include <cstdint>
#include <optional>

#include <backflow/nn/enums.h>
#include <backflow/nn/options/arg.h>
#include <backflow/runtime/tensor/tensor.h>

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

/// kSum, kMean or kMax.
class EmbeddingBagMode {
 public:
  /// Throws Error for another than kSum and kMean.
  EmbeddingBagMode(enumtype::Reduction mode);                        // NOLINT(google-explicit-constructor)
  EmbeddingBagMode(enumtype::BagMode) : number_(2), name_("max") {}  // NOLINT(google-explicit-constructor)
  /// As backflow::embedding_bag() takes it.
  std::int64_t number() const { return number_; }
  /// As Python names it.
  const char* name() const { return name_; }

 private:
  std::int64_t number_;
  const char* name_;
};

/// What all options of embedding bags have. See EmbeddingOptions; indices of the row padding_idx count for nothing.
/// With include_last_offset, the last offset is the end of the last bag.
#define BACKFLOW_EMBEDDING_BAG_ARGS                \
  BACKFLOW_ARG(std::optional<double>, max_norm);   \
  BACKFLOW_ARG(double, norm_type) = 2.0;           \
  BACKFLOW_ARG(bool, scale_grad_by_freq) = false;  \
  BACKFLOW_ARG(EmbeddingBagMode, mode) = kMean;    \
  BACKFLOW_ARG(bool, sparse) = false;              \
  BACKFLOW_ARG(bool, include_last_offset) = false; \
  BACKFLOW_ARG(std::optional<std::int64_t>, padding_idx)

/// A table of num_embeddings rows.
class EmbeddingBagOptions {
 public:
  EmbeddingBagOptions(std::int64_t num_embeddings, std::int64_t embedding_dim)
      : num_embeddings_(num_embeddings), embedding_dim_(embedding_dim) {}
  BACKFLOW_ARG(std::int64_t, num_embeddings);
  BACKFLOW_ARG(std::int64_t, embedding_dim);
  BACKFLOW_EMBEDDING_BAG_ARGS;
  BACKFLOW_ARG(Tensor, _weight);  ///< the table, if it is not drawn
};

/// The same for a table that is given; one that is frozen is not trained.
class EmbeddingBagFromPretrainedOptions {
  BACKFLOW_ARG(bool, freeze) = true;
  BACKFLOW_EMBEDDING_BAG_ARGS;
};

namespace functional {

class EmbeddingBagFuncOptions {
  BACKFLOW_ARG(Tensor, offsets);
  BACKFLOW_EMBEDDING_BAG_ARGS;
  BACKFLOW_ARG(Tensor, per_sample_weights);
};

class EmbeddingFuncOptions {
  BACKFLOW_ARG(std::optional<std::int64_t>, padding_idx);
  BACKFLOW_ARG(std::optional<double>, max_norm);
  BACKFLOW_ARG(double, norm_type) = 2.0;
  BACKFLOW_ARG(bool, scale_grad_by_freq) = false;
  BACKFLOW_ARG(bool, sparse) = false;
};

}  // namespace functional
}  // namespace backflow::nn

#undef BACKFLOW_EMBEDDING_BAG_ARGS

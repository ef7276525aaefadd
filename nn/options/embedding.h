#pragma once

#include <cstdint>
#include <optional>

#include <backflow/nn/enums.h>
#include <backflow/nn/options/arg.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn {

/// A table of num_embeddings rows. The row padding_idx, counted from the end if negative, starts as zeros and gets no
/// gradient. With max_norm, used rows are first scaled in place to at most this norm, of order norm_type. With
/// scale_grad_by_freq, the gradient of a row is divided by the number of its uses. sparse = true is an Error.
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

/// The same for a given table; with `freeze` it is not trained.
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
  /// Throws Error for any other than kSum and kMean.
  EmbeddingBagMode(enumtype::Reduction mode);                        // NOLINT(google-explicit-constructor)
  EmbeddingBagMode(enumtype::BagMode) : number_(2), name_("max") {}  // NOLINT(google-explicit-constructor)
  /// The mode's number in backflow::embedding_bag().
  std::int64_t number() const { return number_; }
  /// The mode's name in Python.
  const char* name() const { return name_; }

 private:
  std::int64_t number_;
  const char* name_;
};

/// Shared by all options of embedding bags; see EmbeddingOptions. Indices equal to padding_idx are skipped. With
/// include_last_offset, the last offset is the end of the last bag.
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

/// The same for a given table; with `freeze` it is not trained.
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

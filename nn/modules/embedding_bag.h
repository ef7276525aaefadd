#pragma once

#include <backflow/nn/modules/embedding.h>

namespace backflow::nn {

/// Sums, means or largest elements of rows of a table, bag by bag; see nn::functional::embedding_bag. Parameter: weight
/// [num_embeddings, embedding_dim]. Unless given, it starts as standard normal numbers, with zeros in the row
/// padding_idx.
class EmbeddingBagImpl : public Module {
 public:
  EmbeddingBagImpl(std::int64_t num_embeddings, std::int64_t embedding_dim)
      : EmbeddingBagImpl(EmbeddingBagOptions(num_embeddings, embedding_dim)) {}
  /// Throws Error for negative sizes, a padding_idx outside of the table, and a table of another shape.
  explicit EmbeddingBagImpl(const EmbeddingBagOptions& options_);

  Tensor forward(const Tensor& input, const Tensor& offsets = {}, const Tensor& per_sample_weights = {}) const;
  /// Draws the table anew.
  void reset_parameters();
  /// Of an input [bags, n].
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  EmbeddingBagOptions options;  ///< padding_idx is not negative
  Tensor weight;
};

/// `EmbeddingBag(1000, 64)`, or `EmbeddingBag::from_pretrained(table)`.
class EmbeddingBag : public ModuleHolder<EmbeddingBagImpl> {
 public:
  using ModuleHolder<EmbeddingBagImpl>::ModuleHolder;
  using Impl = EmbeddingBagImpl;
  /// With this table [rows, columns]. It is trained only if the option `freeze` is false.
  static EmbeddingBag from_pretrained(const Tensor& embeddings, const EmbeddingBagFromPretrainedOptions& options = {});
};

}  // namespace backflow::nn

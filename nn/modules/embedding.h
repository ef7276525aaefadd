#pragma once

#include <backflow/nn/functional/embedding.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

namespace detail {

// Shared by Embedding and EmbeddingBag. `where` starts the messages of Errors.

/// padding_idx, not negative. Throws Error when it is outside of the table.
std::optional<std::int64_t> checked_padding(const char* where, std::optional<std::int64_t> padding, std::int64_t rows);
/// The given table, or an uninitialized one.
Tensor table_of(const char* where, std::int64_t rows, std::int64_t columns, const Tensor& given);
/// Fills it with normal numbers, and the row `padding` with zeros.
void draw_table(const Tensor& weight, std::optional<std::int64_t> padding);

}  // namespace detail

/// Rows of a table for integer indices of any shape: [...] to [..., embedding_dim]. Parameter: weight [num_embeddings,
/// embedding_dim]. Unless given, it starts as standard normal numbers, with zeros in the row padding_idx.
class EmbeddingImpl : public Module {
 public:
  EmbeddingImpl(std::int64_t num_embeddings, std::int64_t embedding_dim)
      : EmbeddingImpl(EmbeddingOptions(num_embeddings, embedding_dim)) {}
  /// Throws Error for negative sizes, a padding_idx outside of the table, and a table of another shape.
  explicit EmbeddingImpl(const EmbeddingOptions& options_);

  Tensor forward(const Tensor& indices) const;
  /// Draws the table anew.
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  EmbeddingOptions options;  ///< padding_idx is not negative
  Tensor weight;
};

/// `Embedding(1000, 64)`, or `Embedding::from_pretrained(table)`.
class Embedding : public ModuleHolder<EmbeddingImpl> {
 public:
  using ModuleHolder<EmbeddingImpl>::ModuleHolder;
  using Impl = EmbeddingImpl;
  /// With this table [rows, columns]. It is trained only if the option `freeze` is false.
  static Embedding from_pretrained(const Tensor& embeddings, const EmbeddingFromPretrainedOptions& options = {});
};

}  // namespace backflow::nn

#pragma once

#include <backflow/nn/options/embedding.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// Rows of weight [rows, columns] for integer indices `input` of any shape: [..., columns]. With max_norm, used rows of
/// the weight are first scaled in place. An Error for indices and a padding_idx outside of the table.
Tensor embedding(const Tensor& input, const Tensor& weight, const EmbeddingFuncOptions& options = {});

/// The sum, the mean (unless another mode is set) or the largest elements of rows of weight [rows, columns], bag by
/// bag: [bags, columns]. Integer indices `input` are [bags, n], or [n] with offsets, where bags start; see
/// backflow::embedding_bag. Throws Error for indices, offsets and a padding_idx outside.
Tensor embedding_bag(const Tensor& input, const Tensor& weight, const EmbeddingBagFuncOptions& options = {});

}  // namespace backflow::nn::functional

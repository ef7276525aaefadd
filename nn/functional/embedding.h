#pragma once

#include <backflow/nn/options/embedding.h>
#include <backflow/runtime/tensor.h>

namespace backflow::nn::functional {

/// Rows of weight [rows, columns] for integer indices `input` of any shape: [..., columns]. With max_norm, the weight's
/// rows that are used are changed first. An Error for indices and a padding_idx outside of the table.
Tensor embedding(const Tensor& input, const Tensor& weight, const EmbeddingFuncOptions& options = {});

}  // namespace backflow::nn::functional

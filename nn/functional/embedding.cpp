#include <backflow/nn/functional/embedding.h>

#include <backflow/ops/functions.h>
#include <backflow/runtime/grad_mode.h>

namespace backflow::nn::functional {

Tensor embedding(const Tensor& input, const Tensor& weight, const EmbeddingFuncOptions& options) {
  check(weight.dim() == 2, "embedding: weight ", describe(weight), ": need a table [rows, columns]");
  std::int64_t padding = -1;
  if (options.padding_idx()) {
    const std::int64_t rows = weight.size(0);
    padding = *options.padding_idx();
    check(padding >= -rows && padding < rows, "embedding: padding_idx ", padding, ": need one in [", -rows, ", ", rows,
          ")");
    padding += padding < 0 ? rows : 0;
  }
  if (options.max_norm()) {
    const NoGradGuard no_grad;
    weight.embedding_renorm_(input, *options.max_norm(), options.norm_type());
  }
  return backflow::embedding(weight, input, padding, options.scale_grad_by_freq(), options.sparse());
}

}  // namespace backflow::nn::functional

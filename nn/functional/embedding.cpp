#include <backflow/nn/functional/embedding.h>

#include <tuple>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::nn {

EmbeddingBagMode::EmbeddingBagMode(enumtype::Reduction mode)
    : number_(mode == kSum ? 0 : 1), name_(mode == kSum ? "sum" : "mean") {
  check(mode == kSum || mode == kMean, "embedding_bag: a mode of losses: need kSum, kMean or kMax");
}

namespace functional {

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

Tensor embedding_bag(const Tensor& input, const Tensor& weight, const EmbeddingBagFuncOptions& options) {
  const bool is_matrix = input.dim() == 2;
  const Tensor& factors = options.per_sample_weights();
  check(is_matrix || input.dim() == 1, "embedding_bag: input ", describe(input), ": need indices [bags, n] or [n]");
  check(is_matrix != options.offsets().defined(), "embedding_bag: input ", describe(input),
        is_matrix ? ", offsets: need none, or an input of one dimension" : ": need offsets");
  check(!factors.defined() || factors.sizes() == input.sizes(), "embedding_bag: per_sample_weights ", describe(factors),
        ", input ", describe(input), ": need one shape");
  const bool has_last = is_matrix || options.include_last_offset();
  const Tensor offsets = is_matrix ? arange(input.size(0) + 1, kInt64) * input.size(1) : options.offsets();
  const Tensor indices = is_matrix ? input.reshape({-1}) : input;
  if (options.max_norm()) {
    const NoGradGuard no_grad;
    weight.embedding_renorm_(indices, *options.max_norm(), options.norm_type());
  }
  return std::get<0>(backflow::embedding_bag(
      weight, indices, offsets, options.scale_grad_by_freq(), options.mode().number(), options.sparse(),
      factors.defined() && is_matrix ? factors.reshape({-1}) : factors, has_last, options.padding_idx()));
}

}  // namespace functional
}  // namespace backflow::nn

#include <backflow/nn/modules/embedding.h>

#include <ostream>

#include <backflow/nn/init.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/grad_mode.h>

namespace backflow::nn {

EmbeddingImpl::EmbeddingImpl(const EmbeddingOptions& options_) : options(options_) {
  const std::int64_t rows = options.num_embeddings();
  check(rows >= 0 && options.embedding_dim() >= 0, "embedding: sizes ", rows, " and ", options.embedding_dim(),
        ": need numbers >= 0");
  if (options.padding_idx()) {
    const std::int64_t padding = *options.padding_idx();
    check(padding >= -rows && padding < rows, "embedding: padding_idx ", padding, ": need one in [", -rows, ", ", rows,
          ")");
    options.padding_idx(padding < 0 ? padding + rows : padding);
  }
  const Tensor& given = options._weight();
  if (given.defined()) {
    check(given.sizes() == IntArrayRef({rows, options.embedding_dim()}), "embedding: weight ", describe(given),
          ": need shape [", rows, ", ", options.embedding_dim(), "]");
    weight = register_parameter("weight", given);
    return;
  }
  weight = register_parameter("weight", empty_tensor({rows, options.embedding_dim()}, kFloat32));
  reset_parameters();
}

void EmbeddingImpl::reset_parameters() {
  init::normal_(weight);
  if (options.padding_idx()) {
    const NoGradGuard no_grad;
    weight.select(0, *options.padding_idx()).zero_();
  }
}

Tensor EmbeddingImpl::forward(const Tensor& indices) const {
  return functional::embedding(indices, weight,
                               functional::EmbeddingFuncOptions()
                                   .padding_idx(options.padding_idx())
                                   .max_norm(options.max_norm())
                                   .norm_type(options.norm_type())
                                   .scale_grad_by_freq(options.scale_grad_by_freq())
                                   .sparse(options.sparse()));
}

DimVector EmbeddingImpl::output_shape(IntArrayRef input) const {
  DimVector output(input);
  output.push_back(options.embedding_dim());
  return output;
}

void EmbeddingImpl::pretty_print(std::ostream& stream) const {
  stream << name() << "(num_embeddings=" << options.num_embeddings() << ", embedding_dim=" << options.embedding_dim();
  if (options.padding_idx()) {
    stream << ", padding_idx=" << *options.padding_idx();
  }
  if (options.max_norm()) {
    stream << ", max_norm=" << *options.max_norm();
  }
  if (options.norm_type() != 2) {
    stream << ", norm_type=" << options.norm_type();
  }
  if (options.scale_grad_by_freq()) {
    stream << ", scale_grad_by_freq=true";
  }
  if (options.sparse()) {
    stream << ", sparse=true";
  }
  stream << ')';
}

Embedding Embedding::from_pretrained(const Tensor& embeddings, const EmbeddingFromPretrainedOptions& options) {
  check(embeddings.dim() == 2, "embedding: weight ", describe(embeddings), ": need a table [rows, columns]");
  Embedding result(EmbeddingOptions(embeddings.size(0), embeddings.size(1))
                       ._weight(embeddings)
                       .padding_idx(options.padding_idx())
                       .max_norm(options.max_norm())
                       .norm_type(options.norm_type())
                       .scale_grad_by_freq(options.scale_grad_by_freq())
                       .sparse(options.sparse()));
  result->weight.set_requires_grad(!options.freeze());
  return result;
}

}  // namespace backflow::nn

#include <backflow/nn/modules/embedding.h>

#include <ostream>

#include <backflow/nn/init.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::nn {

std::optional<std::int64_t> detail::checked_padding(const char* where, std::optional<std::int64_t> padding,
                                                    std::int64_t rows) {
  check(!padding || (*padding >= -rows && *padding < rows), where, ": padding_idx ", padding.value_or(0),
        ": need one in [", -rows, ", ", rows, ")");
  return padding && *padding < 0 ? *padding + rows : padding;
}

Tensor detail::table_of(const char* where, std::int64_t rows, std::int64_t columns, const Tensor& given) {
  check(rows >= 0 && columns >= 0, where, ": sizes ", rows, " and ", columns, ": need numbers >= 0");
  check(!given.defined() || given.sizes() == IntArrayRef({rows, columns}), where, ": weight ", describe(given),
        ": need shape [", rows, ", ", columns, "]");
  return given.defined() ? given : empty_tensor({rows, columns}, kFloat32);
}

void detail::draw_table(const Tensor& weight, std::optional<std::int64_t> padding) {
  init::normal_(weight);
  if (padding) {
    const NoGradGuard no_grad;
    weight.select(0, *padding).zero_();
  }
}

EmbeddingImpl::EmbeddingImpl(const EmbeddingOptions& options_) : options(options_) {
  options.padding_idx(detail::checked_padding("embedding", options.padding_idx(), options.num_embeddings()));
  weight = register_parameter(
      "weight", detail::table_of("embedding", options.num_embeddings(), options.embedding_dim(), options._weight()));
  if (!options._weight().defined()) {
    reset_parameters();
  }
}

void EmbeddingImpl::reset_parameters() { detail::draw_table(weight, options.padding_idx()); }

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
  stream << class_name() << "(num_embeddings=" << options.num_embeddings()
         << ", embedding_dim=" << options.embedding_dim();
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

#include <backflow/nn/modules/embedding_bag.h>

#include <ostream>

#include <backflow/ops/functions.h>

namespace backflow::nn {

EmbeddingBagImpl::EmbeddingBagImpl(const EmbeddingBagOptions& options_) : options(options_) {
  options.padding_idx(detail::checked_padding("embedding_bag", options.padding_idx(), options.num_embeddings()));
  weight = register_parameter("weight", detail::table_of("embedding_bag", options.num_embeddings(),
                                                         options.embedding_dim(), options._weight()));
  if (!options._weight().defined()) {
    reset_parameters();
  }
}

void EmbeddingBagImpl::reset_parameters() { detail::draw_table(weight, options.padding_idx()); }

Tensor EmbeddingBagImpl::forward(const Tensor& input, const Tensor& offsets, const Tensor& per_sample_weights) const {
  return functional::embedding_bag(input, weight,
                                   functional::EmbeddingBagFuncOptions()
                                       .offsets(offsets)
                                       .max_norm(options.max_norm())
                                       .norm_type(options.norm_type())
                                       .scale_grad_by_freq(options.scale_grad_by_freq())
                                       .mode(options.mode())
                                       .sparse(options.sparse())
                                       .per_sample_weights(per_sample_weights)
                                       .include_last_offset(options.include_last_offset())
                                       .padding_idx(options.padding_idx()));
}

DimVector EmbeddingBagImpl::output_shape(IntArrayRef input) const {
  check(input.size() == 2, "embedding_bag: input of shape ", input, ": need [bags, n]");
  return {input[0], options.embedding_dim()};
}

void EmbeddingBagImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(' << options.num_embeddings() << ", " << options.embedding_dim();
  if (options.max_norm()) {
    stream << ", max_norm=" << *options.max_norm();
  }
  if (options.norm_type() != 2) {
    stream << ", norm_type=" << options.norm_type();
  }
  if (options.scale_grad_by_freq()) {
    stream << ", scale_grad_by_freq=True";
  }
  stream << ", mode='" << options.mode().name() << '\'';
  if (options.padding_idx()) {
    stream << ", padding_idx=" << *options.padding_idx();
  }
  stream << ')';
}

EmbeddingBag EmbeddingBag::from_pretrained(const Tensor& embeddings, const EmbeddingBagFromPretrainedOptions& options) {
  check(embeddings.dim() == 2, "embedding_bag: weight ", describe(embeddings), ": need a table [rows, columns]");
  EmbeddingBag result(EmbeddingBagOptions(embeddings.size(0), embeddings.size(1))
                          ._weight(embeddings)
                          .max_norm(options.max_norm())
                          .norm_type(options.norm_type())
                          .scale_grad_by_freq(options.scale_grad_by_freq())
                          .mode(options.mode())
                          .sparse(options.sparse())
                          .include_last_offset(options.include_last_offset())
                          .padding_idx(options.padding_idx()));
  result->weight.set_requires_grad(!options.freeze());
  return result;
}

}  // namespace backflow::nn

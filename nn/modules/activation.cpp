#include <backflow/nn/modules/activation.h>

#include <ostream>

#include <backflow/nn/init.h>

namespace backflow::nn {
namespace {

const char* inplace(bool is_inplace) { return is_inplace ? ", inplace=true" : ""; }

// The options in brackets, as libtorch prints them.

template <class Tag>
void print(std::ostream& stream, const detail::InplaceOptions<Tag>& options) {
  stream << (options.inplace() ? "(inplace=true)" : "()");
}
template <class Tag>
void print(std::ostream& stream, const detail::ShrinkOptions<Tag>& options) {
  stream << '(' << options.lambda() << ')';
}
template <class Tag>
void print(std::ostream& stream, const detail::DimOptions<Tag>& options) {
  stream << "(dim=" << options.dim() << ')';
}
void print(std::ostream& stream, const GLUOptions& options) { stream << "(dim=" << options.dim() << ')'; }
void print(std::ostream& stream, const GELUOptions&) { stream << "()"; }
void print(std::ostream& stream, const ELUOptions& options) {
  stream << "(alpha=" << options.alpha() << inplace(options.inplace()) << ')';
}
void print(std::ostream& stream, const CELUOptions& options) {
  stream << "(alpha=" << options.alpha() << inplace(options.inplace()) << ')';
}
void print(std::ostream& stream, const LeakyReLUOptions& options) {
  stream << "(negative_slope=" << options.negative_slope() << inplace(options.inplace()) << ')';
}
void print(std::ostream& stream, const RReLUOptions& options) {
  stream << "(lower=" << options.lower() << ", upper=" << options.upper() << inplace(options.inplace()) << ')';
}
void print(std::ostream& stream, const HardtanhOptions& options) {
  stream << "(min_val=" << options.min_val() << ", max_val=" << options.max_val() << inplace(options.inplace()) << ')';
}
void print(std::ostream& stream, const SoftplusOptions& options) {
  stream << "(beta=" << options.beta() << ", threshold=" << options.threshold() << ')';
}
void print(std::ostream& stream, const ThresholdOptions& options) {
  stream << "(threshold=" << options.threshold() << ", value=" << options.value() << inplace(options.inplace()) << ')';
}
void print(std::ostream& stream, const PReLUOptions& options) {
  stream << "(num_parameters=" << options.num_parameters() << ')';
}

}  // namespace

namespace detail {

template <class Options>
void ActivationModule<Options>::pretty_print(std::ostream& stream) const {
  stream << class_name();
  print(stream, options);
}

template class ActivationModule<ReLUOptions>;
template class ActivationModule<ReLU6Options>;
template class ActivationModule<SELUOptions>;
template class ActivationModule<ELUOptions>;
template class ActivationModule<CELUOptions>;
template class ActivationModule<LeakyReLUOptions>;
template class ActivationModule<RReLUOptions>;
template class ActivationModule<GLUOptions>;
template class ActivationModule<GELUOptions>;
template class ActivationModule<HardshrinkOptions>;
template class ActivationModule<SoftshrinkOptions>;
template class ActivationModule<HardtanhOptions>;
template class ActivationModule<SoftplusOptions>;
template void ActivationModule<ThresholdOptions>::pretty_print(std::ostream& stream) const;
template void ActivationModule<SoftmaxOptions>::pretty_print(std::ostream& stream) const;
template void ActivationModule<SoftminOptions>::pretty_print(std::ostream& stream) const;
template void ActivationModule<LogSoftmaxOptions>::pretty_print(std::ostream& stream) const;
template class ActivationModule<PReLUOptions>;

}  // namespace detail

Tensor RReLUImpl::forward(const Tensor& input) const {
  return functional::rrelu(input, functional::RReLUFuncOptions()
                                      .lower(options.lower())
                                      .upper(options.upper())
                                      .training(is_training())
                                      .inplace(options.inplace()));
}

DimVector GLUImpl::output_shape(IntArrayRef input) const {
  const std::size_t d = wrap_dim("glu", options.dim(), input.size());
  check(!input.empty() && input[d] % 2 == 0, "glu: shape ", input, ", dimension ", options.dim(),
        ": need an even size");
  DimVector output(input);
  output[d] /= 2;
  return output;
}

HardtanhImpl::HardtanhImpl(const HardtanhOptions& options_) : ActivationModule(options_) {
  check(options.min_val() < options.max_val(), "hardtanh: from ", options.min_val(), " to ", options.max_val(),
        ": need min_val < max_val");
}

Tensor Softmax2dImpl::forward(const Tensor& input) const {
  check(input.dim() == 3 || input.dim() == 4, "softmax2d: input ", describe(input),
        ": need [batch, channels, height, width], or no batch");
  return functional::softmax(input, -3);
}

PReLUImpl::PReLUImpl(const PReLUOptions& options_) : ActivationModule(options_) {
  check(options.num_parameters() >= 1, "prelu: ", options.num_parameters(), " slopes: need 1 or more");
  weight = register_parameter("weight", empty_tensor(options.num_parameters(), kFloat32));
  reset();
}

void PReLUImpl::reset() { init::constant_(weight, options.init()); }

}  // namespace backflow::nn

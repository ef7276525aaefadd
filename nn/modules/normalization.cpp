#include <backflow/nn/modules/normalization.h>

#include <algorithm>
#include <ostream>

#include <backflow/nn/init.h>
#include <backflow/ops/functions.h>

namespace backflow::nn {
namespace {

const char* python(bool value) { return value ? "True" : "False"; }

/// As Python's tuple.
void print(std::ostream& stream, const std::vector<std::int64_t>& shape) {
  stream << '(';
  for (std::size_t i = 0; i < shape.size(); ++i) {
    stream << (i == 0 ? "" : ", ") << shape[i];
  }
  stream << (shape.size() == 1 ? ",)" : ")");
}

Tensor numbers(IntArrayRef shape, bool has) {
  for (const std::int64_t n : shape) {
    check(n >= 0, "norm: shape ", shape, " of the parameters: need sizes >= 0");
  }
  return has ? empty_tensor(shape, kFloat32) : Tensor();
}

void check_last(const char* where, IntArrayRef input, const std::vector<std::int64_t>& shape) {
  check(!shape.empty() && input.size() >= shape.size() &&
            std::equal(shape.begin(), shape.end(), input.end() - static_cast<std::ptrdiff_t>(shape.size())),
        where, ": input of shape ", input, ": need one that ends in ", IntArrayRef(shape));
}

}  // namespace

LayerNormImpl::LayerNormImpl(const LayerNormOptions& options_) : options(options_) {
  weight = register_parameter("weight", numbers(options.normalized_shape(), options.elementwise_affine()));
  bias = register_parameter("bias", numbers(options.normalized_shape(), options.elementwise_affine()));
  reset_parameters();
}

void LayerNormImpl::reset_parameters() {
  if (weight.defined()) {
    init::ones_(weight);
    init::zeros_(bias);
  }
}

Tensor LayerNormImpl::forward(const Tensor& input) const {
  return backflow::layer_norm(input, options.normalized_shape(), weight, bias, options.eps());
}

DimVector LayerNormImpl::output_shape(IntArrayRef input) const {
  check_last("layer_norm", input, options.normalized_shape());
  return input;
}

void LayerNormImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(';
  print(stream, options.normalized_shape());
  stream << ", eps=" << options.eps() << ", elementwise_affine=" << python(options.elementwise_affine()) << ')';
}

RMSNormImpl::RMSNormImpl(const RMSNormOptions& options_) : options(options_) {
  weight = register_parameter("weight", numbers(options.normalized_shape(), options.elementwise_affine()));
  reset_parameters();
}

void RMSNormImpl::reset_parameters() {
  if (weight.defined()) {
    init::ones_(weight);
  }
}

Tensor RMSNormImpl::forward(const Tensor& input) const {
  return backflow::rms_norm(input, options.normalized_shape(), weight, options.eps());
}

DimVector RMSNormImpl::output_shape(IntArrayRef input) const {
  check_last("rms_norm", input, options.normalized_shape());
  return input;
}

void RMSNormImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(';
  print(stream, options.normalized_shape());
  stream << ", eps=";
  options.eps() ? stream << *options.eps() : stream << "None";
  stream << ", elementwise_affine=" << python(options.elementwise_affine()) << ')';
}

GroupNormImpl::GroupNormImpl(const GroupNormOptions& options_) : options(options_) {
  const std::int64_t groups = options.num_groups();
  const std::int64_t channels = options.num_channels();
  check(groups > 0 && channels >= 0 && channels % groups == 0, "group_norm: ", groups, " groups of ", channels,
        " channels: need a number of groups that divides that of channels");
  weight = register_parameter("weight", numbers(channels, options.affine()));
  bias = register_parameter("bias", numbers(channels, options.affine()));
  reset_parameters();
}

void GroupNormImpl::reset_parameters() {
  if (weight.defined()) {
    init::ones_(weight);
    init::zeros_(bias);
  }
}

Tensor GroupNormImpl::forward(const Tensor& input) const {
  return backflow::group_norm(input, options.num_groups(), weight, bias, options.eps());
}

DimVector GroupNormImpl::output_shape(IntArrayRef input) const {
  check(input.size() >= 2 && input[1] == options.num_channels(), "group_norm: input of shape ", input,
        ": need [batch, ", options.num_channels(), ", ...]");
  return input;
}

void GroupNormImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(' << options.num_groups() << ", " << options.num_channels() << ", eps=" << options.eps()
         << ", affine=" << python(options.affine()) << ')';
}

DimVector LocalResponseNormImpl::output_shape(IntArrayRef input) const {
  check(input.size() >= 3, "local_response_norm: input of shape ", input, ": need [batch, channels, length, ...]");
  return input;
}

void LocalResponseNormImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(' << options.size() << ", alpha=" << options.alpha() << ", beta=" << options.beta()
         << ", k=" << options.k() << ')';
}

}  // namespace backflow::nn

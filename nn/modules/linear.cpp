#include <backflow/nn/modules/linear.h>

#include <cmath>
#include <ostream>

#include <backflow/nn/functional.h>
#include <backflow/nn/init.h>

namespace backflow::nn {

LinearImpl::LinearImpl(const LinearOptions& options_) : options(options_) {
  const std::int64_t in = options.in_features();
  const std::int64_t out = options.out_features();
  check(in >= 0 && out >= 0, "linear: sizes ", in, " and ", out, ": need numbers >= 0");
  weight = register_parameter("weight", empty_tensor({out, in}, kFloat32));
  bias = register_parameter("bias", options.bias() ? empty_tensor(out, kFloat32) : Tensor());
  reset_parameters();
}

void LinearImpl::reset_parameters() {
  init::kaiming_uniform_(weight, std::sqrt(5.0));  // which is +-1 / sqrt(in_features)
  if (bias.defined()) {
    const std::int64_t in = options.in_features();
    const double bound = in > 0 ? 1 / std::sqrt(static_cast<double>(in)) : 0;
    init::uniform_(bias, -bound, bound);
  }
}

Tensor LinearImpl::forward(const Tensor& input) const { return functional::linear(input, weight, bias); }

DimVector LinearImpl::output_shape(IntArrayRef input) const {
  check(!input.empty(), "linear: input without dimensions: need [..., ", options.in_features(), "]");
  check(input.back() == options.in_features(), "linear: input size ", input.back(), " of shape ", input, ": need ",
        options.in_features());
  DimVector output(input);
  output.back() = options.out_features();
  return output;
}

void LinearImpl::pretty_print(std::ostream& stream) const {
  stream << name() << "(in_features=" << options.in_features() << ", out_features=" << options.out_features()
         << ", bias=" << (options.bias() ? "True" : "False") << ')';
}

DimVector FlattenImpl::output_shape(IntArrayRef input) const {
  if (input.empty()) {
    return {1};
  }
  const std::size_t first = wrap_dim("flatten", options.start_dim(), input.size());
  const std::size_t last = wrap_dim("flatten", options.end_dim(), input.size());
  check(first <= last, "flatten: dimensions ", options.start_dim(), " to ", options.end_dim(), " of shape ", input,
        ": need the first before the last");
  DimVector output(IntArrayRef(input.data(), first));
  output.push_back(numel_of(IntArrayRef(input.data() + first, last - first + 1)));
  for (std::size_t d = last + 1; d < input.size(); ++d) {
    output.push_back(input[d]);
  }
  return output;
}

void FlattenImpl::pretty_print(std::ostream& stream) const {
  stream << name() << "(start_dim=" << options.start_dim() << ", end_dim=" << options.end_dim() << ')';
}

}  // namespace backflow::nn

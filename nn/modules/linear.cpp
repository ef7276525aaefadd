#include <backflow/nn/modules/linear.h>

#include <algorithm>
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
  stream << class_name() << "(in_features=" << options.in_features() << ", out_features=" << options.out_features()
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
  stream << class_name() << "(start_dim=" << options.start_dim() << ", end_dim=" << options.end_dim() << ')';
}

DimVector UnflattenImpl::output_shape(IntArrayRef input) const {
  const std::size_t d = wrap_dim("unflatten", options.dim(), input.size());
  const IntArrayRef sizes = options.sizes();
  std::int64_t known = 1;
  std::int64_t unknown = 0;
  for (const std::int64_t size : sizes) {
    check(size >= -1 && size <= std::max<std::int64_t>(input[d], 1), "unflatten: sizes ", sizes, " of dimension ", d,
          " of shape ", input, ": need numbers of elements, or -1");
    size == -1 ? ++unknown : known *= size;
    check(known <= std::max<std::int64_t>(input[d], 1), "unflatten: sizes ", sizes, " of dimension ", d, " of shape ",
          input, ": need no more elements than it has");
  }
  const bool fits = unknown == 0 ? known == input[d] : unknown == 1 && known > 0 && input[d] % known == 0;
  check(!sizes.empty() && fits, "unflatten: sizes ", sizes, " of dimension ", d, " of shape ", input,
        ": need as many elements, at most one size -1");
  DimVector output(IntArrayRef(input.data(), d));
  for (const std::int64_t size : sizes) {
    output.push_back(size == -1 ? input[d] / known : size);
  }
  for (std::size_t i = d + 1; i < input.size(); ++i) {
    output.push_back(input[i]);
  }
  return output;
}

void UnflattenImpl::pretty_print(std::ostream& stream) const {
  stream << class_name() << "(dim=" << options.dim() << ", unflattened_size={";
  for (std::size_t i = 0; i < options.sizes().size(); ++i) {
    stream << (i > 0 ? ", " : "") << options.sizes()[i];
  }
  stream << "})";
}

}  // namespace backflow::nn

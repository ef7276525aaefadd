#include <backflow/nn/modules/padding.h>

#include <algorithm>
#include <limits>
#include <ostream>
#include <vector>

namespace backflow::nn::detail {
namespace {

/// The number that borders are made of, if the options have one.
template <class Options>
double value_of(const Options& options) {
  if constexpr (requires { options.value(); }) {
    return options.value();
  } else {
    return 0;
  }
}

}  // namespace

template <class Options, enumtype::Padding kMode>
Tensor PadModule<Options, kMode>::forward(const Tensor& input) const {
  const IntArrayRef padding = options.padding();
  return functional::pad(input, functional::PadFuncOptions(std::vector<std::int64_t>(padding.begin(), padding.end()))
                                    .mode(kMode)
                                    .value(value_of(options)));
}

template <class Options, enumtype::Padding kMode>
DimVector PadModule<Options, kMode>::output_shape(IntArrayRef input) const {
  const IntArrayRef padding = options.padding();
  check(2 * input.size() >= padding.size(), "pad: shape ", input, ": need ", padding.size() / 2, " dimensions");
  DimVector output(input);
  for (std::size_t i = 0; i < padding.size(); ++i) {
    const std::size_t d = output.size() - 1 - i / 2;
    // What is mirrored has to be there: all but the element at the border.
    const std::int64_t most = kMode == kReflect ? input[d] - 1 : std::numeric_limits<std::int32_t>::max();
    check(padding[i] <= most && (kMode == kConstant || input[d] > 0), "pad: ", padding[i], " at dimension ", d,
          " of shape ", input, ": need at most ", most, ", and a size of 1 or more");
    output[d] += padding[i];
  }
  for (std::size_t d = 0; d < output.size(); ++d) {
    check(output[d] >= (kMode == kConstant ? 0 : std::min<std::int64_t>(input[d], 1)), "pad: padding ", padding,
          " of shape ", input, ": need a size that stays above 0");
  }
  return output;
}

template <class Options, enumtype::Padding kMode>
void PadModule<Options, kMode>::pretty_print(std::ostream& stream) const {
  stream << class_name() << "(padding=" << IntArrayRef(options.padding());
  if constexpr (requires { options.value(); }) {
    stream << ", value=" << options.value();
  }
  stream << ')';
}

template class PadModule<ReflectionPad1dOptions, kReflect>;
template class PadModule<ReflectionPad2dOptions, kReflect>;
template class PadModule<ReflectionPad3dOptions, kReflect>;
template class PadModule<ReplicationPad1dOptions, kReplicate>;
template class PadModule<ReplicationPad2dOptions, kReplicate>;
template class PadModule<ReplicationPad3dOptions, kReplicate>;
template class PadModule<ZeroPad2dOptions, kConstant>;
template class PadModule<ConstantPad1dOptions, kConstant>;
template class PadModule<ConstantPad2dOptions, kConstant>;
template class PadModule<ConstantPad3dOptions, kConstant>;

}  // namespace backflow::nn::detail

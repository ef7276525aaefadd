#include <backflow/nn/modules/upsampling.h>

#include <cmath>
#include <ostream>

namespace backflow::nn {
namespace {

template <class T>
void print(std::ostream& stream, const char* what, const std::vector<T>& list) {
  stream << what << "=[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    stream << (i > 0 ? ", " : "") << list[i];
  }
  stream << ']';
}

}  // namespace

Tensor UpsampleImpl::forward(const Tensor& input) const {
  return functional::interpolate(input, functional::InterpolateFuncOptions()
                                            .size(options.size())
                                            .scale_factor(options.scale_factor())
                                            .mode(options.mode())
                                            .align_corners(options.align_corners()));
}

DimVector UpsampleImpl::output_shape(IntArrayRef input) const {
  const std::size_t dims = options.size()           ? options.size()->size()
                           : options.scale_factor() ? options.scale_factor()->size()
                                                    : 0;
  check(dims > 0 && input.size() == dims + 2, "upsample: shape ", input, ": need [batch, channels] and ", dims,
        " dimensions, as many as sizes or factors");
  DimVector output(input);
  for (std::size_t d = 0; d < dims; ++d) {
    output[2 + d] =
        options.size()
            ? (*options.size())[d]
            : static_cast<std::int64_t>(std::floor(static_cast<double>(input[2 + d]) * (*options.scale_factor())[d]));
  }
  return output;
}

void UpsampleImpl::pretty_print(std::ostream& stream) const {
  static constexpr const char* kNames[] = {"kNearest", "kLinear", "kBilinear", "kBicubic", "kTrilinear", "kArea"};
  stream << class_name() << '(';
  if (options.scale_factor()) {
    print(stream, "scale_factor", *options.scale_factor());
  } else if (options.size()) {
    print(stream, "size", *options.size());
  }
  stream << ", mode=" << kNames[static_cast<int>(static_cast<enumtype::Interpolation>(options.mode()))] << ')';
}

}  // namespace backflow::nn

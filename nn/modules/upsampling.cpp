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

/// Whether a mode resizes so many dimensions.
bool fits(enumtype::Interpolation mode, std::size_t dims) {
  using enumtype::Interpolation;
  switch (mode) {
    case Interpolation::Linear:
      return dims == 1;
    case Interpolation::Bilinear:
    case Interpolation::Bicubic:
      return dims == 2;
    case Interpolation::Trilinear:
      return dims == 3;
    default:
      return dims <= 3;
  }
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
  check(fits(options.mode(), dims), "upsample: shape ", input,
        ": need kLinear for 3 dimensions, kBilinear or kBicubic for 4, kTrilinear for 5, or kNearest or kArea");
  DimVector output(input);
  for (std::size_t d = 0; d < dims; ++d) {
    const double size = options.size() ? static_cast<double>((*options.size())[d])
                                       : std::floor(static_cast<double>(input[2 + d]) * (*options.scale_factor())[d]);
    check(size >= 1 && size < 0x1p40 && input[2 + d] >= 1, "upsample: shape ", input,
          ": need sizes and factors that give 1 or more elements, not ", size);
    output[2 + d] = static_cast<std::int64_t>(size);
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

#include <backflow/nn/functional/upsampling.h>

#include <array>
#include <cmath>

#include <backflow/ops/functions.h>

namespace backflow::nn {

InterpolateMode::InterpolateMode(enumtype::Nonlinearity linear) : mode_(enumtype::Interpolation::Linear) {
  check(linear == kLinear,
        "interpolate: a nonlinearity as mode: need kNearest, kLinear, kBilinear, kBicubic, "
        "kTrilinear or kArea");
}

namespace functional {
namespace {

using enumtype::Interpolation;

DimVector result_sizes(const Tensor& input, const InterpolateFuncOptions& options) {
  const auto dims = static_cast<std::size_t>(input.dim()) - 2;
  check(options.size().has_value() != options.scale_factor().has_value(),
        "interpolate: ", options.size() ? "both" : "neither", " size and scale_factor: need one of them");
  if (options.size()) {
    check(options.size()->size() == dims, "interpolate: input ", describe(input), ", size ",
          IntArrayRef(*options.size()), ": need ", dims, " sizes");
    return IntArrayRef(*options.size());
  }
  check(options.scale_factor()->size() == dims, "interpolate: input ", describe(input), ", ",
        options.scale_factor()->size(), " factors: need ", dims);
  DimVector sizes;
  for (std::size_t d = 0; d < dims; ++d) {
    const double size = std::floor(static_cast<double>(input.sizes()[2 + d]) * (*options.scale_factor())[d]);
    check(size >= 1 && size < 0x1p40, "interpolate: factor ", (*options.scale_factor())[d], " for size ",
          input.sizes()[2 + d], ": need a result of 1 or more elements");
    sizes.push_back(static_cast<std::int64_t>(size));
  }
  return sizes;
}

}  // namespace

Tensor interpolate(const Tensor& input, const InterpolateFuncOptions& options) {
  const Interpolation mode = options.mode();
  const bool is_nearest = mode == Interpolation::Nearest;
  check(input.dim() >= 3 && input.dim() <= 5, "interpolate: input ", describe(input),
        ": need [batch, channels] and one to three dimensions");
  const bool is_area = mode == Interpolation::Area;
  check(!(is_nearest || is_area) || !options.align_corners(), "interpolate: align_corners with ",
        is_area ? "kArea" : "kNearest", ": need another mode");
  const DimVector size = result_sizes(input, options);
  std::array<std::optional<double>, 3> s;
  for (std::size_t d = 0;
       options.scale_factor() && !options.recompute_scale_factor().value_or(false) && d < size.size(); ++d) {
    s[d] = (*options.scale_factor())[d];
  }
  const bool align = options.align_corners().value_or(false);
  if (is_nearest) {
    return size.size() == 1   ? upsample_nearest1d(input, size, s[0])
           : size.size() == 2 ? upsample_nearest2d(input, size, s[0], s[1])
                              : upsample_nearest3d(input, size, s[0], s[1], s[2]);
  }
  if (is_area) {
    return size.size() == 1   ? backflow::adaptive_avg_pool1d(input, size)
           : size.size() == 2 ? backflow::adaptive_avg_pool2d(input, size)
                              : backflow::adaptive_avg_pool3d(input, size);
  }
  if (mode == Interpolation::Linear && size.size() == 1) {
    return upsample_linear1d(input, size, align, s[0]);
  }
  if (mode == Interpolation::Bilinear && size.size() == 2) {
    return upsample_bilinear2d(input, size, align, s[0], s[1]);
  }
  if (mode == Interpolation::Bicubic && size.size() == 2) {
    return upsample_bicubic2d(input, size, align, s[0], s[1]);
  }
  check(mode == Interpolation::Trilinear && size.size() == 3, "interpolate: input ", describe(input),
        ": need kLinear for 3 dimensions, kBilinear or kBicubic for 4, kTrilinear for 5, or kNearest or kArea");
  return upsample_trilinear3d(input, size, align, s[0], s[1], s[2]);
}

}  // namespace functional
}  // namespace backflow::nn

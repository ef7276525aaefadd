#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <backflow/nn/enums.h>
#include <backflow/nn/options/arg.h>

namespace backflow::nn {

/// kNearest, kLinear, kBilinear, kBicubic, kTrilinear or kArea.
class InterpolateMode {
 public:
  InterpolateMode(enumtype::Interpolation mode) : mode_(mode) {}  // NOLINT(google-explicit-constructor)
  /// For kLinear, which is also an initializer's constant. Throws Error for the others of its type.
  InterpolateMode(enumtype::Nonlinearity linear);             // NOLINT(google-explicit-constructor)
  operator enumtype::Interpolation() const { return mode_; }  // NOLINT(google-explicit-constructor)

 private:
  enumtype::Interpolation mode_;
};

/// Either the sizes of the result or factors, one for each dimension after batch and channels.
class UpsampleOptions {
 public:
  using mode_t = InterpolateMode;  // NOLINT: libtorch's name
  BACKFLOW_ARG(std::optional<std::vector<std::int64_t>>, size);
  BACKFLOW_ARG(std::optional<std::vector<double>>, scale_factor);
  BACKFLOW_ARG(mode_t, mode) = kNearest;
  BACKFLOW_ARG(std::optional<bool>, align_corners);
};

namespace functional {

class InterpolateFuncOptions {
 public:
  using mode_t = InterpolateMode;  // NOLINT: libtorch's name
  BACKFLOW_ARG(std::optional<std::vector<std::int64_t>>, size);
  BACKFLOW_ARG(std::optional<std::vector<double>>, scale_factor);
  BACKFLOW_ARG(mode_t, mode) = kNearest;
  BACKFLOW_ARG(std::optional<bool>, align_corners);
  BACKFLOW_ARG(std::optional<bool>, recompute_scale_factor);
};

}  // namespace functional
}  // namespace backflow::nn

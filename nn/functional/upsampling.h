#pragma once

#include <backflow/nn/options/upsampling.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// Resizes one to three spatial dimensions of [batch, channels, ...]: to sizes, or by factors, whose products with the
/// sizes are rounded down. Without recompute_scale_factor the given factors map positions of the result to positions of
/// the input. kLinear is for one dimension, kBilinear and kBicubic for two, kTrilinear for three. kNearest is for all,
/// and so is kArea, the mean over the part of the input that an element of the result covers.
Tensor interpolate(const Tensor& input, const InterpolateFuncOptions& options = {});

}  // namespace backflow::nn::functional

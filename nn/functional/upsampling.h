#pragma once

#include <backflow/nn/options/upsampling.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn::functional {

/// [batch, channels, ...] with one to three dimensions made larger or smaller: to sizes, or by factors, whose products
/// with the sizes are rounded down. Without recompute_scale_factor the factors themselves say which elements lie where.
/// kLinear is for one dimension, kBilinear and kBicubic for two, kTrilinear for three, kNearest and kArea, the mean of
/// what an element of the result covers, for each of them.
Tensor interpolate(const Tensor& input, const InterpolateFuncOptions& options = {});

}  // namespace backflow::nn::functional

#pragma once

#include <backflow/nn/functional/activation.h>
#include <backflow/nn/functional/conv.h>
#include <backflow/nn/functional/distance.h>
#include <backflow/nn/functional/dropout.h>
#include <backflow/nn/functional/embedding.h>
#include <backflow/nn/functional/loss.h>
#include <backflow/nn/functional/normalization.h>
#include <backflow/nn/functional/padding.h>
#include <backflow/nn/functional/pixelshuffle.h>
#include <backflow/nn/functional/pooling.h>
#include <backflow/nn/functional/upsampling.h>
#include <backflow/nn/options.h>
#include <backflow/runtime/tensor/tensor.h>

/// The functions behind the modules, with libtorch's options. Shapes, dtypes and errors are those of the operators of
/// the same name (ops/functions.h).
namespace backflow::nn::functional {

/// x w^T + b: input [..., in], weight [out, in], bias [out] or none.
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});

}  // namespace backflow::nn::functional

#pragma once

#include <cstdint>
#include <tuple>

#include <backflow/nn/enums.h>
#include <backflow/runtime/tensor/tensor.h>

/// Initializers, as PyTorch's torch.nn.init: each fills a floating-point tensor, off the tape, and returns it. Random
/// ones draw from the default generator. So `manual_seed` fixes them, on any number of threads.
namespace backflow::nn::init {

using FanModeType = enumtype::FanMode;
using NonlinearityType = enumtype::Nonlinearity;

/// The gain of a nonlinearity: the factor on a weight's standard deviation that makes up for it. `param` is the
/// negative slope of LeakyReLU.
double calculate_gain(NonlinearityType nonlinearity, double param = 0.01);

/// Fan in and fan out of a weight [outputs, inputs, kernel...]: the inputs of an output, and the outputs of an input.
/// Throws Error for fewer than two dimensions.
std::tuple<std::int64_t, std::int64_t> _calculate_fan_in_and_fan_out(const Tensor& tensor);  // NOLINT: libtorch's name

Tensor constant_(Tensor tensor, Scalar value);
Tensor zeros_(Tensor tensor);
Tensor ones_(Tensor tensor);
/// Numbers in [low, high).
Tensor uniform_(Tensor tensor, double low = 0, double high = 1);
Tensor normal_(Tensor tensor, double mean = 0, double std = 1);

/// Glorot and Bengio: "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010. The
/// standard deviation is s = gain sqrt(2 / (fan_in + fan_out)); uniform numbers are in +-sqrt(3) s.
Tensor xavier_uniform_(Tensor tensor, double gain = 1);
Tensor xavier_normal_(Tensor tensor, double gain = 1);

/// He, Zhang, Ren, Sun: "Delving deep into rectifiers", ICCV 2015. The standard deviation is gain / sqrt(fan); `a` is
/// the negative slope of LeakyReLU.
Tensor kaiming_uniform_(Tensor tensor, double a = 0, FanModeType mode = kFanIn,
                        NonlinearityType nonlinearity = kLeakyReLU);
Tensor kaiming_normal_(Tensor tensor, double a = 0, FanModeType mode = kFanIn,
                       NonlinearityType nonlinearity = kLeakyReLU);

}  // namespace backflow::nn::init

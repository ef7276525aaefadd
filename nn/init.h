#pragma once

#include <cstdint>
#include <tuple>

#include <backflow/nn/enums.h>
#include <backflow/runtime/tensor/tensor.h>

/// Initializers as PyTorch's torch.nn.init: each fills a floating-point tensor, off the tape, and returns it. Random
/// ones take the next stream of the default generator (ops/creation/random.h), so that `manual_seed` fixes them, on any
/// number of threads.
namespace backflow::nn::init {

using FanModeType = enumtype::FanMode;
using NonlinearityType = enumtype::Nonlinearity;

/// The factor by which a nonlinearity shrinks the standard deviation of what passes it. `param` is the slope of
/// LeakyReLU below zero.
double calculate_gain(NonlinearityType nonlinearity, double param = 0.01);

/// How many inputs an output has, and how many outputs an input has, for a weight [outputs, inputs, kernel...]. Throws
/// Error for fewer than two dimensions.
std::tuple<std::int64_t, std::int64_t> _calculate_fan_in_and_fan_out(const Tensor& tensor);  // NOLINT: libtorch's name

Tensor constant_(Tensor tensor, Scalar value);
Tensor zeros_(Tensor tensor);
Tensor ones_(Tensor tensor);
/// Numbers in [low, high).
Tensor uniform_(Tensor tensor, double low = 0, double high = 1);
Tensor normal_(Tensor tensor, double mean = 0, double std = 1);

/// Glorot and Bengio: "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010: a
/// standard deviation of gain sqrt(2 / (fan_in + fan_out)), which uniform numbers in +-sqrt(3) of it have.
Tensor xavier_uniform_(Tensor tensor, double gain = 1);
Tensor xavier_normal_(Tensor tensor, double gain = 1);

/// He, Zhang, Ren, Sun: "Delving deep into rectifiers", ICCV 2015: a standard deviation of gain / sqrt(fan), where `a`
/// is the slope of LeakyReLU below zero.
Tensor kaiming_uniform_(Tensor tensor, double a = 0, FanModeType mode = kFanIn,
                        NonlinearityType nonlinearity = kLeakyReLU);
Tensor kaiming_normal_(Tensor tensor, double a = 0, FanModeType mode = kFanIn,
                       NonlinearityType nonlinearity = kLeakyReLU);

}  // namespace backflow::nn::init

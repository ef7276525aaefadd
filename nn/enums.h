#pragma once

namespace backflow {

/// The constants that options and initializers take, as libtorch's torch::kMean and so on.
namespace enumtype {
enum class Reduction { None, Mean, Sum, BatchMean };
enum class FanMode { FanIn, FanOut };
enum class Combine { Sum, Concat };
enum class Nonlinearity { Linear, Conv1D, Conv2D, Conv3D, Sigmoid, Tanh, ReLU, LeakyReLU };
enum class Padding { Constant, Reflect, Replicate, Circular, Zeros };
enum class ConvPadding { Valid, Same };
enum class Interpolation { Nearest, Linear, Bilinear, Bicubic, Trilinear, Area };
enum class BagMode { Max };
}  // namespace enumtype

/// What a loss does with the values of its rows or elements.
inline constexpr auto kNone = enumtype::Reduction::None;
inline constexpr auto kMean = enumtype::Reduction::Mean;
inline constexpr auto kSum = enumtype::Reduction::Sum;
/// Of kl_div alone: the sum, divided by the size of the first dimension.
inline constexpr auto kBatchMean = enumtype::Reduction::BatchMean;

/// What nn::Branches makes of the results of its branches: their sum, or one after the other along a dimension.
inline constexpr auto kBranchSum = enumtype::Combine::Sum;
inline constexpr auto kBranchConcat = enumtype::Combine::Concat;

/// Which side of a weight Kaiming's initializers keep the variance of: the forward's, or the backward's.
inline constexpr auto kFanIn = enumtype::FanMode::FanIn;
inline constexpr auto kFanOut = enumtype::FanMode::FanOut;

/// What follows a weight, for `calculate_gain`.
inline constexpr auto kLinear = enumtype::Nonlinearity::Linear;
inline constexpr auto kConv1D = enumtype::Nonlinearity::Conv1D;
inline constexpr auto kConv2D = enumtype::Nonlinearity::Conv2D;
inline constexpr auto kConv3D = enumtype::Nonlinearity::Conv3D;
inline constexpr auto kSigmoid = enumtype::Nonlinearity::Sigmoid;
inline constexpr auto kTanh = enumtype::Nonlinearity::Tanh;
inline constexpr auto kReLU = enumtype::Nonlinearity::ReLU;
inline constexpr auto kLeakyReLU = enumtype::Nonlinearity::LeakyReLU;

/// How interpolate() makes images larger and smaller; kLinear above is one of these too.
inline constexpr auto kNearest = enumtype::Interpolation::Nearest;
inline constexpr auto kBilinear = enumtype::Interpolation::Bilinear;
inline constexpr auto kBicubic = enumtype::Interpolation::Bicubic;
inline constexpr auto kTrilinear = enumtype::Interpolation::Trilinear;
inline constexpr auto kArea = enumtype::Interpolation::Area;

/// What embedding_bag() makes of the rows of a bag; kSum and kMean above are for it too.
inline constexpr auto kMax = enumtype::BagMode::Max;

/// What pad() puts around a tensor.
inline constexpr auto kConstant = enumtype::Padding::Constant;
inline constexpr auto kReflect = enumtype::Padding::Reflect;
inline constexpr auto kReplicate = enumtype::Padding::Replicate;
inline constexpr auto kCircular = enumtype::Padding::Circular;
/// Of convolutions, beside the last three.
inline constexpr auto kZeros = enumtype::Padding::Zeros;

/// How wide the padding of a convolution is: none, or such that with a stride of 1 the result is as large as the input.
inline constexpr auto kValid = enumtype::ConvPadding::Valid;
inline constexpr auto kSame = enumtype::ConvPadding::Same;

}  // namespace backflow

#pragma once

namespace backflow {

/// Constants for options and initializers, as libtorch's torch::kMean.
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

/// How a loss reduces the values of its rows or elements.
inline constexpr auto kNone = enumtype::Reduction::None;
inline constexpr auto kMean = enumtype::Reduction::Mean;
inline constexpr auto kSum = enumtype::Reduction::Sum;
/// For kl_div only: the sum, divided by the size of the first dimension.
inline constexpr auto kBatchMean = enumtype::Reduction::BatchMean;

/// How nn::Branches combines results: their sum, or their concatenation along a dimension.
inline constexpr auto kBranchSum = enumtype::Combine::Sum;
inline constexpr auto kBranchConcat = enumtype::Combine::Concat;

/// Which variance Kaiming initializers preserve: that of the forward (fan in), or of the backward (fan out).
inline constexpr auto kFanIn = enumtype::FanMode::FanIn;
inline constexpr auto kFanOut = enumtype::FanMode::FanOut;

/// The nonlinearity after a weight, for `calculate_gain`.
inline constexpr auto kLinear = enumtype::Nonlinearity::Linear;
inline constexpr auto kConv1D = enumtype::Nonlinearity::Conv1D;
inline constexpr auto kConv2D = enumtype::Nonlinearity::Conv2D;
inline constexpr auto kConv3D = enumtype::Nonlinearity::Conv3D;
inline constexpr auto kSigmoid = enumtype::Nonlinearity::Sigmoid;
inline constexpr auto kTanh = enumtype::Nonlinearity::Tanh;
inline constexpr auto kReLU = enumtype::Nonlinearity::ReLU;
inline constexpr auto kLeakyReLU = enumtype::Nonlinearity::LeakyReLU;

/// The mode of interpolate(); kLinear above is one too.
inline constexpr auto kNearest = enumtype::Interpolation::Nearest;
inline constexpr auto kBilinear = enumtype::Interpolation::Bilinear;
inline constexpr auto kBicubic = enumtype::Interpolation::Bicubic;
inline constexpr auto kTrilinear = enumtype::Interpolation::Trilinear;
inline constexpr auto kArea = enumtype::Interpolation::Area;

/// How embedding_bag() reduces the rows of a bag; kSum and kMean above are modes too.
inline constexpr auto kMax = enumtype::BagMode::Max;

/// The mode of pad().
inline constexpr auto kConstant = enumtype::Padding::Constant;
inline constexpr auto kReflect = enumtype::Padding::Reflect;
inline constexpr auto kReplicate = enumtype::Padding::Replicate;
inline constexpr auto kCircular = enumtype::Padding::Circular;
/// Padding mode of convolutions, besides the last three.
inline constexpr auto kZeros = enumtype::Padding::Zeros;

/// The padding of a convolution: none, or as much as keeps the input's size with a stride of 1.
inline constexpr auto kValid = enumtype::ConvPadding::Valid;
inline constexpr auto kSame = enumtype::ConvPadding::Same;

}  // namespace backflow

#pragma once

#include <cstdint>
#include <optional>

#include <backflow/nn/enums.h>
#include <backflow/nn/options/arg.h>
#include <backflow/nn/options/expanding_array.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::nn {

/// The padding of a convolution: the number of zeros on both sides of each spatial dimension, or kSame or kValid.
template <std::size_t D>
class ConvolutionPadding {
 public:
  ConvolutionPadding(std::int64_t number) : numbers_(number) {}                             // NOLINT
  ConvolutionPadding(std::initializer_list<std::int64_t> list) : numbers_(list) {}          // NOLINT
  ConvolutionPadding(const ExpandingArray<D>& numbers) : numbers_(numbers) {}               // NOLINT
  ConvolutionPadding(const std::vector<std::int64_t>& numbers) : numbers_(numbers) {}       // NOLINT
  ConvolutionPadding(enumtype::ConvPadding rule) : numbers_(0), is_same_(rule == kSame) {}  // NOLINT

  bool is_same() const { return is_same_; }
  const ExpandingArray<D>& numbers() const { return numbers_; }

 private:
  ExpandingArray<D> numbers_;
  bool is_same_ = false;
};

/// The options of Conv1d, Conv2d and Conv3d.
template <std::size_t D>
class ConvOptions {
 public:
  using padding_t = ConvolutionPadding<D>;   // NOLINT: libtorch's name
  using padding_mode_t = enumtype::Padding;  // NOLINT: libtorch's name

  ConvOptions(std::int64_t in_channels, std::int64_t out_channels, ExpandingArray<D> kernel_size)
      : in_channels_(in_channels), out_channels_(out_channels), kernel_size_(kernel_size) {}

  BACKFLOW_ARG(std::int64_t, in_channels);
  BACKFLOW_ARG(std::int64_t, out_channels);
  BACKFLOW_ARG(ExpandingArray<D>, kernel_size);
  BACKFLOW_ARG(ExpandingArray<D>, stride) = 1;
  BACKFLOW_ARG(padding_t, padding) = 0;
  BACKFLOW_ARG(ExpandingArray<D>, dilation) = 1;
  BACKFLOW_ARG(std::int64_t, groups) = 1;
  BACKFLOW_ARG(bool, bias) = true;
  /// kZeros, kReflect, kReplicate or kCircular.
  BACKFLOW_ARG(padding_mode_t, padding_mode) = kZeros;
};
using Conv1dOptions = ConvOptions<1>;
using Conv2dOptions = ConvOptions<2>;
using Conv3dOptions = ConvOptions<3>;

/// The options of ConvTranspose1d, ConvTranspose2d and ConvTranspose3d.
template <std::size_t D>
class ConvTransposeOptions {
 public:
  using padding_mode_t = enumtype::Padding;  // NOLINT: libtorch's name

  ConvTransposeOptions(std::int64_t in_channels, std::int64_t out_channels, ExpandingArray<D> kernel_size)
      : in_channels_(in_channels), out_channels_(out_channels), kernel_size_(kernel_size) {}

  BACKFLOW_ARG(std::int64_t, in_channels);
  BACKFLOW_ARG(std::int64_t, out_channels);
  BACKFLOW_ARG(ExpandingArray<D>, kernel_size);
  BACKFLOW_ARG(ExpandingArray<D>, stride) = 1;
  BACKFLOW_ARG(ExpandingArray<D>, padding) = 0;
  BACKFLOW_ARG(ExpandingArray<D>, output_padding) = 0;
  BACKFLOW_ARG(std::int64_t, groups) = 1;
  BACKFLOW_ARG(bool, bias) = true;
  BACKFLOW_ARG(ExpandingArray<D>, dilation) = 1;
  /// Only kZeros.
  BACKFLOW_ARG(padding_mode_t, padding_mode) = kZeros;
};
using ConvTranspose1dOptions = ConvTransposeOptions<1>;
using ConvTranspose2dOptions = ConvTransposeOptions<2>;
using ConvTranspose3dOptions = ConvTransposeOptions<3>;

namespace functional {

template <std::size_t D>
class ConvFuncOptions {
 public:
  using padding_t = ConvolutionPadding<D>;  // NOLINT: libtorch's name

  BACKFLOW_ARG(Tensor, bias) = {};
  BACKFLOW_ARG(ExpandingArray<D>, stride) = 1;
  BACKFLOW_ARG(padding_t, padding) = 0;
  BACKFLOW_ARG(ExpandingArray<D>, dilation) = 1;
  BACKFLOW_ARG(std::int64_t, groups) = 1;
};
using Conv1dFuncOptions = ConvFuncOptions<1>;
using Conv2dFuncOptions = ConvFuncOptions<2>;
using Conv3dFuncOptions = ConvFuncOptions<3>;

template <std::size_t D>
class ConvTransposeFuncOptions {
 public:
  BACKFLOW_ARG(Tensor, bias) = {};
  BACKFLOW_ARG(ExpandingArray<D>, stride) = 1;
  BACKFLOW_ARG(ExpandingArray<D>, padding) = 0;
  BACKFLOW_ARG(ExpandingArray<D>, output_padding) = 0;
  BACKFLOW_ARG(std::int64_t, groups) = 1;
  BACKFLOW_ARG(ExpandingArray<D>, dilation) = 1;
};
using ConvTranspose1dFuncOptions = ConvTransposeFuncOptions<1>;
using ConvTranspose2dFuncOptions = ConvTransposeFuncOptions<2>;
using ConvTranspose3dFuncOptions = ConvTransposeFuncOptions<3>;

}  // namespace functional
}  // namespace backflow::nn

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <backflow/nn/module.h>
#include <backflow/nn/options/conv.h>

namespace backflow::nn {

/// y = conv(x, w) + b over D spatial dimensions: input [batch, in_channels, ...] or [in_channels, ...]. Parameters:
/// weight [out_channels, in_channels / groups, kernel...] and, unless left out, bias [out_channels]; both start as
/// PyTorch's, uniform in +-1 / sqrt(k) with k = in_channels / groups times the kernel's elements.
template <std::size_t D>
class ConvImpl : public Module {
 public:
  ConvImpl(std::int64_t in_channels, std::int64_t out_channels, ExpandingArray<D> kernel_size)
      : ConvImpl(ConvOptions<D>(in_channels, out_channels, kernel_size)) {}
  /// Throws Error for options that don't fit together.
  explicit ConvImpl(const ConvOptions<D>& options_);

  Tensor forward(const Tensor& input) const;
  /// Draws the parameters anew.
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  ConvOptions<D> options;
  Tensor weight;
  Tensor bias;  ///< undefined when left out
};

class Conv1dImpl : public ConvImpl<1> {
 public:
  using ConvImpl<1>::ConvImpl;
};
BACKFLOW_MODULE(Conv1d);

class Conv2dImpl : public ConvImpl<2> {
 public:
  using ConvImpl<2>::ConvImpl;
};
BACKFLOW_MODULE(Conv2d);

class Conv3dImpl : public ConvImpl<3> {
 public:
  using ConvImpl<3>::ConvImpl;
};
BACKFLOW_MODULE(Conv3d);

/// Transposed convolution over D spatial dimensions: the gradient of a convolution with respect to its input.
/// Parameters: weight [in_channels, out_channels / groups, kernel...] and, unless left out, bias [out_channels].
template <std::size_t D>
class ConvTransposeImpl : public Module {
 public:
  ConvTransposeImpl(std::int64_t in_channels, std::int64_t out_channels, ExpandingArray<D> kernel_size)
      : ConvTransposeImpl(ConvTransposeOptions<D>(in_channels, out_channels, kernel_size)) {}
  /// Throws Error for options that don't fit together.
  explicit ConvTransposeImpl(const ConvTransposeOptions<D>& options_);

  /// `output_size`, if given, is the size of the result in each spatial dimension; it replaces output_padding.
  Tensor forward(const Tensor& input, const std::optional<IntArrayRef>& output_size = std::nullopt) const;
  /// Draws the parameters anew.
  void reset_parameters();
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  ConvTransposeOptions<D> options;
  Tensor weight;
  Tensor bias;  ///< undefined when left out

 private:
  DimVector output_padding(IntArrayRef input, const std::optional<IntArrayRef>& output_size) const;
};

class ConvTranspose1dImpl : public ConvTransposeImpl<1> {
 public:
  using ConvTransposeImpl<1>::ConvTransposeImpl;
};
BACKFLOW_MODULE(ConvTranspose1d);

class ConvTranspose2dImpl : public ConvTransposeImpl<2> {
 public:
  using ConvTransposeImpl<2>::ConvTransposeImpl;
};
BACKFLOW_MODULE(ConvTranspose2d);

class ConvTranspose3dImpl : public ConvTransposeImpl<3> {
 public:
  using ConvTransposeImpl<3>::ConvTransposeImpl;
};
BACKFLOW_MODULE(ConvTranspose3d);

}  // namespace backflow::nn

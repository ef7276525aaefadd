#pragma once

#include <optional>
#include <vector>

#include <backflow/nn/options/arg.h>
#include <backflow/nn/options/expanding_array.h>

namespace backflow::nn {

/// The windows of a max pooling. The stride is the kernel's size unless it is set.
template <std::size_t D>
class MaxPoolOptions {
 public:
  MaxPoolOptions(ExpandingArray<D> kernel_size)  // NOLINT(google-explicit-constructor)
      : kernel_size_(kernel_size), stride_(kernel_size) {}
  MaxPoolOptions& kernel_size(ExpandingArray<D> size) {
    kernel_size_ = size;
    return *this;
  }
  MaxPoolOptions& stride(ExpandingArray<D> stride) {
    stride_ = stride;
    return *this;
  }
  /// Elements of -infinity on both sides.
  MaxPoolOptions& padding(ExpandingArray<D> padding) {
    padding_ = padding;
    return *this;
  }
  MaxPoolOptions& dilation(ExpandingArray<D> dilation) {
    dilation_ = dilation;
    return *this;
  }
  /// Whether the last window may end beyond the padded input.
  MaxPoolOptions& ceil_mode(bool ceil_mode) {
    ceil_mode_ = ceil_mode;
    return *this;
  }
  const ExpandingArray<D>& kernel_size() const { return kernel_size_; }
  const ExpandingArray<D>& stride() const { return stride_; }
  const ExpandingArray<D>& padding() const { return padding_; }
  const ExpandingArray<D>& dilation() const { return dilation_; }
  bool ceil_mode() const { return ceil_mode_; }

 private:
  ExpandingArray<D> kernel_size_;
  ExpandingArray<D> stride_;
  ExpandingArray<D> padding_ = 0;
  ExpandingArray<D> dilation_ = 1;
  bool ceil_mode_ = false;
};

/// The windows of an average pooling. The stride is the kernel's size unless it is set.
template <std::size_t D>
class AvgPoolOptions {
 public:
  AvgPoolOptions(ExpandingArray<D> kernel_size)  // NOLINT(google-explicit-constructor)
      : kernel_size_(kernel_size), stride_(kernel_size) {}
  AvgPoolOptions& kernel_size(ExpandingArray<D> size) {
    kernel_size_ = size;
    return *this;
  }
  AvgPoolOptions& stride(ExpandingArray<D> stride) {
    stride_ = stride;
    return *this;
  }
  /// Zeros on both sides.
  AvgPoolOptions& padding(ExpandingArray<D> padding) {
    padding_ = padding;
    return *this;
  }
  AvgPoolOptions& ceil_mode(bool ceil_mode) {
    ceil_mode_ = ceil_mode;
    return *this;
  }
  /// Whether zeros of the padding count as elements.
  AvgPoolOptions& count_include_pad(bool count) {
    count_include_pad_ = count;
    return *this;
  }
  /// The divisor of the sums, instead of the number of elements.
  AvgPoolOptions& divisor_override(std::optional<std::int64_t> divisor) requires(D > 1) {
    divisor_override_ = divisor;
    return *this;
  }
  const ExpandingArray<D>& kernel_size() const { return kernel_size_; }
  const ExpandingArray<D>& stride() const { return stride_; }
  const ExpandingArray<D>& padding() const { return padding_; }
  bool ceil_mode() const { return ceil_mode_; }
  bool count_include_pad() const { return count_include_pad_; }
  std::optional<std::int64_t> divisor_override() const requires(D > 1) { return divisor_override_; }

 private:
  ExpandingArray<D> kernel_size_;
  ExpandingArray<D> stride_;
  ExpandingArray<D> padding_ = 0;
  bool ceil_mode_ = false;
  bool count_include_pad_ = true;
  std::optional<std::int64_t> divisor_override_;
};

/// The number of windows along each dimension; with OptionalSize the default is the size of the input.
template <class Size, class Tag>
class AdaptivePoolOptions {
 public:
  AdaptivePoolOptions(Size output_size) : output_size_(output_size) {}  // NOLINT(google-explicit-constructor)
  AdaptivePoolOptions& output_size(Size size) {
    output_size_ = size;
    return *this;
  }
  const Size& output_size() const { return output_size_; }

 private:
  Size output_size_;
};

/// The windows of a pooling by a norm of order norm_type. The stride is the kernel's size unless it is set.
template <std::size_t D>
class LPPoolOptions {
 public:
  LPPoolOptions(double norm_type, ExpandingArray<D> kernel_size)
      : norm_type_(norm_type), kernel_size_(kernel_size), stride_(kernel_size) {}
  BACKFLOW_ARG(double, norm_type);
  BACKFLOW_ARG(ExpandingArray<D>, kernel_size);
  BACKFLOW_ARG(ExpandingArray<D>, stride);
  BACKFLOW_ARG(bool, ceil_mode) = false;  ///< whether the last window may end beyond the input
};

/// The windows of the max pooling that is to be undone. The stride is the kernel's size unless it is set.
template <std::size_t D>
class MaxUnpoolOptions {
 public:
  MaxUnpoolOptions(ExpandingArray<D> kernel_size)  // NOLINT(google-explicit-constructor)
      : kernel_size_(kernel_size), stride_(kernel_size) {}
  BACKFLOW_ARG(ExpandingArray<D>, kernel_size);
  BACKFLOW_ARG(ExpandingArray<D>, stride);
  BACKFLOW_ARG(ExpandingArray<D>, padding) = 0;
};

using LPPool1dOptions = LPPoolOptions<1>;
using LPPool2dOptions = LPPoolOptions<2>;
using MaxUnpool1dOptions = MaxUnpoolOptions<1>;
using MaxUnpool2dOptions = MaxUnpoolOptions<2>;
using MaxUnpool3dOptions = MaxUnpoolOptions<3>;
using MaxPool1dOptions = MaxPoolOptions<1>;
using MaxPool2dOptions = MaxPoolOptions<2>;
using MaxPool3dOptions = MaxPoolOptions<3>;
using AvgPool1dOptions = AvgPoolOptions<1>;
using AvgPool2dOptions = AvgPoolOptions<2>;
using AvgPool3dOptions = AvgPoolOptions<3>;
using AdaptiveMaxPool1dOptions = AdaptivePoolOptions<ExpandingArray<1>, struct AdaptiveMax>;
using AdaptiveMaxPool2dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<2>, struct AdaptiveMax>;
using AdaptiveMaxPool3dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<3>, struct AdaptiveMax>;
using AdaptiveAvgPool1dOptions = AdaptivePoolOptions<ExpandingArray<1>, struct AdaptiveAvg>;
using AdaptiveAvgPool2dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<2>, struct AdaptiveAvg>;
using AdaptiveAvgPool3dOptions = AdaptivePoolOptions<ExpandingArrayWithOptionalElem<3>, struct AdaptiveAvg>;

namespace functional {

/// The same, and optionally the sizes of the result: the spatial ones, or all with batch and channels.
template <std::size_t D>
class MaxUnpoolFuncOptions {
 public:
  MaxUnpoolFuncOptions(ExpandingArray<D> kernel_size)  // NOLINT(google-explicit-constructor)
      : kernel_size_(kernel_size), stride_(kernel_size) {}
  BACKFLOW_ARG(ExpandingArray<D>, kernel_size);
  BACKFLOW_ARG(ExpandingArray<D>, stride);
  BACKFLOW_ARG(ExpandingArray<D>, padding) = 0;
  BACKFLOW_ARG(std::optional<std::vector<std::int64_t>>, output_size);
};

using LPPool1dFuncOptions = LPPool1dOptions;
using LPPool2dFuncOptions = LPPool2dOptions;
using MaxUnpool1dFuncOptions = MaxUnpoolFuncOptions<1>;
using MaxUnpool2dFuncOptions = MaxUnpoolFuncOptions<2>;
using MaxUnpool3dFuncOptions = MaxUnpoolFuncOptions<3>;

using MaxPool1dFuncOptions = MaxPool1dOptions;
using MaxPool2dFuncOptions = MaxPool2dOptions;
using MaxPool3dFuncOptions = MaxPool3dOptions;
using AvgPool1dFuncOptions = AvgPool1dOptions;
using AvgPool2dFuncOptions = AvgPool2dOptions;
using AvgPool3dFuncOptions = AvgPool3dOptions;
using AdaptiveMaxPool1dFuncOptions = AdaptiveMaxPool1dOptions;
using AdaptiveMaxPool2dFuncOptions = AdaptiveMaxPool2dOptions;
using AdaptiveMaxPool3dFuncOptions = AdaptiveMaxPool3dOptions;
using AdaptiveAvgPool1dFuncOptions = AdaptiveAvgPool1dOptions;
using AdaptiveAvgPool2dFuncOptions = AdaptiveAvgPool2dOptions;
using AdaptiveAvgPool3dFuncOptions = AdaptiveAvgPool3dOptions;

}  // namespace functional
}  // namespace backflow::nn

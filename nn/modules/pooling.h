#pragma once

#include <string>

#include <backflow/nn/functional/pooling.h>
#include <backflow/nn/module.h>

/// Modules of pooling: inputs [batch, channels, spatial...] or, unbatched, [channels, spatial...]. Options and errors
/// are those of the functions of the same name.
namespace backflow::nn {

namespace detail {

/// A module that pools kDims spatial dimensions, with these options; `Self` has `forward(input)`.
template <std::size_t kDims, class Self, class Options>
class PoolModule : public Module {
 public:
  explicit PoolModule(const Options& options_) : options(options_) {}

  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  Options options;
};

}  // namespace detail

/// The largest element of each window, along the length.
class MaxPool1dImpl : public detail::PoolModule<1, MaxPool1dImpl, MaxPool1dOptions> {
 public:
  MaxPool1dImpl(ExpandingArray<1> kernel_size)
      : MaxPool1dImpl(MaxPool1dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit MaxPool1dImpl(const MaxPool1dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::max_pool1d(input, options); }
  /// With the index of each element in its plane.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input) const {
    return functional::max_pool1d_with_indices(input, options);
  }
};
BACKFLOW_MODULE(MaxPool1d);

/// The largest element of each window, along height and width.
class MaxPool2dImpl : public detail::PoolModule<2, MaxPool2dImpl, MaxPool2dOptions> {
 public:
  MaxPool2dImpl(ExpandingArray<2> kernel_size)
      : MaxPool2dImpl(MaxPool2dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit MaxPool2dImpl(const MaxPool2dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::max_pool2d(input, options); }
  /// With the index of each element in its plane.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input) const {
    return functional::max_pool2d_with_indices(input, options);
  }
};
BACKFLOW_MODULE(MaxPool2d);

/// The largest element of each window, along depth, height and width.
class MaxPool3dImpl : public detail::PoolModule<3, MaxPool3dImpl, MaxPool3dOptions> {
 public:
  MaxPool3dImpl(ExpandingArray<3> kernel_size)
      : MaxPool3dImpl(MaxPool3dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit MaxPool3dImpl(const MaxPool3dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::max_pool3d(input, options); }
  /// With the index of each element in its plane.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input) const {
    return functional::max_pool3d_with_indices(input, options);
  }
};
BACKFLOW_MODULE(MaxPool3d);

/// The average of each window, along the length.
class AvgPool1dImpl : public detail::PoolModule<1, AvgPool1dImpl, AvgPool1dOptions> {
 public:
  AvgPool1dImpl(ExpandingArray<1> kernel_size)
      : AvgPool1dImpl(AvgPool1dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AvgPool1dImpl(const AvgPool1dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::avg_pool1d(input, options); }
};
BACKFLOW_MODULE(AvgPool1d);

/// The average of each window, along height and width.
class AvgPool2dImpl : public detail::PoolModule<2, AvgPool2dImpl, AvgPool2dOptions> {
 public:
  AvgPool2dImpl(ExpandingArray<2> kernel_size)
      : AvgPool2dImpl(AvgPool2dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AvgPool2dImpl(const AvgPool2dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::avg_pool2d(input, options); }
};
BACKFLOW_MODULE(AvgPool2d);

/// The average of each window, along depth, height and width.
class AvgPool3dImpl : public detail::PoolModule<3, AvgPool3dImpl, AvgPool3dOptions> {
 public:
  AvgPool3dImpl(ExpandingArray<3> kernel_size)
      : AvgPool3dImpl(AvgPool3dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AvgPool3dImpl(const AvgPool3dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::avg_pool3d(input, options); }
};
BACKFLOW_MODULE(AvgPool3d);

/// The norm of order norm_type of each window, along the length.
class LPPool1dImpl : public detail::PoolModule<1, LPPool1dImpl, LPPool1dOptions> {
 public:
  LPPool1dImpl(double norm_type, ExpandingArray<1> kernel_size)
      : LPPool1dImpl(LPPool1dOptions(norm_type, kernel_size)) {}
  explicit LPPool1dImpl(const LPPool1dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::lp_pool1d(input, options); }
};
BACKFLOW_MODULE(LPPool1d);

/// The norm of order norm_type of each window, along height and width.
class LPPool2dImpl : public detail::PoolModule<2, LPPool2dImpl, LPPool2dOptions> {
 public:
  LPPool2dImpl(double norm_type, ExpandingArray<2> kernel_size)
      : LPPool2dImpl(LPPool2dOptions(norm_type, kernel_size)) {}
  explicit LPPool2dImpl(const LPPool2dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::lp_pool2d(input, options); }
};
BACKFLOW_MODULE(LPPool2d);

/// The largest element of each of output_size windows, along the length.
class AdaptiveMaxPool1dImpl : public detail::PoolModule<1, AdaptiveMaxPool1dImpl, AdaptiveMaxPool1dOptions> {
 public:
  AdaptiveMaxPool1dImpl(ExpandingArray<1> output_size)
      : AdaptiveMaxPool1dImpl(AdaptiveMaxPool1dOptions(output_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AdaptiveMaxPool1dImpl(const AdaptiveMaxPool1dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::adaptive_max_pool1d(input, options); }
  /// With the index of each element in its plane.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input) const {
    return functional::adaptive_max_pool1d_with_indices(input, options);
  }
};
BACKFLOW_MODULE(AdaptiveMaxPool1d);

/// The largest element of each of output_size windows, along height and width.
class AdaptiveMaxPool2dImpl : public detail::PoolModule<2, AdaptiveMaxPool2dImpl, AdaptiveMaxPool2dOptions> {
 public:
  AdaptiveMaxPool2dImpl(ExpandingArrayWithOptionalElem<2> output_size)
      : AdaptiveMaxPool2dImpl(AdaptiveMaxPool2dOptions(output_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AdaptiveMaxPool2dImpl(const AdaptiveMaxPool2dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::adaptive_max_pool2d(input, options); }
  /// With the index of each element in its plane.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input) const {
    return functional::adaptive_max_pool2d_with_indices(input, options);
  }
};
BACKFLOW_MODULE(AdaptiveMaxPool2d);

/// The largest element of each of output_size windows, along depth, height and width.
class AdaptiveMaxPool3dImpl : public detail::PoolModule<3, AdaptiveMaxPool3dImpl, AdaptiveMaxPool3dOptions> {
 public:
  AdaptiveMaxPool3dImpl(ExpandingArrayWithOptionalElem<3> output_size)
      : AdaptiveMaxPool3dImpl(AdaptiveMaxPool3dOptions(output_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AdaptiveMaxPool3dImpl(const AdaptiveMaxPool3dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::adaptive_max_pool3d(input, options); }
  /// With the index of each element in its plane.
  std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input) const {
    return functional::adaptive_max_pool3d_with_indices(input, options);
  }
};
BACKFLOW_MODULE(AdaptiveMaxPool3d);

/// The average of each of output_size windows, along the length.
class AdaptiveAvgPool1dImpl : public detail::PoolModule<1, AdaptiveAvgPool1dImpl, AdaptiveAvgPool1dOptions> {
 public:
  AdaptiveAvgPool1dImpl(ExpandingArray<1> output_size)
      : AdaptiveAvgPool1dImpl(AdaptiveAvgPool1dOptions(output_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AdaptiveAvgPool1dImpl(const AdaptiveAvgPool1dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::adaptive_avg_pool1d(input, options); }
};
BACKFLOW_MODULE(AdaptiveAvgPool1d);

/// The average of each of output_size windows, along height and width.
class AdaptiveAvgPool2dImpl : public detail::PoolModule<2, AdaptiveAvgPool2dImpl, AdaptiveAvgPool2dOptions> {
 public:
  AdaptiveAvgPool2dImpl(ExpandingArrayWithOptionalElem<2> output_size)
      : AdaptiveAvgPool2dImpl(AdaptiveAvgPool2dOptions(output_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AdaptiveAvgPool2dImpl(const AdaptiveAvgPool2dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::adaptive_avg_pool2d(input, options); }
};
BACKFLOW_MODULE(AdaptiveAvgPool2d);

/// The average of each of output_size windows, along depth, height and width.
class AdaptiveAvgPool3dImpl : public detail::PoolModule<3, AdaptiveAvgPool3dImpl, AdaptiveAvgPool3dOptions> {
 public:
  AdaptiveAvgPool3dImpl(ExpandingArrayWithOptionalElem<3> output_size)
      : AdaptiveAvgPool3dImpl(AdaptiveAvgPool3dOptions(output_size)) {}  // NOLINT(google-explicit-constructor)
  explicit AdaptiveAvgPool3dImpl(const AdaptiveAvgPool3dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input) const { return functional::adaptive_avg_pool3d(input, options); }
};
BACKFLOW_MODULE(AdaptiveAvgPool3d);

}  // namespace backflow::nn

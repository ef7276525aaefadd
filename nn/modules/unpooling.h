#pragma once

#include <optional>
#include <string>
#include <vector>

#include <backflow/nn/modules/pooling.h>

/// Max unpooling, the partial inverse of max pooling, from its result and its indices.
namespace backflow::nn {

/// Writes the elements to the places of MaxPool1d's indices, along the length; zeros elsewhere. The sizes of the result
/// may be given; see nn::functional::max_unpool1d.
class MaxUnpool1dImpl : public detail::PoolModule<1, MaxUnpool1dImpl, MaxUnpool1dOptions> {
 public:
  MaxUnpool1dImpl(ExpandingArray<1> kernel_size)
      : MaxUnpool1dImpl(MaxUnpool1dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit MaxUnpool1dImpl(const MaxUnpool1dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input, const Tensor& indices,
                 const std::optional<std::vector<std::int64_t>>& output_size = std::nullopt) const {
    return functional::max_unpool1d(input, indices,
                                    functional::MaxUnpool1dFuncOptions(options.kernel_size())
                                        .stride(options.stride())
                                        .padding(options.padding())
                                        .output_size(output_size));
  }
};
BACKFLOW_MODULE(MaxUnpool1d);

/// Writes the elements to the places of MaxPool2d's indices, along height and width; zeros elsewhere. The sizes of the
/// result may be given; see nn::functional::max_unpool2d.
class MaxUnpool2dImpl : public detail::PoolModule<2, MaxUnpool2dImpl, MaxUnpool2dOptions> {
 public:
  MaxUnpool2dImpl(ExpandingArray<2> kernel_size)
      : MaxUnpool2dImpl(MaxUnpool2dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit MaxUnpool2dImpl(const MaxUnpool2dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input, const Tensor& indices,
                 const std::optional<std::vector<std::int64_t>>& output_size = std::nullopt) const {
    return functional::max_unpool2d(input, indices,
                                    functional::MaxUnpool2dFuncOptions(options.kernel_size())
                                        .stride(options.stride())
                                        .padding(options.padding())
                                        .output_size(output_size));
  }
};
BACKFLOW_MODULE(MaxUnpool2d);

/// Writes the elements to the places of MaxPool3d's indices, along depth, height and width; zeros elsewhere. The sizes
/// of the result may be given; see nn::functional::max_unpool3d.
class MaxUnpool3dImpl : public detail::PoolModule<3, MaxUnpool3dImpl, MaxUnpool3dOptions> {
 public:
  MaxUnpool3dImpl(ExpandingArray<3> kernel_size)
      : MaxUnpool3dImpl(MaxUnpool3dOptions(kernel_size)) {}  // NOLINT(google-explicit-constructor)
  explicit MaxUnpool3dImpl(const MaxUnpool3dOptions& options_) : PoolModule(options_) {}
  Tensor forward(const Tensor& input, const Tensor& indices,
                 const std::optional<std::vector<std::int64_t>>& output_size = std::nullopt) const {
    return functional::max_unpool3d(input, indices,
                                    functional::MaxUnpool3dFuncOptions(options.kernel_size())
                                        .stride(options.stride())
                                        .padding(options.padding())
                                        .output_size(output_size));
  }
};
BACKFLOW_MODULE(MaxUnpool3d);

}  // namespace backflow::nn

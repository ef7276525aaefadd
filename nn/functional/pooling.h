#pragma once

#include <tuple>

#include <backflow/nn/options/pooling.h>
#include <backflow/runtime/tensor/tensor.h>

/// Pooling of inputs [batch, channels, spatial...] or, unbatched, [channels, spatial...], with 1 to 3 spatial
/// dimensions.
namespace backflow::nn::functional {

// Max pooling; with the int64 index of each largest element in its plane, row-major.
Tensor max_pool1d(const Tensor& input, const MaxPool1dFuncOptions& options);
std::tuple<Tensor, Tensor> max_pool1d_with_indices(const Tensor& input, const MaxPool1dFuncOptions& options);
Tensor max_pool2d(const Tensor& input, const MaxPool2dFuncOptions& options);
std::tuple<Tensor, Tensor> max_pool2d_with_indices(const Tensor& input, const MaxPool2dFuncOptions& options);
Tensor max_pool3d(const Tensor& input, const MaxPool3dFuncOptions& options);
std::tuple<Tensor, Tensor> max_pool3d_with_indices(const Tensor& input, const MaxPool3dFuncOptions& options);

// The average of each window.
Tensor avg_pool1d(const Tensor& input, const AvgPool1dFuncOptions& options);
Tensor avg_pool2d(const Tensor& input, const AvgPool2dFuncOptions& options);
Tensor avg_pool3d(const Tensor& input, const AvgPool3dFuncOptions& options);

/// The norm of order p = norm_type of each window, (the sum of x^p)^(1/p), as PyTorch computes it. It is NaN where the
/// sum is negative and p is not odd. It has no finite gradient where the sum is 0. Throws Error for an order of 0.
Tensor lp_pool1d(const Tensor& input, const LPPool1dFuncOptions& options);
Tensor lp_pool2d(const Tensor& input, const LPPool2dFuncOptions& options);

/// Max unpooling: writes the elements to the places that the indices name, in planes of zeros. Without output_size, a
/// size of the result is (size - 1) stride + kernel - 2 padding. A given one may differ from that by at most a stride.
/// Throws Error for indices outside of the planes.
Tensor max_unpool1d(const Tensor& input, const Tensor& indices, const MaxUnpool1dFuncOptions& options);
Tensor max_unpool2d(const Tensor& input, const Tensor& indices, const MaxUnpool2dFuncOptions& options);
Tensor max_unpool3d(const Tensor& input, const Tensor& indices, const MaxUnpool3dFuncOptions& options);

// Adaptive max and average pooling: the options give the number of windows.
Tensor adaptive_max_pool1d(const Tensor& input, const AdaptiveMaxPool1dFuncOptions& options);
std::tuple<Tensor, Tensor> adaptive_max_pool1d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool1dFuncOptions& options);
Tensor adaptive_avg_pool1d(const Tensor& input, const AdaptiveAvgPool1dFuncOptions& options);
Tensor adaptive_max_pool2d(const Tensor& input, const AdaptiveMaxPool2dFuncOptions& options);
std::tuple<Tensor, Tensor> adaptive_max_pool2d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool2dFuncOptions& options);
Tensor adaptive_avg_pool2d(const Tensor& input, const AdaptiveAvgPool2dFuncOptions& options);
Tensor adaptive_max_pool3d(const Tensor& input, const AdaptiveMaxPool3dFuncOptions& options);
std::tuple<Tensor, Tensor> adaptive_max_pool3d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool3dFuncOptions& options);
Tensor adaptive_avg_pool3d(const Tensor& input, const AdaptiveAvgPool3dFuncOptions& options);

namespace detail {

/// The input's size of a pooling with this result, along a dimension. Throws Error for numbers that no pooling has.
std::int64_t unpooled_size(const char* where, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                           std::int64_t padding);

}  // namespace detail
}  // namespace backflow::nn::functional

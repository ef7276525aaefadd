#include <backflow/nn/functional/pooling.h>

#include <cmath>

#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/base/error.h>

namespace backflow::nn::functional {
namespace {

/// The sizes of an adaptive pooling's result: the input's own where one is left out.
template <std::size_t D>
DimVector sizes_of(const Tensor& input, const ExpandingArrayWithOptionalElem<D>& output_size) {
  DimVector sizes;
  for (std::size_t i = 0; i < D; ++i) {
    // An input with too few dimensions is for the operator to report.
    const bool has_dim = input.dim() >= static_cast<std::int64_t>(D);
    sizes.push_back((*output_size)[i].value_or(
        has_dim ? input.size(static_cast<std::int64_t>(i) - static_cast<std::int64_t>(D)) : 1));
  }
  return sizes;
}
DimVector sizes_of(const Tensor&, const ExpandingArray<1>& output_size) { return IntArrayRef(output_size); }

/// The p-norms of windows of `size` elements from the averages of x^p.
/// (sum of x^p)^(1/p) of windows, by pool(y), which gives their means; 0, with slope 0, for windows of zeros. Where
/// powers overflow or vanish, of x in units of its largest number.
template <class Pool>
Tensor norms(const Tensor& x, double order, std::int64_t size, const Pool& pool) {
  const auto of = [&](const Tensor& numbers) {
    const Tensor averages = pool(numbers.pow(order));
    const Tensor sums = averages.sign() * averages.abs() * size;
    const Tensor none = sums.detach() == 0;
    return sums.masked_fill(none, 1).pow(1 / order).masked_fill(none, 0);
  };
  const double largest = x.numel() > 0 ? x.detach().abs().amax().item<double>() : 0;
  const double power = std::pow(largest, order);
  if (largest == 0 || !std::isfinite(largest) || (power > 1e-30 && power < 1e30)) {
    return of(x);
  }
  const double unit = std::ldexp(1.0, std::ilogb(largest));
  return of(x / unit) * unit;
}

void check_order(const char* where, double order) { check(order != 0, where, ": order 0: need another number"); }

/// The sizes of what was pooled.
template <std::size_t D>
DimVector unpooled_sizes(const char* where, const Tensor& input, const MaxUnpoolFuncOptions<D>& options) {
  const auto rank = static_cast<std::size_t>(input.dim());
  check(rank == D + 1 || rank == D + 2, where, ": input ", describe(input), ": need [batch, channels, ...] or ",
        "[channels, ...] with ", D, " spatial dimensions");
  DimVector sizes;
  for (std::size_t d = 0; d < D; ++d) {
    sizes.push_back(detail::unpooled_size(where, input.sizes()[rank - D + d], (*options.kernel_size())[d],
                                          (*options.stride())[d], (*options.padding())[d]));
  }
  if (!options.output_size()) {
    return sizes;
  }
  const IntArrayRef given = *options.output_size();
  check(given.size() == D || given.size() == D + 2, where, ": output_size ", given, ": need ", D, " or ", D + 2,
        " sizes");
  for (std::size_t d = 0; d < D; ++d) {
    const std::int64_t size = given[given.size() - D + d];
    const std::int64_t stride = (*options.stride())[d];
    check(size >= sizes[d] - stride && size <= sizes[d] + stride, where, ": output_size ", given, ": need a size from ",
          sizes[d] - stride, " to ", sizes[d] + stride, " in dimension ", d);
    sizes[d] = size;
  }
  return sizes;
}

}  // namespace

std::int64_t detail::unpooled_size(const char* where, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                                   std::int64_t padding) {
  constexpr std::int64_t kLargest = 0x7fffffff;
  check(kernel > 0 && kernel <= kLargest && stride > 0 && stride <= kLargest && padding >= 0 && padding <= kLargest &&
            size <= kLargest,
        where, ": kernel ", kernel, ", stride ", stride, ", padding ", padding,
        ": need a kernel and a stride > 0, and a padding >= 0");
  return (size - 1) * stride + kernel - 2 * padding;
}

Tensor lp_pool1d(const Tensor& input, const LPPool1dFuncOptions& options) {
  check_order("lp_pool1d", options.norm_type());
  return norms(input, options.norm_type(), (*options.kernel_size())[0], [&](const Tensor& powers) {
    return backflow::avg_pool1d(powers, options.kernel_size(), options.stride(), 0, options.ceil_mode());
  });
}

Tensor lp_pool2d(const Tensor& input, const LPPool2dFuncOptions& options) {
  check_order("lp_pool2d", options.norm_type());
  return norms(input, options.norm_type(), (*options.kernel_size())[0] * (*options.kernel_size())[1],
               [&](const Tensor& powers) {
                 return backflow::avg_pool2d(powers, options.kernel_size(), options.stride(), 0, options.ceil_mode());
               });
}

Tensor max_unpool1d(const Tensor& input, const Tensor& indices, const MaxUnpool1dFuncOptions& options) {
  DimVector sizes = unpooled_sizes("max_unpool1d", input, options);
  sizes.push_back(1);
  return backflow::max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), sizes).squeeze(-1);
}

Tensor max_unpool2d(const Tensor& input, const Tensor& indices, const MaxUnpool2dFuncOptions& options) {
  return backflow::max_unpool2d(input, indices, unpooled_sizes("max_unpool2d", input, options));
}

Tensor max_unpool3d(const Tensor& input, const Tensor& indices, const MaxUnpool3dFuncOptions& options) {
  return backflow::max_unpool3d(input, indices, unpooled_sizes("max_unpool3d", input, options), options.stride(),
                                options.padding());
}

Tensor max_pool1d(const Tensor& input, const MaxPool1dFuncOptions& options) {
  return backflow::max_pool1d(input, options.kernel_size(), options.stride(), options.padding(), options.dilation(),
                              options.ceil_mode());
}

std::tuple<Tensor, Tensor> max_pool1d_with_indices(const Tensor& input, const MaxPool1dFuncOptions& options) {
  return backflow::max_pool1d_with_indices(input, options.kernel_size(), options.stride(), options.padding(),
                                           options.dilation(), options.ceil_mode());
}

Tensor max_pool2d(const Tensor& input, const MaxPool2dFuncOptions& options) {
  return backflow::max_pool2d(input, options.kernel_size(), options.stride(), options.padding(), options.dilation(),
                              options.ceil_mode());
}

std::tuple<Tensor, Tensor> max_pool2d_with_indices(const Tensor& input, const MaxPool2dFuncOptions& options) {
  return backflow::max_pool2d_with_indices(input, options.kernel_size(), options.stride(), options.padding(),
                                           options.dilation(), options.ceil_mode());
}

Tensor max_pool3d(const Tensor& input, const MaxPool3dFuncOptions& options) {
  return backflow::max_pool3d(input, options.kernel_size(), options.stride(), options.padding(), options.dilation(),
                              options.ceil_mode());
}

std::tuple<Tensor, Tensor> max_pool3d_with_indices(const Tensor& input, const MaxPool3dFuncOptions& options) {
  return backflow::max_pool3d_with_indices(input, options.kernel_size(), options.stride(), options.padding(),
                                           options.dilation(), options.ceil_mode());
}

Tensor avg_pool1d(const Tensor& input, const AvgPool1dFuncOptions& options) {
  return backflow::avg_pool1d(input, options.kernel_size(), options.stride(), options.padding(), options.ceil_mode(),
                              options.count_include_pad());
}

Tensor avg_pool2d(const Tensor& input, const AvgPool2dFuncOptions& options) {
  return backflow::avg_pool2d(input, options.kernel_size(), options.stride(), options.padding(), options.ceil_mode(),
                              options.count_include_pad(), options.divisor_override());
}

Tensor avg_pool3d(const Tensor& input, const AvgPool3dFuncOptions& options) {
  return backflow::avg_pool3d(input, options.kernel_size(), options.stride(), options.padding(), options.ceil_mode(),
                              options.count_include_pad(), options.divisor_override());
}

Tensor adaptive_max_pool1d(const Tensor& input, const AdaptiveMaxPool1dFuncOptions& options) {
  return std::get<0>(adaptive_max_pool1d_with_indices(input, options));
}

std::tuple<Tensor, Tensor> adaptive_max_pool1d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool1dFuncOptions& options) {
  return backflow::adaptive_max_pool1d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_avg_pool1d(const Tensor& input, const AdaptiveAvgPool1dFuncOptions& options) {
  return backflow::adaptive_avg_pool1d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_max_pool2d(const Tensor& input, const AdaptiveMaxPool2dFuncOptions& options) {
  return std::get<0>(adaptive_max_pool2d_with_indices(input, options));
}

std::tuple<Tensor, Tensor> adaptive_max_pool2d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool2dFuncOptions& options) {
  return backflow::adaptive_max_pool2d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_avg_pool2d(const Tensor& input, const AdaptiveAvgPool2dFuncOptions& options) {
  return backflow::adaptive_avg_pool2d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_max_pool3d(const Tensor& input, const AdaptiveMaxPool3dFuncOptions& options) {
  return std::get<0>(adaptive_max_pool3d_with_indices(input, options));
}

std::tuple<Tensor, Tensor> adaptive_max_pool3d_with_indices(const Tensor& input,
                                                            const AdaptiveMaxPool3dFuncOptions& options) {
  return backflow::adaptive_max_pool3d(input, sizes_of(input, options.output_size()));
}

Tensor adaptive_avg_pool3d(const Tensor& input, const AdaptiveAvgPool3dFuncOptions& options) {
  return backflow::adaptive_avg_pool3d(input, sizes_of(input, options.output_size()));
}

}  // namespace backflow::nn::functional

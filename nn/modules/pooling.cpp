#include <backflow/nn/modules/pooling.h>

#include <optional>
#include <ostream>
#include <string>
#include <type_traits>

#include <backflow/nn/modules/unpooling.h>
#include <backflow/ops/pooling/pooled_shape.h>

namespace backflow::nn::detail {
namespace {

template <std::size_t D>
using AdaptiveMaxPoolOptions =
    std::conditional_t<D == 1, AdaptiveMaxPool1dOptions,
                       std::conditional_t<D == 2, AdaptiveMaxPool2dOptions, AdaptiveMaxPool3dOptions>>;

/// As Python prints it: one number where all are equal, else a tuple.
template <class Values>
void print(std::ostream& stream, const Values& values) {
  bool equal = values.size() == 1;
  for (std::size_t i = 1; i < values.size(); ++i) {
    equal = values[i] == values[0] && (equal || i == 1);
  }
  const auto one = [&](const std::optional<std::int64_t>& value) {
    if (value) {
      stream << *value;
    } else {
      stream << "None";
    }
  };
  if (equal) {
    one(values[0]);
    return;
  }
  const char* separator = "(";
  for (const auto& value : values) {
    stream << separator;
    one(value);
    separator = ", ";
  }
  stream << ')';
}

template <class Options>
void print_options(std::ostream& stream, const Options& options) {
  if constexpr (requires { options.output_size(); }) {
    stream << "output_size=";
    print(stream, *options.output_size());
  } else {
    if constexpr (requires { options.norm_type(); }) {
      stream << "norm_type=" << options.norm_type() << ", ";
    }
    stream << "kernel_size=";
    print(stream, *options.kernel_size());
    stream << ", stride=";
    print(stream, *options.stride());
    if constexpr (requires { options.padding(); }) {
      stream << ", padding=";
      print(stream, *options.padding());
    }
    if constexpr (requires { options.dilation(); }) {
      stream << ", dilation=";
      print(stream, *options.dilation());
    }
    if constexpr (
        requires { options.dilation(); } || requires { options.norm_type(); }) {
      stream << ", ceil_mode=" << (options.ceil_mode() ? "True" : "False");
    }
  }
}

/// The shape of what was pooled to `input`.
template <std::size_t D>
DimVector unpooled_shape(IntArrayRef input, const MaxUnpoolOptions<D>& options) {
  check(input.size() > D, "max_unpool: shape ", input, ": need channels and ", D, " spatial dimensions");
  DimVector output(input);
  for (std::size_t d = 0; d < D; ++d) {
    std::int64_t& size = output[input.size() - D + d];
    size = functional::detail::unpooled_size("max_unpool", size, (*options.kernel_size())[d], (*options.stride())[d],
                                             (*options.padding())[d]);
  }
  return output;
}

/// The operator's name without the number of dimensions, for messages.
template <std::size_t D, class Options>
constexpr const char* family() {
  if constexpr (std::is_same_v<Options, MaxPoolOptions<D>>) {
    return "max_pool";
  } else if constexpr (std::is_same_v<Options, AvgPoolOptions<D>>) {
    return "avg_pool";
  } else if constexpr (std::is_same_v<Options, LPPoolOptions<D>>) {
    return "lp_pool";
  } else if constexpr (std::is_same_v<Options, AdaptiveMaxPoolOptions<D>>) {
    return "adaptive_max_pool";
  } else {
    return "adaptive_avg_pool";
  }
}

/// The sizes of an adaptive pooling's result: the input's own where one is left out.
template <class Sizes>
DimVector adaptive_sizes(IntArrayRef input, const Sizes& output_size) {
  DimVector sizes;
  const std::size_t dims = (*output_size).size();
  for (std::size_t i = 0; i < dims; ++i) {
    const std::optional<std::int64_t> size = (*output_size)[i];
    // An input with too few dimensions is for the check of its shape to report.
    sizes.push_back(size.value_or(input.size() >= dims ? input[input.size() - dims + i] : 1));
  }
  return sizes;
}

/// The shape of what a pooling with these options makes of `input`.
template <std::size_t D, class Options>
DimVector shape_with(const Options& options, IntArrayRef input) {
  const std::string where = to_text(family<D, Options>(), D, "d");
  if constexpr (requires { options.output_size(); }) {
    return adaptive_pooled_shape(where.c_str(), input, D, adaptive_sizes(input, options.output_size()));
  } else {
    DimVector padding(D, 0);
    DimVector dilation(D, 1);
    if constexpr (requires { options.padding(); }) {
      padding = IntArrayRef(options.padding());
    }
    if constexpr (requires { options.dilation(); }) {
      dilation = IntArrayRef(options.dilation());
    }
    return pooled_shape(where.c_str(), input, D, options.kernel_size(), options.stride(), padding, dilation,
                        options.ceil_mode());
  }
}

}  // namespace

template <std::size_t kDims, class Self, class Options>
DimVector PoolModule<kDims, Self, Options>::output_shape(IntArrayRef input) const {
  if constexpr (std::is_same_v<Options, MaxUnpoolOptions<kDims>>) {
    return unpooled_shape(input, options);
  } else {
    return shape_with<kDims>(options, input);
  }
}

template <std::size_t kDims, class Self, class Options>
void PoolModule<kDims, Self, Options>::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(';
  print_options(stream, options);
  stream << ')';
}

template class PoolModule<1, MaxPool1dImpl, MaxPool1dOptions>;
template class PoolModule<2, MaxPool2dImpl, MaxPool2dOptions>;
template class PoolModule<3, MaxPool3dImpl, MaxPool3dOptions>;
template class PoolModule<1, AvgPool1dImpl, AvgPool1dOptions>;
template class PoolModule<2, AvgPool2dImpl, AvgPool2dOptions>;
template class PoolModule<3, AvgPool3dImpl, AvgPool3dOptions>;
template class PoolModule<1, LPPool1dImpl, LPPool1dOptions>;
template class PoolModule<2, LPPool2dImpl, LPPool2dOptions>;
template class PoolModule<1, MaxUnpool1dImpl, MaxUnpool1dOptions>;
template class PoolModule<2, MaxUnpool2dImpl, MaxUnpool2dOptions>;
template class PoolModule<3, MaxUnpool3dImpl, MaxUnpool3dOptions>;
template class PoolModule<1, AdaptiveMaxPool1dImpl, AdaptiveMaxPool1dOptions>;
template class PoolModule<2, AdaptiveMaxPool2dImpl, AdaptiveMaxPool2dOptions>;
template class PoolModule<3, AdaptiveMaxPool3dImpl, AdaptiveMaxPool3dOptions>;
template class PoolModule<1, AdaptiveAvgPool1dImpl, AdaptiveAvgPool1dOptions>;
template class PoolModule<2, AdaptiveAvgPool2dImpl, AdaptiveAvgPool2dOptions>;
template class PoolModule<3, AdaptiveAvgPool3dImpl, AdaptiveAvgPool3dOptions>;

}  // namespace backflow::nn::detail

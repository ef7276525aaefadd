#include <backflow/nn/modules/conv.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include <backflow/nn/functional/conv.h>
#include <backflow/nn/init.h>
#include <backflow/ops/convolution/same_padding.h>
#include <backflow/ops/functions.h>

namespace backflow::nn {
namespace {

/// Throws Error unless channels and groups fit together and all kernel sizes, strides and dilations are positive.
void check_options(const char* where, std::int64_t in, std::int64_t out, std::int64_t groups, IntArrayRef kernel_size,
                   IntArrayRef stride, IntArrayRef dilation) {
  check(in >= 1 && out >= 1 && groups >= 1 && in % groups == 0 && out % groups == 0, where, ": ", in, " and ", out,
        " channels, ", groups, " groups: need positive numbers, and groups that divide both");
  for (const IntArrayRef list : {kernel_size, stride, dilation}) {
    check(std::all_of(list.begin(), list.end(), [](std::int64_t n) { return n >= 1; }), where, ": kernel_size ",
          kernel_size, ", stride ", stride, ", dilation ", dilation, ": need positive numbers");
  }
}

/// As PyTorch's: uniform in +-1 / sqrt(fan_in).
void draw(const Tensor& weight, const Tensor& bias) {
  init::kaiming_uniform_(weight, std::sqrt(5.0));
  if (bias.defined()) {
    const std::int64_t fan_in = weight.numel() / weight.size(0);
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    init::uniform_(bias, -bound, bound);
  }
}

DimVector weight_sizes(std::int64_t first, std::int64_t second, IntArrayRef kernel_size) {
  DimVector sizes{first, second};
  for (const std::int64_t k : kernel_size) {
    sizes.push_back(k);
  }
  return sizes;
}

/// Prints "(k1, k2)", or "(k,)".
void print(std::ostream& stream, const char* name, IntArrayRef list) {
  stream << ", " << name << "=(";
  for (std::size_t d = 0; d < list.size(); ++d) {
    stream << (d > 0 ? ", " : "") << list[d];
  }
  stream << (list.size() == 1 ? ",)" : ")");
}

void print_unless(std::ostream& stream, const char* name, IntArrayRef list, std::int64_t usual) {
  if (std::any_of(list.begin(), list.end(), [&](std::int64_t n) { return n != usual; })) {
    print(stream, name, list);
  }
}

/// What both kinds of modules print behind their sizes.
template <class Options>
void print_rest(std::ostream& stream, const Options& options) {
  print_unless(stream, "dilation", options.dilation(), 1);
  if (options.groups() != 1) {
    stream << ", groups=" << options.groups();
  }
  if (!options.bias()) {
    stream << ", bias=False";
  }
}

/// The sizes in front of the spatial dimensions and `channels`, and the number of dimensions before the channels.
template <std::size_t D>
DimVector leading(const char* where, IntArrayRef input, std::int64_t in, std::int64_t out) {
  check(input.size() == D + 1 || input.size() == D + 2, where, ": input shape ", input,
        ": need [batch, channels, ...] or [channels, ...] with ", D, " spatial dimensions");
  const std::size_t channels = input.size() - D - 1;
  check(input[channels] == in, where, ": input shape ", input, ": need ", in, " channels, not ", input[channels]);
  DimVector sizes(IntArrayRef(input.data(), channels));
  sizes.push_back(out);
  return sizes;
}

template <std::size_t D>
Tensor convolve(const Tensor& input, const Tensor& weight, const functional::ConvFuncOptions<D>& options) {
  if constexpr (D == 1) {
    return functional::conv1d(input, weight, options);
  } else if constexpr (D == 2) {
    return functional::conv2d(input, weight, options);
  } else {
    return functional::conv3d(input, weight, options);
  }
}

const char* mode_name(enumtype::Padding mode) {
  return mode == kReflect ? "reflect" : mode == kReplicate ? "replicate" : mode == kCircular ? "circular" : "zeros";
}

}  // namespace

template <std::size_t D>
ConvImpl<D>::ConvImpl(const ConvOptions<D>& options_) : options(options_) {
  check_options("conv", options.in_channels(), options.out_channels(), options.groups(), options.kernel_size(),
                options.stride(), options.dilation());
  check(options.padding_mode() != kConstant,
        "conv: padding_mode kConstant: need kZeros, kReflect, kReplicate or kCircular");
  const IntArrayRef stride = options.stride();
  check(!options.padding().is_same() || std::all_of(stride.begin(), stride.end(), [](auto s) { return s == 1; }),
        "conv: stride ", stride, " with padding kSame: need a stride of 1");
  weight = register_parameter(
      "weight", empty_tensor(weight_sizes(options.out_channels(), options.in_channels() / options.groups(),
                                          options.kernel_size()),
                             kFloat32));
  bias = register_parameter("bias", options.bias() ? empty_tensor(options.out_channels(), kFloat32) : Tensor());
  reset_parameters();
}

template <std::size_t D>
void ConvImpl<D>::reset_parameters() {
  draw(weight, bias);
}

template <std::size_t D>
Tensor ConvImpl<D>::forward(const Tensor& input) const {
  auto how = functional::ConvFuncOptions<D>().bias(bias).stride(options.stride()).dilation(options.dilation());
  how.groups(options.groups()).padding(options.padding());
  if (options.padding_mode() == kZeros) {
    return convolve<D>(input, weight, how);
  }
  DimVector both;  // of each dimension, in front and behind
  for (std::size_t d = 0; d < D; ++d) {
    both.push_back((*options.padding().numbers())[d]);
    both.push_back((*options.padding().numbers())[d]);
  }
  if (options.padding().is_same()) {
    both = same_padding(options.kernel_size(), options.dilation());
  }
  std::vector<std::int64_t> pad;  // the last dimension's first
  for (std::size_t d = D; d-- > 0;) {
    pad.insert(pad.end(), {both[2 * d], both[2 * d + 1]});
  }
  return convolve<D>(backflow::pad(input, pad, mode_name(options.padding_mode())), weight, how.padding(0));
}

template <std::size_t D>
DimVector ConvImpl<D>::output_shape(IntArrayRef input) const {
  DimVector output = leading<D>("conv", input, options.in_channels(), options.out_channels());
  const std::size_t first = input.size() - D;
  for (std::size_t d = 0; d < D; ++d) {
    const std::int64_t reach = (*options.dilation())[d] * ((*options.kernel_size())[d] - 1) + 1;
    const std::int64_t padding = options.padding().is_same() ? reach - 1 : 2 * (*options.padding().numbers())[d];
    const std::int64_t padded = input[first + d] + padding;
    check(padded >= reach, "conv: input shape ", input, ", padding included ", padded, " in dimension ", first + d,
          ": need at least ", reach);
    output.push_back((padded - reach) / (*options.stride())[d] + 1);
  }
  return output;
}

template <std::size_t D>
void ConvImpl<D>::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(' << options.in_channels() << ", " << options.out_channels();
  print(stream, "kernel_size", options.kernel_size());
  print(stream, "stride", options.stride());
  if (options.padding().is_same()) {
    stream << ", padding='same'";
  } else {
    print_unless(stream, "padding", options.padding().numbers(), 0);
  }
  print_rest(stream, options);
  if (options.padding_mode() != kZeros) {
    stream << ", padding_mode=" << mode_name(options.padding_mode());
  }
  stream << ')';
}

template <std::size_t D>
ConvTransposeImpl<D>::ConvTransposeImpl(const ConvTransposeOptions<D>& options_) : options(options_) {
  check_options("conv_transpose", options.in_channels(), options.out_channels(), options.groups(),
                options.kernel_size(), options.stride(), options.dilation());
  check(options.padding_mode() == kZeros, "conv_transpose: padding_mode: need kZeros");
  weight = register_parameter(
      "weight", empty_tensor(weight_sizes(options.in_channels(), options.out_channels() / options.groups(),
                                          options.kernel_size()),
                             kFloat32));
  bias = register_parameter("bias", options.bias() ? empty_tensor(options.out_channels(), kFloat32) : Tensor());
  reset_parameters();
}

template <std::size_t D>
void ConvTransposeImpl<D>::reset_parameters() {
  draw(weight, bias);
}

template <std::size_t D>
DimVector ConvTransposeImpl<D>::output_padding(IntArrayRef input, const std::optional<IntArrayRef>& output_size) const {
  if (!output_size) {
    return DimVector(IntArrayRef(options.output_padding()));
  }
  check(output_size->size() == D && input.size() > D, "conv_transpose: output_size ", *output_size, ", input shape ",
        input, ": need ", D, " sizes");
  DimVector out;
  for (std::size_t d = 0; d < D; ++d) {
    const std::int64_t least = (input[input.size() - D + d] - 1) * (*options.stride())[d] -
                               2 * (*options.padding())[d] +
                               (*options.dilation())[d] * ((*options.kernel_size())[d] - 1) + 1;
    const std::int64_t more = (*output_size)[d] - least;
    check(more >= 0 && more < (*options.stride())[d], "conv_transpose: output_size ", *output_size, " of input shape ",
          input, ": need ", least, " to ", least + (*options.stride())[d] - 1, " in spatial dimension ", d);
    out.push_back(more);
  }
  return out;
}

template <std::size_t D>
Tensor ConvTransposeImpl<D>::forward(const Tensor& input, const std::optional<IntArrayRef>& output_size) const {
  auto how = functional::ConvTransposeFuncOptions<D>().bias(bias).stride(options.stride()).padding(options.padding());
  const DimVector more = output_padding(input.sizes(), output_size);
  how.groups(options.groups()).dilation(options.dilation()).output_padding(std::vector(more.begin(), more.end()));
  if constexpr (D == 1) {
    return functional::conv_transpose1d(input, weight, how);
  } else if constexpr (D == 2) {
    return functional::conv_transpose2d(input, weight, how);
  } else {
    return functional::conv_transpose3d(input, weight, how);
  }
}

template <std::size_t D>
DimVector ConvTransposeImpl<D>::output_shape(IntArrayRef input) const {
  DimVector output = leading<D>("conv_transpose", input, options.in_channels(), options.out_channels());
  const std::size_t first = input.size() - D;
  for (std::size_t d = 0; d < D; ++d) {
    output.push_back((input[first + d] - 1) * (*options.stride())[d] - 2 * (*options.padding())[d] +
                     (*options.dilation())[d] * ((*options.kernel_size())[d] - 1) + (*options.output_padding())[d] + 1);
    check(output.back() >= 1, "conv_transpose: input shape ", input, ": need a result that is not empty");
  }
  return output;
}

template <std::size_t D>
void ConvTransposeImpl<D>::pretty_print(std::ostream& stream) const {
  stream << class_name() << '(' << options.in_channels() << ", " << options.out_channels();
  print(stream, "kernel_size", options.kernel_size());
  print(stream, "stride", options.stride());
  print_unless(stream, "padding", options.padding(), 0);
  print_unless(stream, "output_padding", options.output_padding(), 0);
  print_rest(stream, options);
  stream << ')';
}

template class ConvImpl<1>;
template class ConvImpl<2>;
template class ConvImpl<3>;
template class ConvTransposeImpl<1>;
template class ConvTransposeImpl<2>;
template class ConvTransposeImpl<3>;

}  // namespace backflow::nn

// Convolutions with one, two and three spatial dimensions, with PyTorch's arguments.
#include <limits>
#include <string_view>

#include <backflow/ops/convolution/same_padding.h>
#include <backflow/ops/dimensions_internal.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>

namespace backflow {
namespace {

using detail::in_dimensions;

/// `f` of a batch of `input`, which may be a single sample [channels, spatial...] of `dims` spatial dimensions.
template <class F>
Tensor batched(const char* where, const Tensor& input, std::int64_t dims, const F& f) {
  check(input.dim() == dims + 1 || input.dim() == dims + 2, where, ": input ", describe(input),
        ": need [batch, channels, ...] or [channels, ...] with ", dims, " spatial dimensions");
  return input.dim() == dims + 2 ? f(input) : squeeze(f(unsqueeze(input, 0)), 0);
}

Tensor conv(const char* where, std::int64_t dims, const Tensor& input, const Tensor& weight, const Tensor& bias,
            IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation, std::int64_t groups) {
  return batched(where, input, dims, [&](const Tensor& x) {
    return convolution(x, weight, bias, stride, padding, dilation, false, 0, groups);
  });
}

/// The same with a rule for the padding.
Tensor conv_by_rule(const char* where, std::int64_t dims, const Tensor& input, const Tensor& weight, const Tensor& bias,
                    IntArrayRef stride, std::string_view padding, IntArrayRef dilation, std::int64_t groups) {
  check(padding == "same" || padding == "valid", where, ": padding '", padding, "': need 'same', 'valid' or numbers");
  if (padding == "valid") {
    return conv(where, dims, input, weight, bias, stride, 0, dilation, groups);
  }
  const auto n = static_cast<std::size_t>(dims);
  for (const std::int64_t s : stride) {
    check(s == 1, where, ": stride ", stride, " with padding 'same': need a stride of 1");
  }
  check(weight.dim() == dims + 2, where, ": weight ", describe(weight), ": need ", dims + 2, " dimensions");
  check(dilation.size() == 1 || dilation.size() == n, where, ": dilation ", dilation, ": need one number, or ", n);
  DimVector each;
  for (std::size_t d = 0; d < n; ++d) {
    each.push_back(dilation.size() == 1 ? dilation[0] : dilation[d]);
    check(each[d] > 0 && each[d] <= std::numeric_limits<std::int32_t>::max(), where, ": dilation ", dilation,
          ": need numbers from 1 to ", std::numeric_limits<std::int32_t>::max());
  }
  const IntArrayRef kernel(weight.sizes().data() + 2, n);
  return conv(where, dims, input, weight, bias, stride, same_padding(kernel, each), each, groups);
}

Tensor conv_transpose(const char* where, std::int64_t dims, const Tensor& input, const Tensor& weight,
                      const Tensor& bias, IntArrayRef stride, IntArrayRef padding, IntArrayRef output_padding,
                      std::int64_t groups, IntArrayRef dilation) {
  return batched(where, input, dims, [&](const Tensor& x) {
    return convolution(x, weight, bias, stride, padding, dilation, true, output_padding, groups);
  });
}

template <int N>
struct Conv {
  static constexpr OperatorInfo pattern = {
      .signature =
          "conv{N}d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "A convolution over {one|two|three} spatial {dimension|dimensions}: input [batch, channels, "
          "{l|h, w|d, h, w}] or [channels, {l|h, w|d, h, w}], weight [filters, channels / groups, {l|h, w|d, h, w}], "
          "bias [filters] or none.",
      .dtypes = kFloatingDtypes,
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, std::int64_t groups) {
    return conv(info.name, N, x, w, bias, stride, padding, dilation, groups);
  }
};

template <int N>
struct ConvByRule {
  static constexpr OperatorInfo pattern = {
      .signature =
          "conv{N}d(Tensor input, Tensor weight, Tensor? bias, int[] stride, str padding, int[] dilation=1, "
          "int groups=1) -> Tensor",
      .formula = "y = convolution(x, w, b)",
      .doc =
          "The same with the padding 'valid', which is none, or 'same': with a stride of 1, the one that keeps all "
          "sizes; where it is odd, the larger half is behind.",
      .dtypes = kFloatingDtypes,
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride,
                        std::string_view padding, IntArrayRef dilation, std::int64_t groups) {
    return conv_by_rule(info.name, N, x, w, bias, stride, padding, dilation, groups);
  }
};

template <int N>
struct ConvTranspose {
  static constexpr OperatorInfo pattern = {
      .signature =
          "conv_transpose{N}d(Tensor input, Tensor weight, Tensor? bias=None, int[] stride=1, int[] padding=0, int[] "
          "output_padding=0, int groups=1, int[] dilation=1) -> Tensor",
      .formula = "y = transposed convolution(x, w, b)",
      .doc =
          "A transposed convolution: the gradient of conv{N}d with respect to its input, as a function of its own. "
          "Input "
          "[batch, channels, {l|h, w|d, h, w}] or [channels, {l|h, w|d, h, w}], weight [channels, filters / groups, "
          "{l|h, w|d, h, w}], bias [filters] or none; the result is longer by output_padding.",
      .dtypes = kFloatingDtypes,
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef output_padding, std::int64_t groups, IntArrayRef dilation) {
    return conv_transpose(info.name, N, x, w, bias, stride, padding, output_padding, groups, dilation);
  }
};

}  // namespace

DimVector same_padding(IntArrayRef kernel_size, IntArrayRef dilation) {
  DimVector out;
  for (std::size_t d = 0; d < kernel_size.size(); ++d) {
    const std::int64_t both = dilation[d] * (kernel_size[d] - 1);
    out.push_back(both / 2);
    out.push_back(both - both / 2);
  }
  return out;
}

#include <backflow/ops/conv_functions.inc>

OperatorFamily conv_operators() {
  return family<Conv<1>, ConvByRule<1>, Conv<2>, ConvByRule<2>, Conv<3>, ConvByRule<3>, ConvTranspose<1>,
                ConvTranspose<2>, ConvTranspose<3>>("conv");
}

}  // namespace backflow

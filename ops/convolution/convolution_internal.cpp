#include <backflow/ops/convolution/convolution_internal.h>

#include <algorithm>

#include <backflow/ops/products/products_internal.h>

namespace backflow::detail {
namespace {

/// One number for each spatial dimension, from a list of as many or of one.
DimVector per_dimension(const char* where, const char* what, IntArrayRef list, std::size_t dims, std::int64_t least) {
  check(list.size() == dims || list.size() == 1, where, ": ", what, " ", list, ": need one number, or ", dims);
  DimVector out(dims, list[0]);
  for (std::size_t d = 0; d < dims; ++d) {
    out[d] = list.size() == 1 ? list[0] : list[d];
    check(out[d] >= least && out[d] <= (std::int64_t{1} << 40), where, ": ", what, " ", list, ": need numbers of ",
          least, " or more");
  }
  return out;
}

/// The zeros in front of and behind each dimension, from one number for all, one for each or two for each.
void paddings(const char* where, IntArrayRef list, std::size_t dims, DimVector& before, DimVector& after) {
  if (list.size() == 2 * dims && dims * 2 != 1) {
    before = DimVector(dims, 0);
    after = DimVector(dims, 0);
    for (std::size_t d = 0; d < dims; ++d) {
      before[d] = list[2 * d];
      after[d] = list[2 * d + 1];
      check(before[d] >= 0 && after[d] >= 0 && std::max(before[d], after[d]) <= (std::int64_t{1} << 40), where,
            ": padding ", list, ": need numbers of 0 or more");
    }
    return;
  }
  before = after = per_dimension(where, "padding", list, dims, 0);
}

void check_channels(const char* where, const Tensor& input, const Tensor& weight, const Tensor& bias,
                    const ConvolutionArguments& a) {
  check(a.groups >= 1 && weight.size(0) >= 1 && weight.size(0) % a.groups == 0, where, ": weight ", describe(weight),
        ", groups ", a.groups, ": need groups of 1 or more that divide ", weight.size(0));
  check(weight.size(1) >= 1, where, ": weight ", describe(weight), ": need at least one channel");
  const std::int64_t channels = a.transposed ? weight.size(0) : weight.size(1) * a.groups;
  check(input.size(1) == channels, where, ": input ", describe(input), ", weight ", describe(weight), ", groups ",
        a.groups, ": need an input of ", channels, " channels");
  check_one_dtype(where, input, weight);
  check(input.is_floating_point(), where, ": input ", describe(input), ": need floating-point tensors");
  if (bias.defined()) {
    check_one_dtype(where, input, bias);
    const std::int64_t filters = a.transposed ? weight.size(1) * a.groups : weight.size(0);
    check(bias.sizes() == IntArrayRef(filters), where, ": bias ", describe(bias), ", weight ", describe(weight),
          ": need a bias of shape [", filters, "]");
  }
}

}  // namespace

kernels::ConvolutionGeometry convolution_geometry(const char* where, const Tensor& input, const Tensor& weight,
                                                  const Tensor& bias, const ConvolutionArguments& a) {
  check(input.dim() == weight.dim() && input.dim() >= 3 && input.dim() <= 5, where, ": input ", describe(input),
        ", weight ", describe(weight),
        ": need [batch, channels, ...] and [filters, channels / groups, ...] with one to "
        "three spatial dimensions each");
  check_channels(where, input, weight, bias, a);
  const auto dims = static_cast<std::size_t>(input.dim()) - 2;
  kernels::ConvolutionGeometry g;
  g.groups = a.groups;
  g.w = weight.sizes();
  g.stride = per_dimension(where, "stride", a.stride, dims, 1);
  g.dilation = per_dimension(where, "dilation", a.dilation, dims, 1);
  DimVector after;
  paddings(where, a.padding, dims, g.before, after);
  const DimVector extra = per_dimension(where, "output_padding", a.output_padding, dims, 0);
  DimVector sizes(input.sizes());
  sizes[1] = a.transposed ? weight.size(1) * a.groups : weight.size(0);
  for (std::size_t d = 0; d < dims; ++d) {
    check(weight.sizes()[d + 2] >= 1, where, ": weight ", describe(weight), ": need kernels that are not empty");
    check(weight.sizes()[d + 2] == 1 || g.dilation[d] <= (std::int64_t{1} << 40) / weight.sizes()[d + 2], where,
          ": dilation ", a.dilation, ": need less");
    const std::int64_t reach = g.dilation[d] * (weight.sizes()[d + 2] - 1) + 1;
    const std::int64_t in = input.sizes()[d + 2];
    if (a.transposed) {
      check(extra[d] < std::max(g.stride[d], g.dilation[d]), where, ": output_padding ", a.output_padding, ", stride ",
            a.stride, ", dilation ", a.dilation, ": need less than the stride or the dilation");
      check(in <= 1 || g.stride[d] <= (std::int64_t{1} << 40) / in, where, ": stride ", a.stride, ": need less");
      sizes[d + 2] = (in - 1) * g.stride[d] - g.before[d] - after[d] + reach + extra[d];
      check(in >= 1 && sizes[d + 2] >= 1, where, ": input ", describe(input), ", weight ", describe(weight),
            ", padding ", a.padding, ": need a result that is not empty, not ", sizes[d + 2], " in dimension ", d + 2);
    } else {
      const std::int64_t padded = in + g.before[d] + after[d];
      check(padded >= reach, where, ": input ", describe(input), ", weight ", describe(weight), ", padding ", a.padding,
            ", dilation ", a.dilation, ": need an input of at least ", reach, " with its padding, not ", padded,
            ", in dimension ", d + 2);
      sizes[d + 2] = (padded - reach) / g.stride[d] + 1;
    }
  }
  g.x = a.transposed ? sizes : DimVector(input.sizes());
  g.y = a.transposed ? DimVector(input.sizes()) : sizes;
  return g;
}

}  // namespace backflow::detail

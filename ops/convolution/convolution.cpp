// Convolution and what its gradients are made of. Three functions of two operands each, linear in both, are closed
// under differentiation: y = C(x, w), the gradient of x D(dy, w), which is a transposed convolution, and that of w W(x,
// dy).
#include <algorithm>
#include <utility>

#include <backflow/ops/convolution/convolution_internal.h>
#include <backflow/ops/kernels/layout/blocked.h>
#include <backflow/ops/operator.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/products/products_internal.h>

namespace backflow {
namespace {

using namespace detail;
using kernels::ConvolutionGeometry;

/// The sums over all but the channels.
Tensor sum_to_channels(const Tensor& dy) {
  if (!GradMode::is_enabled()) {
    return kernels::channel_sums(dy);
  }
  DimVector dims{0};
  for (std::int64_t d = 2; d < dy.dim(); ++d) {
    dims.push_back(d);
  }
  return sum(dy, dims);
}

/// The paddings of both sides, as the operators below take them.
DimVector both_sides(const ConvolutionGeometry& g) {
  DimVector out;
  for (std::size_t d = 0; d < g.spatial_dims(); ++d) {
    out.push_back(g.before[d]);
    out.push_back(std::max<std::int64_t>(g.after(d), 0));
  }
  return out;
}

/// How much longer x is than the shortest whose convolution has the size of y.
DimVector left_over(const ConvolutionGeometry& g) {
  DimVector out;
  for (std::size_t d = 0; d < g.spatial_dims(); ++d) {
    out.push_back(std::max<std::int64_t>(-g.after(d), 0));
  }
  return out;
}

Tensor recorded_y(const ConvolutionGeometry& g, const Tensor& x, const Tensor& w) {
  // Of x alone the first elements are used where more would give a larger result.
  const Tensor y = convolution(x, w, {}, g.stride, both_sides(g), g.dilation, false, 0, g.groups);
  Tensor out = y;
  for (std::size_t d = 2; d < g.y.size(); ++d) {
    out = out.sizes()[d] == g.y[d] ? out : narrow(out, static_cast<std::int64_t>(d), 0, g.y[d]);
  }
  return out;
}

Tensor recorded_dx(const ConvolutionGeometry& g, const Tensor& dy, const Tensor& w) {
  // The last elements of a long x have no part in y: zeros, of which a transposed convolution adds only a few.
  DimVector longer = left_over(g);
  DimVector behind(2 * longer.size(), 0);
  for (std::size_t d = 0; d < longer.size(); ++d) {
    if (longer[d] >= g.x[d + 2]) {
      return zeros(g.x, dy.scalar_type());  // y sees the padding alone
    }
    if (longer[d] >= std::max(g.stride[d], g.dilation[d])) {
      behind[2 * (longer.size() - 1 - d) + 1] = std::exchange(longer[d], 0);
    }
  }
  const Tensor dx = convolution(dy, w, {}, g.stride, both_sides(g), g.dilation, true, longer, g.groups);
  const bool is_whole = std::all_of(behind.begin(), behind.end(), [](std::int64_t n) { return n == 0; });
  return is_whole ? dx : constant_pad_nd(dx, behind);
}

Tensor recorded_dw(const ConvolutionGeometry& g, const Tensor& x, const Tensor& dy) {
  return convolution_weight_gradient(x, dy, g.w, g.stride, both_sides(g), g.dilation, g.groups);
}

/// The costs of an operator whose `geometry_of` takes the arguments of its `forward`.
template <class Op>
struct CostOfGeometry {
  template <class... Args>
  static Cost forward_cost(const Tensor& x, const Args&... args) {
    return Op::geometry_of(x, args...).cost(x.scalar_type());
  }
  template <class... Args>
  static Cost cost(const Tensor& x, const Tensor& w, const Args&... args) {
    return gradient_cost(forward_cost(x, w, args...), x, w);
  }
};

struct Convolution : CostOfGeometry<Convolution> {
  static constexpr OperatorInfo info = {
      .signature =
          "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool "
          "transposed, int[] output_padding, int groups) -> Tensor",
      .formula =
          "y[n, f, p] = b[f] + sum over c, k of x[n, c, p stride - padding + k dilation] w[f, c, k];  dx = the "
          "transposed "
          "convolution of dy with w, dw[f, c, k] = sum over n, p of x[n, c, p stride - padding + k dilation] dy[n, f, "
          "p]",
      .doc =
          "The convolution of an input [batch, channels, ...] with one to three spatial dimensions and filters "
          "[filters, channels / groups, ...]. With transposed, the transposed convolution: the gradient of that with "
          "respect to its input. Its weight is [channels, filters / groups, ...], its result longer by output_padding. "
          "Lists have one number for all spatial dimensions or one for each; padding may have two for each, in front "
          "and behind. Group g of the filters sees group g of the channels alone. Floating-point dtypes, one for all.",
      .dtypes = kFloatingDtypes,
      .node = "ConvolutionBackward0",
  };
  static constexpr bool kGradientsApart = true;
  SavedTensor input;
  SavedTensor weight;
  ConvolutionGeometry geometry;
  std::int64_t block = 0;  // of the input, in which its gradient will be
  bool transposed = false;

  template <class... Args>
  static ConvolutionGeometry geometry_of(const Tensor& x, const Tensor& w, const Tensor& bias, const Args&... args) {
    const ConvolutionArguments arguments{args...};
    return convolution_geometry(arguments.transposed ? "conv_transpose" : "conv", x, w, bias, arguments);
  }
  static Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, bool transposed, IntArrayRef output_padding, std::int64_t groups) {
    const ConvolutionGeometry g =
        geometry_of(x, w, bias, stride, padding, dilation, transposed, output_padding, groups);
    if (!transposed) {
      return kernels::convolution(g, x, w, bias);
    }
    Tensor y = kernels::convolution_input_gradient(g, x, w, 0);
    if (bias.defined()) {
      kernels::add_to_channels(y, bias);
    }
    return y;
  }
  void save(Needs needs, const Tensor& x, const Tensor& w, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
            IntArrayRef dilation, bool transposed_, IntArrayRef output_padding, std::int64_t groups, const Tensor&) {
    geometry = geometry_of(x, w, bias, stride, padding, dilation, transposed_, output_padding, groups);
    transposed = transposed_;
    if (needs[0]) {
      weight.save(w);
      block = kernels::block_of(x);
    }
    if (needs[1]) {
      input.save(x);
    }
  }
  void backward(Backward& b) const {
    if (b.wants(0)) {
      const Tensor w = b(weight);
      if (GradMode::is_enabled()) {
        b.dx(0) = transposed ? recorded_y(geometry, b.dy(), w) : recorded_dx(geometry, b.dy(), w);
      } else {
        b.dx(0) = transposed ? kernels::convolution(geometry, b.dy(), w, {})
                             : kernels::convolution_input_gradient(geometry, b.dy(), w, block == 1 ? 0 : block);
      }
    }
    if (b.wants(1)) {
      const Tensor x = transposed ? b.dy() : b(input);
      const Tensor dy = transposed ? b(input) : b.dy();
      if (GradMode::is_enabled()) {
        b.dx(1) = recorded_dw(geometry, x, dy);
      } else {
        const Tensor place = b.bucket_place_of(1, geometry.w, dy.scalar_type());
        b.dx(1) = kernels::convolution_weight_gradient(geometry, x, dy, place);
      }
    }
    b.set_dx(2, [&] { return sum_to_channels(b.dy()); });
  }
};

struct ConvolutionWeightGradient : CostOfGeometry<ConvolutionWeightGradient> {
  static constexpr OperatorInfo info = {
      .signature =
          "convolution_weight_gradient(Tensor input, Tensor grad_output, int[] weight_size, int[] stride, int[] "
          "padding, "
          "int[] dilation, int groups) -> Tensor",
      .formula =
          "dw[f, c, k] = sum over n, p of x[n, c, p stride - padding + k dilation] dy[n, f, p];  its own gradients are "
          "those of the convolution: of x the transposed one of dy with g, of dy the one of x with g",
      .doc = "The gradient of the weights of a convolution from that of its result.",
      .dtypes = kFloatingDtypes,
      .node = "ConvolutionBackwardBackward0",
  };
  SavedTensor input;
  SavedTensor gradient;
  ConvolutionGeometry geometry;

  static ConvolutionGeometry geometry_of(const Tensor& x, const Tensor& dy, IntArrayRef weight_size, IntArrayRef stride,
                                         IntArrayRef padding, IntArrayRef dilation, std::int64_t groups) {
    const char* where = "convolution_weight_gradient";
    check(x.defined() && dy.defined(), where, ": need two tensors");
    // Sizes alone are looked at, so that a tensor of one element can stand for the weights.
    Tensor w = empty_tensor({1}, x.scalar_type());
    w = view_of(w, weight_size, DimVector(weight_size.size(), 0), 0);
    ConvolutionGeometry g = convolution_geometry(where, x, w, {}, {stride, padding, dilation, false, 0, groups});
    check_one_dtype(where, x, dy);
    bool fits = dy.dim() == x.dim() && dy.size(0) == g.y[0] && dy.size(1) == g.y[1];
    for (std::size_t d = 2; fits && d < g.y.size(); ++d) {
      fits = dy.sizes()[d] >= 1 && dy.sizes()[d] <= g.y[d];
    }
    check(fits, where, ": input ", describe(x), ", gradient ", describe(dy), ": need a gradient ", IntArrayRef(g.y));
    g.y = dy.sizes();
    return g;
  }
  static Tensor forward(const Tensor& x, const Tensor& dy, IntArrayRef weight_size, IntArrayRef stride,
                        IntArrayRef padding, IntArrayRef dilation, std::int64_t groups) {
    return kernels::convolution_weight_gradient(geometry_of(x, dy, weight_size, stride, padding, dilation, groups), x,
                                                dy);
  }
  void save(Needs needs, const Tensor& x, const Tensor& dy, IntArrayRef weight_size, IntArrayRef stride,
            IntArrayRef padding, IntArrayRef dilation, std::int64_t groups, const Tensor&) {
    geometry = geometry_of(x, dy, weight_size, stride, padding, dilation, groups);
    if (needs[0]) {
      gradient.save(dy);
    }
    if (needs[1]) {
      input.save(x);
    }
  }
  void backward(Backward& b) const {
    b.set_dx(0, [&] { return recorded_dx(geometry, b(gradient), b.dy()); });
    b.set_dx(1, [&] { return recorded_y(geometry, b(input), b.dy()); });
  }
};

}  // namespace

#include <backflow/ops/convolution_functions.inc>

OperatorFamily convolution_operators() { return family<Convolution, ConvolutionWeightGradient>("convolution"); }

}  // namespace backflow

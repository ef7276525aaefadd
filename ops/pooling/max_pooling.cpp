// Max pooling.
#include <backflow/ops/dimensions_internal.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/pooling/pooling_internal.h>

namespace backflow {
namespace {

using namespace detail;

template <int N>
struct MaxPool {
  static constexpr OperatorInfo pattern = {
      .signature =
          "max_pool{N}d(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] dilation=1, "
          "bool ceil_mode=False) -> Tensor",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "{The largest of each window of inputs [batch, channels, length] or [channels, length]. Windows of "
          "kernel_size elements that are dilation apart start every stride elements, by default the kernel's, in the "
          "input padded with -infinity, and have to end in it; with ceil_mode the last may end beyond, if it starts in "
          "the input or before it. A dimension has floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 "
          "outputs. NaN wins. An Error for a padding of more than half the kernel, for a window larger than the padded "
          "input, also with ceil_mode, and for one of which all positions are padding."
          "|As max_pool1d, of inputs [batch, channels, {sizes}] or [channels, {sizes}]. Lists have one number, or one "
          "for each of these dimensions.}",
      .dtypes = kFloatingDtypes,
      .node = "{SqueezeBackward1|MaxPool{N}DWithIndicesBackward0}",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static Tensor forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, bool ceil_mode) {
    return max_pooled(x, plan_pool(info.name, x, N, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

template <int N>
struct MaxPoolWithIndices {
  static constexpr OperatorInfo pattern = {
      .signature =
          "max_pool{N}d_with_indices(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] "
          "dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As max_pool{N}d, with int64 indices like y: where in its plane each element is, row by row; of several "
          "equal ones the first, of NaN the last.",
      .dtypes = kFloatingDtypes,
      .node = "{SqueezeBackward1|MaxPool{N}DWithIndicesBackward0}",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride,
                                            IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
    return max_pooled_with_indices(x, plan_pool(info.name, x, N, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

template <int N>
struct AdaptiveMaxPool {
  static constexpr OperatorInfo pattern = {
      .signature = "adaptive_max_pool{N}d(Tensor input, int[] output_size) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "{The largest of each of output_size windows, and its index as max_pool1d_with_indices gives it. Window o of "
          "a dimension has the elements from floor(o size / output_size) to ceil((o + 1) size / output_size)."
          "|As adaptive_max_pool1d, of inputs [batch, channels, {sizes}] or [channels, {sizes}]. The list has one "
          "number, or one for each of these dimensions.}",
      .dtypes = kFloatingDtypes,
      .node = "{SqueezeBackward1|AdaptiveMaxPool{N}DBackward0}",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef output_size) {
    return max_pooled_with_indices(x, plan_adaptive_pool(info.name, x, N, output_size));
  }
};

}  // namespace

#include <backflow/ops/max_pooling_functions.inc>

OperatorFamily max_pooling_operators() {
  return family<MaxPool<1>, MaxPoolWithIndices<1>, MaxPool<2>, MaxPoolWithIndices<2>, MaxPool<3>, MaxPoolWithIndices<3>,
                AdaptiveMaxPool<1>, AdaptiveMaxPool<2>, AdaptiveMaxPool<3>>("max_pooling");
}

}  // namespace backflow

// Max pooling.
#include <backflow/ops/operators.h>
#include <backflow/ops/pooling/pooling_internal.h>

namespace backflow {
namespace {

using namespace detail;

struct MaxPool1d {
  static constexpr OperatorInfo info = {
      .name = "max_pool1d",
      .signature =
          "max_pool1d(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] dilation=1, "
          "bool ceil_mode=False) -> Tensor",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "The largest of each window of inputs [batch, channels, length] or [channels, length]. Windows of "
          "kernel_size "
          "elements that are dilation apart start every stride elements, by default the kernel's, in the input padded "
          "with -infinity, and have to end in it; with ceil_mode the last may end beyond, if it starts in the input or "
          "before it. A dimension has floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 outputs. NaN "
          "wins. An Error for a padding of more than half the kernel, for a window larger than the padded input, also "
          "with ceil_mode, and for one of which all positions are padding.",
      .dtypes = kFloatingDtypes,
      .node = "SqueezeBackward1",
  };
  static Tensor forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, bool ceil_mode) {
    return max_pooled(x, plan_pool(info.name, x, 1, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

struct MaxPool1dWithIndices {
  static constexpr OperatorInfo info = {
      .name = "max_pool1d_with_indices",
      .signature =
          "max_pool1d_with_indices(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] "
          "dilation=1, "
          "bool ceil_mode=False) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As max_pool1d, with int64 indices like y: where in its plane each element is, row by row; of several equal "
          "ones the first, of NaN the last.",
      .dtypes = kFloatingDtypes,
      .node = "SqueezeBackward1",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride,
                                            IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
    return max_pooled_with_indices(x, plan_pool(info.name, x, 1, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

struct MaxPool2d {
  static constexpr OperatorInfo info = {
      .name = "max_pool2d",
      .signature =
          "max_pool2d(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] dilation=1, "
          "bool ceil_mode=False) -> Tensor",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As max_pool1d, of inputs [batch, channels, height, width] or [channels, height, width]. "
          "Lists have one number, or one for each of these dimensions.",
      .dtypes = kFloatingDtypes,
      .node = "MaxPool2DWithIndicesBackward0",
  };
  static Tensor forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, bool ceil_mode) {
    return max_pooled(x, plan_pool(info.name, x, 2, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

struct MaxPool2dWithIndices {
  static constexpr OperatorInfo info = {
      .name = "max_pool2d_with_indices",
      .signature =
          "max_pool2d_with_indices(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] "
          "dilation=1, "
          "bool ceil_mode=False) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As max_pool2d, with int64 indices like y: where in its plane each element is, row by row; of several equal "
          "ones the first, of NaN the last.",
      .dtypes = kFloatingDtypes,
      .node = "MaxPool2DWithIndicesBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride,
                                            IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
    return max_pooled_with_indices(x, plan_pool(info.name, x, 2, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

struct MaxPool3d {
  static constexpr OperatorInfo info = {
      .name = "max_pool3d",
      .signature =
          "max_pool3d(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] dilation=1, "
          "bool ceil_mode=False) -> Tensor",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As max_pool1d, of inputs [batch, channels, depth, height, width] or [channels, depth, height, width]. "
          "Lists have one number, or one for each of these dimensions.",
      .dtypes = kFloatingDtypes,
      .node = "MaxPool3DWithIndicesBackward0",
  };
  static Tensor forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding,
                        IntArrayRef dilation, bool ceil_mode) {
    return max_pooled(x, plan_pool(info.name, x, 3, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

struct MaxPool3dWithIndices {
  static constexpr OperatorInfo info = {
      .name = "max_pool3d_with_indices",
      .signature =
          "max_pool3d_with_indices(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, int[] "
          "dilation=1, "
          "bool ceil_mode=False) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As max_pool3d, with int64 indices like y: where in its plane each element is, row by row; of several equal "
          "ones the first, of NaN the last.",
      .dtypes = kFloatingDtypes,
      .node = "MaxPool3DWithIndicesBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride,
                                            IntArrayRef padding, IntArrayRef dilation, bool ceil_mode) {
    return max_pooled_with_indices(x, plan_pool(info.name, x, 3, {kernel, stride, padding, dilation, ceil_mode}));
  }
};

struct AdaptiveMaxPool1d {
  static constexpr OperatorInfo info = {
      .name = "adaptive_max_pool1d",
      .signature = "adaptive_max_pool1d(Tensor input, int[] output_size) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "The largest of each of output_size windows, and its index as max_pool1d_with_indices gives it. Window o of "
          "a "
          "dimension has the elements from floor(o size / output_size) to ceil((o + 1) size / output_size).",
      .dtypes = kFloatingDtypes,
      .node = "SqueezeBackward1",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef output_size) {
    return max_pooled_with_indices(x, plan_adaptive_pool(info.name, x, 1, output_size));
  }
};

struct AdaptiveMaxPool2d {
  static constexpr OperatorInfo info = {
      .name = "adaptive_max_pool2d",
      .signature = "adaptive_max_pool2d(Tensor input, int[] output_size) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As adaptive_max_pool1d, of inputs [batch, channels, height, width] or [channels, height, width]. "
          "The list has one number, or one for each of these dimensions.",
      .dtypes = kFloatingDtypes,
      .node = "AdaptiveMaxPool2DBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef output_size) {
    return max_pooled_with_indices(x, plan_adaptive_pool(info.name, x, 2, output_size));
  }
};

struct AdaptiveMaxPool3d {
  static constexpr OperatorInfo info = {
      .name = "adaptive_max_pool3d",
      .signature = "adaptive_max_pool3d(Tensor input, int[] output_size) -> (Tensor, Tensor)",
      .formula = "y = the largest x of each window;  dx = dy at that element, added up where windows overlap, else 0",
      .doc =
          "As adaptive_max_pool1d, of inputs [batch, channels, depth, height, width] or [channels, depth, height, "
          "width]. "
          "The list has one number, or one for each of these dimensions.",
      .dtypes = kFloatingDtypes,
      .node = "AdaptiveMaxPool3DBackward0",
  };
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, IntArrayRef output_size) {
    return max_pooled_with_indices(x, plan_adaptive_pool(info.name, x, 3, output_size));
  }
};

}  // namespace

#include <backflow/ops/max_pooling_functions.inc>

OperatorFamily max_pooling_operators() {
  return family<MaxPool1d, MaxPool1dWithIndices, MaxPool2d, MaxPool2dWithIndices, MaxPool3d, MaxPool3dWithIndices,
                AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d>("max_pooling");
}

}  // namespace backflow

// Average pooling.
#include <backflow/ops/dimensions_internal.h>
#include <backflow/ops/operators.h>
#include <backflow/ops/pooling/pooling_internal.h>

namespace backflow {
namespace {

using namespace detail;

/// With what the sums of a plan's windows are divided.
PoolPlan divided(PoolPlan plan, bool count_include_pad, std::optional<std::int64_t> divisor) {
  plan.pooling.counts_padding = count_include_pad;
  plan.pooling.divisor = divisor.value_or(0);
  return plan;
}

/// With one spatial dimension the sums have no divisor of their own, as in PyTorch.
struct AvgPool1d {
  static constexpr OperatorInfo info = {
      .signature =
          "avg_pool1d(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, bool ceil_mode=False, "
          "bool count_include_pad=True) -> Tensor",
      .formula = "y = the sum of each window / its number of elements;  dx = the sum of dy / number over its windows",
      .doc =
          "The average of each window of inputs [batch, channels, length] or [channels, length]; windows are as those "
          "of max_pool1d, padded with zeros. These count as elements only with count_include_pad.",
      .dtypes = kFloatingDtypes,
      .node = "SqueezeBackward1",
  };
  static Tensor forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                        bool count_include_pad) {
    const PoolPlan plan = plan_pool(info.name, x, 1, {kernel, stride, padding, 1, ceil_mode});
    return average_pooled(x, divided(plan, count_include_pad, {}));
  }
};

template <int N>
struct AvgPool {
  static constexpr OperatorInfo pattern = {
      .signature =
          "avg_pool{N}d(Tensor input, int[] kernel_size, int[] stride=[], int[] padding=0, bool ceil_mode=False, "
          "bool count_include_pad=True, int? divisor_override=None) -> Tensor",
      .formula = "y = the sum of each window / its number of elements;  dx = the sum of dy / number over its windows",
      .doc =
          "As avg_pool1d, of inputs [batch, channels, {sizes}] or [channels, {sizes}]. Lists have one number, or one "
          "for each of these dimensions. divisor_override, which is not 0, is what all sums are divided by.",
      .dtypes = kFloatingDtypes,
      .node = "AvgPool{N}DBackward0",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static Tensor forward(const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
                        bool count_include_pad, std::optional<std::int64_t> divisor) {
    check(divisor != 0, info.name, ": divisor_override 0: need another number");
    const PoolPlan plan = plan_pool(info.name, x, N, {kernel, stride, padding, 1, ceil_mode});
    return average_pooled(x, divided(plan, count_include_pad, divisor));
  }
};

template <int N>
struct AdaptiveAvgPool {
  static constexpr OperatorInfo pattern = {
      .signature = "adaptive_avg_pool{N}d(Tensor input, int[] output_size) -> Tensor",
      .formula = "y = the sum of each window / its number of elements;  dx = the sum of dy / number over its windows",
      .doc =
          "{The average of each of output_size windows, which are those of adaptive_max_pool1d."
          "|As adaptive_avg_pool1d, of inputs [batch, channels, {sizes}] or [channels, {sizes}]. The list has one "
          "number, or one for each of these dimensions.}",
      .dtypes = kFloatingDtypes,
      .node = "{SqueezeBackward1|AdaptiveAvgPool{N}DBackward0}",
  };
  static constexpr OperatorInfo info = in_dimensions<pattern, N>;
  static Tensor forward(const Tensor& x, IntArrayRef output_size) {
    return average_pooled(x, plan_adaptive_pool(info.name, x, N, output_size));
  }
};

}  // namespace

#include <backflow/ops/average_pooling_functions.inc>

OperatorFamily average_pooling_operators() {
  return family<AvgPool1d, AvgPool<2>, AvgPool<3>, AdaptiveAvgPool<1>, AdaptiveAvgPool<2>, AdaptiveAvgPool<3>>(
      "average_pooling");
}

}  // namespace backflow

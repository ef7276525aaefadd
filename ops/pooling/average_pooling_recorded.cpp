// What average pooling records.
#include <backflow/ops/operators.h>
#include <backflow/ops/pooling/pooling_internal.h>

namespace backflow::detail {
namespace {

constexpr const char* kNodes[] = {"SqueezeBackward1", "AvgPool2DBackward0",         "AvgPool3DBackward0",
                                  "SqueezeBackward1", "AdaptiveAvgPool2DBackward0", "AdaptiveAvgPool3DBackward0"};
constexpr const char* kGradientNodes[] = {"AvgPool1DBackwardBackward0",         "AvgPool2DBackwardBackward0",
                                          "AvgPool3DBackwardBackward0",         "AdaptiveAvgPool1DBackwardBackward0",
                                          "AdaptiveAvgPool2DBackwardBackward0", "AdaptiveAvgPool3DBackwardBackward0"};

/// The averages and their gradient are linear: each is the other's gradient.
struct LinearState {
  PoolPlan plan;
  void save(Needs, const Tensor&, const PoolPlan& plan_, const Tensor&) { plan = plan_; }
  static Cost forward_cost(const Tensor& x, const PoolPlan& plan) { return pool_cost(plan, x.scalar_type()); }
  static Cost cost(const Tensor& x, const PoolPlan& plan) { return pool_cost(plan, x.scalar_type()); }
};

template <std::size_t kKind>
struct AveragePoolGradient : LinearState {
  static constexpr NodeInfo info{kGradientNodes[kKind]};
  static Tensor forward(const Tensor& dy, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, dy);
    return pool_result(plan, plan.x_sizes(), dy.scalar_type(),
                       [&](const Tensor& dx) { kernels::average_pool_backward(plan.pooling, dx, from); });
  }
  void backward(Backward& b) const { b.dx(0) = average_pooled(b.dy(), plan); }
};

template <std::size_t kKind>
struct AveragePool : LinearState {
  static constexpr NodeInfo info{kNodes[kKind]};
  static Tensor forward(const Tensor& x, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, x);
    return pool_result(plan, plan.y_sizes(), x.scalar_type(),
                       [&](const Tensor& y) { kernels::average_pool(plan.pooling, y, from); });
  }
  void backward(Backward& b) const { b.dx(0) = record<AveragePoolGradient<kKind>>(b.dy(), plan); }
};

/// The plan of one number for each channel: that is row-major whatever the blocks of x.
PoolPlan row_major(PoolPlan plan) {
  plan.pooling.x.block = 1;
  return plan;
}

struct MeanGradient : LinearState {
  static constexpr NodeInfo info{"MeanBackwardBackward0"};
  static Tensor forward(const Tensor& dy, const PoolPlan& plan) {
    const Tensor from = pool_operand(row_major(plan), dy);
    return pool_result(plan, plan.x_sizes(), dy.scalar_type(),
                       [&](const Tensor& dx) { kernels::mean_of_positions_backward(plan.pooling.x, dx, from); });
  }
  void backward(Backward& b) const { b.dx(0) = average_pooled(b.dy(), plan); }
};

/// An adaptive average to one number.
template <bool kLine>
struct Mean : LinearState {
  static constexpr NodeInfo info{kLine ? "SqueezeBackward1" : "MeanBackward1"};
  static Tensor forward(const Tensor& x, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, x);
    return pool_result(row_major(plan), plan.y_sizes(), x.scalar_type(),
                       [&](const Tensor& y) { kernels::mean_of_positions(plan.pooling.x, y, from); });
  }
  void backward(Backward& b) const { b.dx(0) = record<MeanGradient>(b.dy(), plan); }
};

}  // namespace

Tensor average_pooled(const Tensor& x, const PoolPlan& plan) {
  if (plan.adaptive && plan.is_global()) {
    return plan.dims == 1 ? record<Mean<true>>(x, plan) : record<Mean<false>>(x, plan);
  }
  return with_pool_kind(plan, [&](auto kind) { return record<AveragePool<kind>>(x, plan); });
}

}  // namespace backflow::detail

// What max pooling records: which element of each window was the largest, in a byte where that is enough.
#include <backflow/ops/operators.h>
#include <backflow/ops/pooling/pooling_internal.h>

namespace backflow::detail {
namespace {

constexpr const char* kNodes[] = {"SqueezeBackward1", "MaxPool2DWithIndicesBackward0", "MaxPool3DWithIndicesBackward0",
                                  "SqueezeBackward1", "AdaptiveMaxPool2DBackward0",    "AdaptiveMaxPool3DBackward0"};
constexpr const char* kGradientNodes[] = {
    "MaxPool1DWithIndicesBackwardBackward0", "MaxPool2DWithIndicesBackwardBackward0",
    "MaxPool3DWithIndicesBackwardBackward0", "AdaptiveMaxPool1DBackwardBackward0",
    "AdaptiveMaxPool2DBackwardBackward0",    "AdaptiveMaxPool3DBackwardBackward0"};

/// The choices that the forward made, as kernels want them.
Tensor choice_operand(const PoolPlan& plan, const Tensor& choice) { return pool_operand(plan, choice); }

/// What the gradient of a linear map needs, whose arguments are a tensor, the choices and the plan.
struct ChoiceState {
  SavedTensor choice;
  PoolPlan plan;
  void save(Needs, const Tensor&, const Tensor& choice_, const PoolPlan& plan_, const Tensor&) {
    choice.save(choice_);
    plan = plan_;
  }
  static Cost forward_cost(const Tensor& x, const Tensor&, const PoolPlan& plan) {
    return pool_cost(plan, x.scalar_type());
  }
  static Cost cost(const Tensor& x, const Tensor&, const PoolPlan& plan) { return pool_cost(plan, x.scalar_type()); }
};

/// y = the chosen elements of x;  dx = dy added at these.
struct Choose : ChoiceState {
  static constexpr NodeInfo info{"GatherBackward0"};
  static Tensor forward(const Tensor& x, const Tensor& choice, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, x);
    const Tensor chosen = choice_operand(plan, choice);
    return pool_result(plan, plan.y_sizes(), x.scalar_type(),
                       [&](const Tensor& y) { kernels::choose(plan.pooling, y, from, chosen); });
  }
  void backward(Backward& b) const;
};

/// dx = 0, with dy added at the chosen elements;  ddy = the chosen elements of the gradient of dx.
template <std::size_t kKind>
struct MaxPoolGradient : ChoiceState {
  static constexpr NodeInfo info{kGradientNodes[kKind]};
  static Tensor forward(const Tensor& dy, const Tensor& choice, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, dy);
    const Tensor chosen = choice_operand(plan, choice);
    return pool_result(plan, plan.x_sizes(), dy.scalar_type(),
                       [&](const Tensor& dx) { kernels::max_pool_backward(plan.pooling, dx, from, chosen); });
  }
  void backward(Backward& b) const { b.dx(0) = record<Choose>(b.dy(), b(choice), plan); }
};

Tensor gradient(const Tensor& dy, const Tensor& choice, const PoolPlan& plan) {
  return with_pool_kind(plan, [&](auto kind) { return record<MaxPoolGradient<kind>>(dy, choice, plan); });
}

void Choose::backward(Backward& b) const { b.dx(0) = gradient(b.dy(), b(choice), plan); }

/// y and the choices.
template <std::size_t kKind>
struct MaxPool {
  static constexpr NodeInfo info{kNodes[kKind]};
  SavedTensor choice;
  PoolPlan plan;
  static std::tuple<Tensor, Tensor> forward(const Tensor& x, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, x);
    Tensor choice;
    Tensor y = pool_result(plan, plan.y_sizes(), x.scalar_type(), [&](const Tensor& to) {
      choice = pool_result(plan, plan.y_sizes(), plan.pooling.choice_dtype(),
                           [&](const Tensor& chosen) { kernels::max_pool(plan.pooling, to, chosen, from); });
    });
    return {y, choice};
  }
  void save(Needs, const Tensor&, const PoolPlan& plan_, const std::tuple<Tensor, Tensor>& y) {
    choice.save(std::get<1>(y));
    plan = plan_;
  }
  void backward(Backward& b) const { b.dx(0) = gradient(b.dy(), b(choice), plan); }
  static Cost forward_cost(const Tensor& x, const PoolPlan& plan) { return pool_cost(plan, x.scalar_type()); }
  static Cost cost(const Tensor& x, const PoolPlan& plan) { return pool_cost(plan, x.scalar_type()); }
};

/// The result without choices, off the tape.
struct MaxPoolValues {
  static constexpr NodeInfo info{"MaxPool"};
  static Tensor forward(const Tensor& x, const PoolPlan& plan) {
    const Tensor from = pool_operand(plan, x);
    return pool_result(plan, plan.y_sizes(), x.scalar_type(),
                       [&](const Tensor& y) { kernels::max_pool(plan.pooling, y, {}, from); });
  }
};

std::tuple<Tensor, Tensor> with_choices(const Tensor& x, const PoolPlan& plan) {
  return with_pool_kind(plan, [&](auto kind) { return record<MaxPool<kind>>(x, plan); });
}

}  // namespace

Tensor max_pooled(const Tensor& x, const PoolPlan& plan) {
  return GradMode::is_enabled() && x.requires_grad() ? std::get<0>(with_choices(x, plan))
                                                     : MaxPoolValues::forward(x, plan);
}

std::tuple<Tensor, Tensor> max_pooled_with_indices(const Tensor& x, const PoolPlan& plan) {
  const auto [y, choice] = with_choices(x, plan);
  const Tensor chosen = choice_operand(plan, choice);
  Tensor indices = pool_result(plan, plan.y_sizes(), kInt64,
                               [&](const Tensor& to) { kernels::choice_indices(plan.pooling, to, chosen); });
  return {y, indices};
}

}  // namespace backflow::detail

#include <backflow/train/task/difference_loss.h>

#include <backflow/ops/functions.h>
#include <backflow/ops/losses/loss_reduction.h>
#include <backflow/ops/operators.h>

namespace backflow::train {

ElementLoss element_loss(const TaskOptions& options, const std::string& name) {
  if (name == "mse") {
    return [](const Tensor& y, const Tensor& t, std::int64_t reduction) { return mse_loss(y, t, reduction); };
  }
  if (name == "l1") {
    return [](const Tensor& y, const Tensor& t, std::int64_t reduction) { return l1_loss(y, t, reduction); };
  }
  if (name == "huber") {
    return [delta = options.huber_delta](const Tensor& y, const Tensor& t, std::int64_t reduction) {
      return huber_loss(y, t, reduction, delta);
    };
  }
  return [](const Tensor& y, const Tensor& t, std::int64_t reduction) {
    return binary_cross_entropy_with_logits(y, t, {}, {}, reduction);
  };
}

Tensor fitted_target(const Tensor& output, const Tensor& target) {
  check(output.dim() >= 1 && target.numel() == output.numel() && target.size(0) == output.size(0), "task: outputs ",
        describe(output), " for targets ", describe(target),
        ": need as many numbers for each sample; the last layer decides");
  const Tensor shaped = target.sizes() == output.sizes() ? target : target.reshape(output.sizes());
  return shaped.scalar_type() == output.scalar_type() ? shaped : to(shaped, output.scalar_type());
}

Tensor sum_over_samples(const ElementLoss& loss, const Tensor& output, const Tensor& target, const Tensor& weight) {
  const Tensor t = fitted_target(output, target);
  if (weight.defined()) {
    const Tensor each = loss(output, t, Reduction::None).flatten(1 < output.dim() ? 1 : 0);
    return ((each.dim() > 1 ? mean(each, IntArrayRef{1}) : each) * weight).sum();
  }
  const Tensor sum = loss(output, t, Reduction::Sum);
  const std::int64_t n = output.size(0);
  return output.numel() == n ? sum : sum * (static_cast<double>(n) / static_cast<double>(output.numel()));
}

}  // namespace backflow::train

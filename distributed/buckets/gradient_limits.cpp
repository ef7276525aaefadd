#include <backflow/distributed/buckets/gradient_limits.h>

#include <backflow/distributed/calls/memory_work.h>
#include <backflow/nn/utils/clip_grad.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/reductions/norm.h>

namespace backflow::distributed {
namespace {

constexpr double kNormType = 2;

void check_each(const std::vector<Tensor>& parameters, const std::function<std::string(const Tensor&)>& name_of) {
  for (const Tensor& p : parameters) {
    if (p.grad().defined() && !kernels::all_finite(contiguous(p.grad().detach()))) {
      fail(not_finite(name_of(p), p));
    }
  }
}

}  // namespace

std::string not_finite(const std::string& name, const Tensor& parameter) {
  return to_text("training step: the gradient of ", name, " ", describe(parameter),
                 " has elements that are NaN or infinite: need finite numbers; a smaller learning rate may help");
}

GradientLimits::GradientLimits(double clip_grad_norm, bool check_finite, const std::string& step)
    : clip_grad_norm_(clip_grad_norm), check_finite_(check_finite) {
  check(clip_grad_norm >= 0, step, ": clip_grad_norm ", clip_grad_norm, ": need a number >= 0; 0 does not clip");
}

void GradientLimits::describe(PassTask& task, std::span<const Tensor> parameters) const {
  task.name = clips() ? "clip_grad_norm" : checks() ? "check gradients" : "all gradients";
  const int moved = clips() ? 3 : checks() ? 1 : 0;  // how often each gradient is read or written
  for (const Tensor& p : parameters) {
    task.work += memory_work(moved * static_cast<double>(p.nbytes()));
  }
}

double GradientLimits::apply(const std::vector<Tensor>& parameters,
                             const std::function<std::string(const Tensor&)>& name_of) const {
  if (!clips()) {
    if (checks()) {
      check_each(parameters, name_of);
    }
    return 0;
  }
  try {
    return nn::utils::clip_grad_norm_(parameters, clip_grad_norm_, kNormType, check_finite_);
  } catch (const Error&) {
    check_each(parameters, name_of);  // names the parameter
    throw;
  }
}

}  // namespace backflow::distributed

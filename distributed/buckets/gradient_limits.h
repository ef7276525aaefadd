#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <backflow/runtime/engine/pass_task.h>

namespace backflow::distributed {

/// What a training step does with all gradients together, before any update: clipping, and looking for NaN.
class GradientLimits {
 public:
  /// `clip_grad_norm`: the largest norm of all gradients together, 0 for any. With `check_finite` a NaN or infinite
  /// element is an error. Throws Error for a norm that is negative or NaN; `step` says whose it is, "training step".
  GradientLimits(double clip_grad_norm, bool check_finite, const std::string& step);

  /// Whether there is anything to do, so that updates have to wait for all gradients.
  bool any() const { return clip_grad_norm_ > 0 || check_finite_; }
  bool clips() const { return clip_grad_norm_ > 0; }
  double clip_grad_norm() const { return clip_grad_norm_; }
  bool checks() const { return check_finite_; }

  /// Sets name and work of the task that calls apply() for gradients as large as these parameters.
  void describe(PassTask& task, std::span<const Tensor> parameters) const;
  /// Checks and clips the gradients of these parameters; returns their norm before that, 0 unless it clips. Throws
  /// Error for a NaN or infinite element if it checks, before anything is changed: with what `name_of` says.
  double apply(const std::vector<Tensor>& parameters, const std::function<std::string(const Tensor&)>& name_of) const;

 private:
  double clip_grad_norm_;
  bool check_finite_;
};

/// The error of gradients that are not finite.
std::string not_finite(const std::string& name, const Tensor& parameter);

}  // namespace backflow::distributed

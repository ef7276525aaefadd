#include <backflow/nn/utils/clip_grad.h>

#include <cmath>

#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/elementwise/clip.h>
#include <backflow/ops/kernels/reductions/norm.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/view_history.h>

namespace backflow::nn::utils {
namespace {

/// The gradients that are there, off the tape.
std::vector<Tensor> gradients_of(const char* where, const std::vector<Tensor>& parameters) {
  std::vector<Tensor> gradients;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    check(parameters[i].defined(), where, ": parameter ", i, " is undefined: need a tensor");
    if (parameters[i].grad().defined()) {
      gradients.push_back(parameters[i].grad().detach());
    }
  }
  return gradients;
}

double norm_of(const std::vector<Tensor>& gradients, double norm_type) {
  if (norm_type == 0) {
    return static_cast<double>(gradients.size());
  }
  std::vector<Tensor> rows;
  rows.reserve(gradients.size());
  for (const Tensor& g : gradients) {
    rows.push_back(g.is_contiguous() ? g : contiguous(g));
  }
  return kernels::vector_norm(rows, norm_type);
}

/// Calls change(gradients), which changes them in place.
template <class F>
void change_all(const char* where, const std::vector<Tensor>& gradients, const F& change) {
  for (const Tensor& g : gradients) {
    check_inplace(where, g, false);
  }
  change(gradients);
  for (const Tensor& g : gradients) {
    bump_version(g);
  }
}

}  // namespace

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  check(max_norm >= 0, "clip_grad_norm_: max_norm ", max_norm, ": need a number >= 0");
  check(norm_type >= 0, "clip_grad_norm_: norm_type ", norm_type, ": need a number >= 0");
  const NoGradGuard no_grad;
  const std::vector<Tensor> gradients = gradients_of("clip_grad_norm_", parameters);
  const double norm = norm_of(gradients, norm_type);
  check(!error_if_nonfinite || std::isfinite(norm), "clip_grad_norm_: the norm of order ", norm_type, " of ",
        gradients.size(), " gradients is ", norm,
        ": need a finite one; error_if_nonfinite = false scales with it all the same");
  scale_to_norm(gradients, max_norm, norm);
  return norm;
}

void scale_to_norm(const std::vector<Tensor>& gradients, double max_norm, double norm) {
  const NoGradGuard no_grad;
  const double factor = max_norm / (norm + 1e-6);
  if (!(factor >= 1)) {
    change_all("clip_grad_norm_", gradients, [&](const auto& all) { kernels::multiply_all(all, factor); });
  }
}

double clip_grad_norm_(std::initializer_list<Tensor> parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  return clip_grad_norm_(std::vector<Tensor>(parameters), max_norm, norm_type, error_if_nonfinite);
}

double clip_grad_norm_(const Tensor& parameter, double max_norm, double norm_type, bool error_if_nonfinite) {
  return clip_grad_norm_(std::vector<Tensor>{parameter}, max_norm, norm_type, error_if_nonfinite);
}

void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  check(clip_value >= 0, "clip_grad_value_: clip_value ", clip_value, ": need a number >= 0");
  const NoGradGuard no_grad;
  change_all("clip_grad_value_", gradients_of("clip_grad_value_", parameters),
             [&](const auto& all) { kernels::clamp_all(all, -clip_value, clip_value); });
}

void clip_grad_value_(std::initializer_list<Tensor> parameters, double clip_value) {
  clip_grad_value_(std::vector<Tensor>(parameters), clip_value);
}

void clip_grad_value_(const Tensor& parameter, double clip_value) {
  clip_grad_value_(std::vector<Tensor>{parameter}, clip_value);
}

}  // namespace backflow::nn::utils

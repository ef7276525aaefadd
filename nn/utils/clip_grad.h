#pragma once

#include <initializer_list>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

/// As libtorch's torch::nn::utils.
namespace backflow::nn::utils {

/// Scales the gradients in place so that their norm, over all parameters together, is at most `max_norm`. Returns the
/// norm before scaling. For gradients g:
///
///   norm = (sum over all elements of |g|^norm_type)^(1 / norm_type), or the largest |g| for an infinite norm_type
///   g = g min(1, max_norm / (norm + 1e-6))
///
/// With norm_type 0 the norm is the number of gradients, as in libtorch. Parameters without a gradient are skipped;
/// when there is none at all the norm is 0. The norm is computed in float64, whatever the dtype, with the same bits on
/// any number of threads. A NaN or infinite norm is an Error with `error_if_nonfinite`, which leaves the gradients as
/// they are; else a NaN spreads to all gradients. Also throws Error for an undefined parameter, and a negative or
/// undefined `max_norm` or `norm_type`. Pascanu et al.: "On the difficulty of training recurrent neural networks", ICML
/// 2013. Must not be called while anything else uses the gradients.
double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);
double clip_grad_norm_(std::initializer_list<Tensor> parameters, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);
double clip_grad_norm_(const Tensor& parameter, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);

/// Scales gradients with the norm `norm` as clip_grad_norm_ does.
void scale_to_norm(const std::vector<Tensor>& gradients, double max_norm, double norm);

/// Replaces every element of the gradients by the nearest number in [-clip_value, clip_value], in place; a NaN stays.
/// Parameters without a gradient are skipped. Throws Error for an undefined parameter, and unless `clip_value` >= 0.
/// Must not be called while anything else uses the gradients.
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);
void clip_grad_value_(std::initializer_list<Tensor> parameters, double clip_value);
void clip_grad_value_(const Tensor& parameter, double clip_value);

}  // namespace backflow::nn::utils

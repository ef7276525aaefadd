#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

// The in-place forms of the functions of the same names in ops/functions.h: `self` becomes their result, and is
// returned. Where that is self itself, nothing is done.

Tensor& dropout_(const Tensor& self, double p, bool train);
Tensor& feature_dropout_(const Tensor& self, double p, bool train);
Tensor& alpha_dropout_(const Tensor& self, double p, bool train);
Tensor& feature_alpha_dropout_(const Tensor& self, double p, bool train);

}  // namespace backflow

#pragma once

#include <backflow/runtime/tensor/tensor.h>

namespace backflow {

// The in-place forms of the functions of the same names in ops/functions.h: they write the result to `self` and return
// it. In evaluation, and for p = 0, they do nothing.

Tensor& dropout_(const Tensor& self, double p, bool train);
Tensor& feature_dropout_(const Tensor& self, double p, bool train);
Tensor& alpha_dropout_(const Tensor& self, double p, bool train);
Tensor& feature_alpha_dropout_(const Tensor& self, double p, bool train);

}  // namespace backflow

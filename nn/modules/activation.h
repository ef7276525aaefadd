#pragma once

#include <backflow/nn/functional.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

namespace detail {

/// A module without parameters whose result has the input's shape.
class ElementwiseModule : public Module {
 public:
  DimVector output_shape(IntArrayRef input) const override { return input; }
};

}  // namespace detail

/// max(x, 0), for inputs of any shape.
class ReLUImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::relu(input); }
};
BACKFLOW_MODULE(ReLU);

/// The hyperbolic tangent, for inputs of any shape.
class TanhImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::tanh(input); }
};
BACKFLOW_MODULE(Tanh);

/// 1 / (1 + e^-x), for inputs of any shape.
class SigmoidImpl : public detail::ElementwiseModule {
 public:
  Tensor forward(const Tensor& input) const { return functional::sigmoid(input); }
};
BACKFLOW_MODULE(Sigmoid);

}  // namespace backflow::nn

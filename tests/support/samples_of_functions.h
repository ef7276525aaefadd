#pragma once

#include <backflow/ops/operators.h>
#include <backflow/tests/support/sample_shapes.h>

namespace backflow::test {

/// A function of one tensor, as UnaryFunction, whose calls take that tensor.
struct FunctionSample {
  std::string op;
  std::function<Tensor(const Tensor&)> call;
  std::function<double(double)> f;
  std::string torch;
  std::function<void(const Tensor&)> inplace = {};
  double low = -2;
  double high = 2;
  std::string label = "";
  bool differentiable = true;
  double tolerance = 1;
};

inline void add_function(Samples& all, const FunctionSample& u) {
  UnaryFunction function{.op = u.op,
                         .call = [call = u.call](const Tensors& x) { return call(x[0]); },
                         .f = u.f,
                         .torch = u.torch,
                         .ranges = {{u.low, u.high}},
                         .label = u.label,
                         .tolerance = u.tolerance,
                         .differentiable = u.differentiable};
  if (u.inplace) {
    function.inplace = [inplace = u.inplace](const Tensors& x) { inplace(x[0]); };
  }
  add_samples(all, function);
}

}  // namespace backflow::test

#pragma once

#include <backflow/ops/autograd/list_function.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/engine/autograd.h>

namespace backflow::autograd {

/// A gradient that gradcheck found wrong.
class GradcheckError : public Error {
 public:
  using Error::Error;
};

/// As the arguments of Python's torch.autograd.gradcheck.
struct GradcheckOptions {
  double eps = 1e-6;   ///< step of the central differences
  double atol = 1e-5;  ///< |analytical - numerical| <= atol + rtol |numerical|, or the gradient is wrong
  double rtol = 1e-3;
  bool raise_exception = true;       ///< throw GradcheckError for a wrong gradient instead of returning false
  double nondet_tol = 0;             ///< how much two backward passes may differ
  bool check_undefined_grad = true;  ///< backward must work where some outputs, or all, have no gradient
  bool check_grad_dtypes = false;    ///< gradients must have the dtype of their inputs
};

/// Compares the Jacobian of backward with central differences, (f(x + eps) - f(x - eps)) / (2 eps), element by element,
/// for every output and every input that requires a gradient. This is PyTorch's slow mode. Also checks that two
/// backward passes agree, that a gradient of 0 for the outputs gives 0, and `check_undefined_grad`. Outputs that
/// require no gradient must not depend on the inputs.
///
/// `func` is called often, with `inputs` themselves; their elements are changed meanwhile and restored. Nothing else
/// may use them. `func` must be deterministic and without state. Returns true when all gradients are right. When one is
/// wrong, throws GradcheckError, or returns false.
///
/// Throws Error when no input requires a gradient, and for an input that requires one but is not float64 or has
/// elements that share memory. In float32 differences are too inexact.
bool gradcheck(const ListFunction& func, const variable_list& inputs, const GradcheckOptions& options = {});

/// The same for second derivatives: gradcheck of the gradients of `func` as a function of `inputs` and of
/// `grad_outputs`, one for each output that requires a gradient; random numbers in [-1, 1) when left out.
bool gradgradcheck(const ListFunction& func, const variable_list& inputs, const variable_list& grad_outputs = {},
                   const GradcheckOptions& options = {});

}  // namespace backflow::autograd

#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <backflow/ops/autograd/list_function.h>
#include <backflow/runtime/engine/autograd.h>

/// Derivatives of functions, as Python's torch.autograd.functional.
///
///   auto f = [](const Tensor& x) { return (x * x * x).sum(); };
///   auto h = autograd::functional::hessian(f, tensor({1.0, 2.0}));   // [[6, 0], [0, 12]]
///
/// The function gets copies of the inputs that require gradients, so the inputs themselves need not. It is called once,
/// with recording on. Inputs are floating-point tensors of any shape.
///
/// `create_graph`: results can be differentiated again, with respect to the inputs, to `v`, and to what else the
/// function uses. Otherwise they are off the tape. `strict`: an output that does not depend on an input is an Error;
/// otherwise its derivative is 0. With create_graph, a derivative that does not depend on the inputs is an Error too.
///
/// Every function throws Error when `v` has another length or other shapes than said, and whatever the function throws.
namespace backflow::autograd::functional {

using TensorFunction = std::function<Tensor(const Tensor&)>;

/// The outputs f(x), and v^T J: sums over outputs i and their elements of v_i dy_i/dx_j, shaped as the inputs.
/// `v`: one tensor per output, of its shape; may be left out for a function with one output of one element.
std::pair<variable_list, variable_list> vjp(const ListFunction& func, const variable_list& inputs,
                                            const variable_list& v = {}, bool create_graph = false,
                                            bool strict = false);
std::pair<Tensor, Tensor> vjp(const TensorFunction& func, const Tensor& input, const Tensor& v = {},
                              bool create_graph = false, bool strict = false);

/// The outputs f(x), and J v: the derivatives of the outputs in direction v, shaped as the outputs. Computed by two
/// backward passes: u^T J is linear in u, and its derivative with respect to u, in direction v, is J v. `v`: one tensor
/// per input, of its shape; may be left out for one input of one element.
std::pair<variable_list, variable_list> jvp(const ListFunction& func, const variable_list& inputs,
                                            const variable_list& v = {}, bool create_graph = false,
                                            bool strict = false);
std::pair<Tensor, Tensor> jvp(const TensorFunction& func, const Tensor& input, const Tensor& v = {},
                              bool create_graph = false, bool strict = false);

/// The derivatives of output i with respect to input j at [i][j], of shape output.sizes() + input.sizes(). One backward
/// pass for each element of the outputs.
std::vector<variable_list> jacobian(const ListFunction& func, const variable_list& inputs, bool create_graph = false,
                                    bool strict = false);
Tensor jacobian(const TensorFunction& func, const Tensor& input, bool create_graph = false, bool strict = false);

/// The second derivatives of a function with one output of one element, with respect to inputs i and j at [i][j], of
/// shape input_i.sizes() + input_j.sizes(). Throws Error for other functions.
std::vector<variable_list> hessian(const ListFunction& func, const variable_list& inputs, bool create_graph = false,
                                   bool strict = false);
Tensor hessian(const TensorFunction& func, const Tensor& input, bool create_graph = false, bool strict = false);

/// The output of a function with one output of one element, and v^T H, shaped as the inputs.
/// `v`: one tensor per input, of its shape; may be left out for one input of one element.
std::pair<Tensor, variable_list> vhp(const ListFunction& func, const variable_list& inputs, const variable_list& v = {},
                                     bool create_graph = false, bool strict = false);
std::pair<Tensor, Tensor> vhp(const TensorFunction& func, const Tensor& input, const Tensor& v = {},
                              bool create_graph = false, bool strict = false);

/// H v in place of v^T H. Both are equal, but hvp takes a third backward pass: vhp is cheaper.
std::pair<Tensor, variable_list> hvp(const ListFunction& func, const variable_list& inputs, const variable_list& v = {},
                                     bool create_graph = false, bool strict = false);
std::pair<Tensor, Tensor> hvp(const TensorFunction& func, const Tensor& input, const Tensor& v = {},
                              bool create_graph = false, bool strict = false);

}  // namespace backflow::autograd::functional

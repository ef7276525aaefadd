#include <backflow/ops/autograd/functional.h>

#include <backflow/ops/functions.h>
#include <backflow/runtime/base/error.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::autograd::functional {
namespace {

/// One call of a function of this file: its name and options, and what all of them do.
struct Call {
  const char* where;
  bool create_graph;
  bool strict;

  /// Tensors of our own with the values of `inputs`. What the user's function uses of the inputs besides its argument
  /// is then a constant.
  variable_list own(const variable_list& inputs, bool requires_grad) const {
    variable_list result;
    for (const Tensor& x : inputs) {
      if (create_graph && x.requires_grad()) {
        result.push_back(x.reshape(x.sizes()));
      } else {
        result.push_back(x.detach());
        result.back().set_requires_grad(requires_grad);
      }
    }
    return result;
  }
  variable_list own_inputs(const variable_list& inputs) const {
    check(!inputs.empty(), where, ": no inputs: need at least one");
    return own(inputs, true);
  }

  /// `v`, which has a tensor for each of `like`, called `what`; or none, where 1 will do.
  variable_list directions(const variable_list& v, const variable_list& like, const char* what) const {
    if (v.empty()) {
      check(like.size() == 1 && like[0].numel() == 1, where, ": no v given for ", like.size(), " ", what,
            "(s): need one, unless there is a single element");
      return {};
    }
    check(v.size() == like.size(), where, ": ", v.size(), " tensors in v for ", like.size(), " ", what,
          "(s): need one for each");
    for (std::size_t i = 0; i < v.size(); ++i) {
      check(v[i].sizes() == like[i].sizes(), where, ": v[", i, "] is ", describe(v[i]), ", ", what, " ", i, " ",
            describe(like[i]), ": need equal shapes");
    }
    return own(v, false);
  }

  variable_list outputs(const ListFunction& func, const variable_list& x) const {
    variable_list y = func(x);
    check_depends(y, "output");
    return y;
  }
  /// The output of a function that must have one number.
  Tensor single_output(const ListFunction& func, const variable_list& x) const {
    const variable_list y = func(x);
    check(y.size() == 1, where, ": the function has ", y.size(), " outputs: need a single one");
    check(y[0].numel() == 1, where, ": the output is ", describe(y[0]), ": need a single element");
    check_depends(y, "output");
    return y[0];
  }

  /// In strict mode, that each of `tensors` was computed from something that requires a gradient.
  void check_depends(const variable_list& tensors, const char* what) const {
    for (std::size_t i = 0; strict && i < tensors.size(); ++i) {
      check(tensors[i].defined() && tensors[i].requires_grad(), where, ": ", what, " ", i,
            " does not depend on the inputs: need one that does in strict mode");
    }
  }

  /// Zeros like `like` for what has no gradient, which is an Error in strict mode.
  variable_list filled(variable_list gradients, const variable_list& like, const char* what) const {
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) {
        check(!strict, where, ": ", what, " ", i, " does not matter to the result: need one that does in strict mode");
        gradients[i] = zeros_like(like[i]);
      }
      check(!(strict && create_graph) || gradients[i].requires_grad(), where, ": the derivative at ", what, " ", i,
            " does not depend on the inputs: need one that does in strict mode with create_graph");
    }
    return gradients;
  }

  Tensor result(const Tensor& x) const { return create_graph ? x : x.detach(); }
  variable_list result(variable_list list) const {
    for (Tensor& x : list) {
      x = result(x);
    }
    return list;
  }
};

enum class Graph { Free, Keep, Record };

/// autograd::grad, with undefined gradients where there are none.
variable_list gradients(const variable_list& y, const variable_list& x, const variable_list& dy, Graph graph) {
  variable_list recorded;
  variable_list directions;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i].defined() && y[i].requires_grad()) {
      recorded.push_back(y[i]);
      if (!dy.empty()) {
        directions.push_back(dy[i]);
      }
    }
  }
  if (recorded.empty()) {
    return variable_list(x.size());
  }
  return autograd::grad(recorded, x, directions, graph != Graph::Free, graph == Graph::Record, true);
}

Graph graph_of(const Call& call) { return call.create_graph ? Graph::Record : Graph::Free; }

/// Zeros that what is computed from them can be differentiated by: the v of a product that is linear in it.
variable_list placeholders(const variable_list& like) {
  variable_list result;
  for (const Tensor& x : like) {
    result.push_back(zeros_like(x));
    result.back().set_requires_grad(x.is_floating_point());
  }
  return result;
}

/// The derivatives of `y` with respect to every x.
variable_list jacobian_of(const Call& call, const Tensor& y, std::size_t output, const variable_list& x) {
  std::vector<variable_list> rows(x.size());
  for (std::int64_t e = 0; e < y.numel(); ++e) {
    Tensor unit = zeros_like(y);
    unit.reshape(-1)[e].fill_(1);
    const variable_list dx = gradients({y}, x, {unit}, call.create_graph ? Graph::Record : Graph::Keep);
    for (std::size_t j = 0; j < x.size(); ++j) {
      check(!call.strict || dx[j].defined(), call.where, ": output ", output, " does not depend on input ", j,
            ": need one that does in strict mode");
      check(!(call.strict && call.create_graph) || dx[j].requires_grad(), call.where, ": the derivative of output ",
            output, " at input ", j,
            " does not depend on the inputs: need one that does in strict mode with create_graph");
      rows[j].push_back(dx[j].defined() ? dx[j] : zeros_like(x[j]));
    }
  }
  variable_list result;
  for (std::size_t j = 0; j < x.size(); ++j) {
    DimVector sizes(y.sizes());
    for (const std::int64_t size : x[j].sizes()) {
      sizes.push_back(size);
    }
    result.push_back(rows[j].empty() ? empty_tensor(sizes, x[j].scalar_type()) : stack(rows[j]).reshape(sizes));
  }
  return result;
}

ListFunction on_list(const TensorFunction& func) {
  return [&func](const variable_list& x) { return func(x[0]); };
}
variable_list on_list(const Tensor& v) { return v.defined() ? variable_list{v} : variable_list{}; }

}  // namespace

std::pair<variable_list, variable_list> vjp(const ListFunction& func, const variable_list& inputs,
                                            const variable_list& v, bool create_graph, bool strict) {
  const AutoGradMode recording(true);
  const Call call{"vjp", create_graph, strict};
  const variable_list x = call.own_inputs(inputs);
  const variable_list y = call.outputs(func, x);
  const variable_list dy = call.directions(v, y, "output");
  const variable_list dx = call.filled(gradients(y, x, dy, graph_of(call)), x, "input");
  return {call.result(y), call.result(dx)};
}

std::pair<variable_list, variable_list> jvp(const ListFunction& func, const variable_list& inputs,
                                            const variable_list& v, bool create_graph, bool strict) {
  const AutoGradMode recording(true);
  const Call call{"jvp", create_graph, strict};
  const variable_list x = call.own_inputs(inputs);
  const variable_list direction = call.directions(v, x, "input");
  const variable_list y = call.outputs(func, x);
  const variable_list u = placeholders(y);
  const variable_list uj = gradients(y, x, u, Graph::Record);
  call.check_depends(uj, "the gradient of input");
  const variable_list jv = call.filled(gradients(uj, u, direction, graph_of(call)), y, "output");
  return {call.result(y), call.result(jv)};
}

std::vector<variable_list> jacobian(const ListFunction& func, const variable_list& inputs, bool create_graph,
                                    bool strict) {
  const AutoGradMode recording(true);
  const Call call{"jacobian", create_graph, strict};
  const variable_list x = call.own_inputs(inputs);
  const variable_list y = call.outputs(func, x);
  std::vector<variable_list> result;
  for (std::size_t i = 0; i < y.size(); ++i) {
    result.push_back(call.result(jacobian_of(call, y[i], i, x)));
  }
  return result;
}

std::vector<variable_list> hessian(const ListFunction& func, const variable_list& inputs, bool create_graph,
                                   bool strict) {
  const AutoGradMode recording(true);
  const Call call{"hessian", create_graph, strict};
  const variable_list x = call.own_inputs(inputs);
  const Tensor y = call.single_output(func, x);
  variable_list dx = gradients({y}, x, {}, Graph::Record);
  call.check_depends(dx, "the gradient of input");
  std::vector<variable_list> result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Tensor row = dx[i].defined() ? dx[i] : zeros_like(x[i]);
    result.push_back(call.result(jacobian_of(call, row, i, x)));
  }
  return result;
}

std::pair<Tensor, variable_list> vhp(const ListFunction& func, const variable_list& inputs, const variable_list& v,
                                     bool create_graph, bool strict) {
  const AutoGradMode recording(true);
  const Call call{"vhp", create_graph, strict};
  const variable_list x = call.own_inputs(inputs);
  const variable_list direction = call.directions(v, x, "input");
  const Tensor y = call.single_output(func, x);
  const variable_list dx = gradients({y}, x, {}, Graph::Record);
  call.check_depends(dx, "the gradient of input");
  const variable_list vh = call.filled(gradients(dx, x, direction, graph_of(call)), x, "input");
  return {call.result(y), call.result(vh)};
}

std::pair<Tensor, variable_list> hvp(const ListFunction& func, const variable_list& inputs, const variable_list& v,
                                     bool create_graph, bool strict) {
  const AutoGradMode recording(true);
  const Call call{"hvp", create_graph, strict};
  const variable_list x = call.own_inputs(inputs);
  const variable_list direction = call.directions(v, x, "input");
  const Tensor y = call.single_output(func, x);
  const variable_list dx = gradients({y}, x, {}, Graph::Record);
  call.check_depends(dx, "the gradient of input");
  const variable_list u = placeholders(x);
  const variable_list uh = gradients(dx, x, u, Graph::Record);
  const variable_list hv = call.filled(gradients(uh, u, direction, graph_of(call)), x, "input");
  return {call.result(y), call.result(hv)};
}

std::pair<Tensor, Tensor> vjp(const TensorFunction& func, const Tensor& input, const Tensor& v, bool create_graph,
                              bool strict) {
  const auto [y, dx] = vjp(on_list(func), variable_list{input}, on_list(v), create_graph, strict);
  return {y[0], dx[0]};
}

std::pair<Tensor, Tensor> jvp(const TensorFunction& func, const Tensor& input, const Tensor& v, bool create_graph,
                              bool strict) {
  const auto [y, jv] = jvp(on_list(func), variable_list{input}, on_list(v), create_graph, strict);
  return {y[0], jv[0]};
}

Tensor jacobian(const TensorFunction& func, const Tensor& input, bool create_graph, bool strict) {
  return jacobian(on_list(func), variable_list{input}, create_graph, strict)[0][0];
}

Tensor hessian(const TensorFunction& func, const Tensor& input, bool create_graph, bool strict) {
  return hessian(on_list(func), variable_list{input}, create_graph, strict)[0][0];
}

std::pair<Tensor, Tensor> vhp(const TensorFunction& func, const Tensor& input, const Tensor& v, bool create_graph,
                              bool strict) {
  const auto [y, vh] = vhp(on_list(func), variable_list{input}, on_list(v), create_graph, strict);
  return {y, vh[0]};
}

std::pair<Tensor, Tensor> hvp(const TensorFunction& func, const Tensor& input, const Tensor& v, bool create_graph,
                              bool strict) {
  const auto [y, hv] = hvp(on_list(func), variable_list{input}, on_list(v), create_graph, strict);
  return {y, hv[0]};
}

}  // namespace backflow::autograd::functional

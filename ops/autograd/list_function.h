#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <backflow/runtime/engine/autograd.h>

namespace backflow::autograd {

/// A function of a list of tensors, given as a callable that returns a list of tensors or one tensor.
class ListFunction {
 public:
  template <class F>
  requires std::is_invocable_r_v<variable_list, F&, const variable_list&> ListFunction(F f)  // NOLINT
      : call_(std::move(f)) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const variable_list&> ListFunction(F f)  // NOLINT
      : call_([f = std::move(f)](const variable_list& x) mutable { return variable_list{f(x)}; }) {}

  variable_list operator()(const variable_list& x) const { return call_(x); }

 private:
  std::function<variable_list(const variable_list&)> call_;
};

}  // namespace backflow::autograd

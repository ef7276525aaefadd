#pragma once

#include <string_view>
#include <tuple>
#include <vector>

#include <backflow/runtime/engine/trace_slices.h>
#include <backflow/runtime/tensor/cost.h>

/// What calls of operators cost, for the engine and for traces.
namespace backflow::detail {

/// The result of an operator, or the first of several; undefined when there is none.
inline const Tensor& first_tensor(const Tensor& y) { return y; }
template <class... More>
const Tensor& first_tensor(const std::tuple<Tensor, More...>& y) {
  return std::get<0>(y);
}
inline const Tensor& first_tensor(const std::vector<Tensor>& y) {
  static const Tensor kNone;
  return y.empty() ? kNone : y.front();
}

/// One operation for each element of `y`, and `times` walks over its bytes.
[[gnu::always_inline]] inline Cost elementwise_cost(const Tensor& y, float times) {
  return {static_cast<float>(y.numel()), times * static_cast<float>(y.nbytes()), y.scalar_type()};
}

/// The cost of an operator's backward: its own `cost(args...)` if it has one. Else that of an element-wise operator,
/// which reads two tensors and writes one.
template <class Op, class... Args>
Cost cost_of(const Tensor& y, const Args&... args) {
  if constexpr (requires { Op::cost(args...); }) {
    return Op::cost(args...);
  } else {
    return elementwise_cost(y, 3);
  }
}

/// Calls `body`, which returns the result of `Op` on `args`, as an event of the trace.
template <class Op, class Body, class... Args>
[[gnu::cold, gnu::noinline]] decltype(auto) traced_event(std::string_view name, const Body& body, const Args&... args) {
  trace::OperatorSlice slice(name);
  if (slice.records()) {
    (slice.operand(args), ...);
  }
  decltype(auto) result = body();
  if (const Tensor& y = first_tensor(result); slice.records() && y.defined()) {
    if constexpr (requires { Op::forward_cost(args...); }) {
      slice.result(y, Op::forward_cost(args...));
    } else {
      slice.result(y, elementwise_cost(y, 1));
    }
  }
  return result;
}

/// The same when tracing is on, and else no more than the call.
template <class Op, class Body, class... Args>
decltype(auto) traced(std::string_view name, const Body& body, const Args&... args) {
  if (trace::is_on()) [[unlikely]] {
    return traced_event<Op>(name, body, args...);
  }
  return body();
}

}  // namespace backflow::detail

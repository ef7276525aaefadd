#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <backflow/ops/functions.h>
#include <backflow/ops/operator_cost.h>
#include <backflow/ops/registry.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/tape/saved_tensor.h>
#include <backflow/runtime/tape/view_history.h>

namespace backflow {

/// The argument of an operator's backward: the gradient dy of the output, which gradients are wanted, and where to put
/// them.
class Backward {
 public:
  Backward(Node& node, NodeCall& call) : node_(node), call_(call) {}

  const Tensor& dy() const { return call_.dy[0]; }
  /// Whether the gradient of the forward's tensor operand number `i` is wanted. The tensors of a list count one by one.
  bool wants(std::size_t i) const { return call_.wants(i); }
  Tensor& dx(std::size_t i) { return call_.dx[i]; }
  /// dx(i) becomes `compute()` if it is wanted.
  template <class F>
  void set_dx(std::size_t i, const F& compute) {
    if (wants(i)) {
      dx(i) = compute();
    }
  }
  /// Where the gradient of operand `i` may be computed, for a result of these sizes and this dtype: the place in a
  /// bucket of a leaf that gets nothing else, else a new tensor. It is to become dx(i) once it is written.
  Tensor place_of(std::size_t i, IntArrayRef sizes, ScalarType dtype) const;
  /// The place in a bucket alone: undefined if there is none.
  Tensor bucket_place_of(std::size_t i, IntArrayRef sizes, ScalarType dtype) const;
  /// Whether this backward is the only owner of dy. Then a gradient may be written over it.
  bool owns_dy() const {
    const Tensor& dy = call_.dy[0];
    return !GradMode::is_enabled() && node_.hooks() == nullptr && dy.use_count() == 1 && dy.is_contiguous() &&
           dy.impl().storage->has_sole_owner() && !dy.impl().storage->is_exposed();
  }
  /// What the forward saved.
  Tensor operator()(const SavedTensor& saved) const { return saved.unpack(node_); }

 private:
  Node& node_;
  NodeCall& call_;
};

/// The backward of a function that is constant in steps.
struct ZeroGradient {
  void save(const auto&...) {}
  void backward(Backward& b) const { b.dx(0) = zeros_like(b.dy()); }
};

/// The number of tensor operands of an operator that takes a list of them: each call has its own.
inline constexpr std::size_t kListOfTensors = ~std::size_t{0};

/// The tape's node of one recorded call of the operator `Op`, with N tensor operands or kListOfTensors.
template <class Op, std::size_t N>
class OpNode final : public Node {
 public:
  explicit OpNode([[maybe_unused]] std::size_t num_edges) {
    if constexpr (N == kListOfTensors) {
      edges.resize(num_edges);
    }
    set_edges(edges);
    set_saves(saves_tensors());  // one that saves none has nothing to free
    set_internal();
    if constexpr (requires { Op::kGradientsApart; }) {
      set_computes_apart();
    }
  }
  std::string name() const override { return Op::info.node; }
  std::string_view static_name() const override { return Op::info.node; }
  void apply(NodeCall& call) override {
    if (!saved) [[unlikely]] {
      fail_freed();
    }
    Backward b(*this, call);
    saved->backward(b);
  }
  void release_saved() override { saved.reset(); }

  /// An `Op` with saved tensors has a destructor that does something. One that has such a destructor for another reason
  /// declares kSavesTensors.
  static constexpr bool saves_tensors() {
    if constexpr (requires { Op::kSavesTensors; }) {
      return Op::kSavesTensors;
    } else {
      return !std::is_trivially_destructible_v<Op>;
    }
  }

  std::optional<Op> saved{std::in_place};
  std::conditional_t<N == kListOfTensors, std::vector<Edge>, std::array<Edge, N>> edges;
};

namespace detail {

inline bool requires_grad(const Tensor& x) { return x.defined() && x.requires_grad(); }
inline bool requires_grad(TensorList list) {
  bool any = false;
  for (const Tensor& x : list) {
    any = requires_grad(x) || any;
  }
  return any;
}
template <class T>
bool requires_grad(const T&) {
  return false;
}

template <class... Args>
inline constexpr std::size_t num_tensors = (std::is_same_v<Args, TensorList> || ...)
                                               ? kListOfTensors
                                               : (std::size_t{std::is_same_v<Args, Tensor>} + ... + 0);

template <class T>
constexpr std::size_t count_tensors(const T& arg) {
  if constexpr (std::is_same_v<T, TensorList>) {
    return arg.size();
  } else {
    return std::is_same_v<T, Tensor>;
  }
}

inline void add_edge(Edge*& edge, const Tensor& x) {
  if (x.defined()) {
    *edge = gradient_edge(x);
  }
  ++edge;
}
inline void add_edge(Edge*& edge, TensorList list) {
  for (const Tensor& x : list) {
    add_edge(edge, x);
  }
}
template <class T>
void add_edge(Edge*&, const T&) {}

template <class Op, class... Args>
using NodeOf = OpNode<Op, num_tensors<Args...>>;

/// A node of `Op`, a NodeOf<Op, Args...>, with the edges of its operands.
template <class Op, class... Args>
IntrusivePtr<Node> make_node(const Args&... args) {
  auto node = Node::make<NodeOf<Op, Args...>>((count_tensors(args) + ... + 0));
  Edge* edge = node->edges.data();
  (add_edge(edge, args), ...);
  return node;
}

/// Calls `save(needs)`, where needs[i] says whether the operand of edges[i] wants a gradient.
template <class Edges, class F>
void with_needs(const Edges& edges, const F& save) {
  const auto fill = [&](bool* needs) {
    for (std::size_t i = 0; i < edges.size(); ++i) {
      needs[i] = edges[i].is_valid();
    }
    save(std::span<const bool>(needs, edges.size()));
  };
  if constexpr (std::is_same_v<Edges, std::vector<Edge>>) {
    fill(std::make_unique<bool[]>(edges.size()).get());
  } else {
    fill(std::array<bool, std::tuple_size_v<Edges>>().data());
  }
}

/// Notes on `y` that it is a view of an operand, if it is.
inline bool track_if_view(const Tensor& y, const Tensor& x) {
  const bool is_view = x.defined() && !y.is_same(x) && y.impl().storage == x.impl().storage;
  if (is_view) {
    track_view(y, x, view_origin());
  }
  return is_view;
}
template <class T>
bool track_if_view(const Tensor&, const T&) {
  return false;
}
template <class... Args>
void track_views(const Tensor& y, const Args&... args) {
  static_cast<void>((track_if_view(y, args) || ...));
}

template <class Op, class... Args>
auto record_untraced(const Args&... args) {
  using Result = decltype(Op::forward(args...));
  if constexpr (!requires(Op op, Backward & b) { op.backward(b); }) {
    return Op::forward(args...);
  } else {
    if (!GradMode::is_enabled() || !(requires_grad(args) || ...)) {
      Result result = Op::forward(args...);
      track_views(first_tensor(result), args...);
      return result;
    }
    Result result;
    {
      const RecordedForward inner(true);  // a forward that calls other operators is one node all the same
      result = Op::forward(args...);
    }
    const Tensor& y = first_tensor(result);
    track_views(y, args...);
    if (!y.is_floating_point()) {
      return result;
    }
    IntrusivePtr<Node> owner = make_node<Op>(args...);
    auto* node = static_cast<NodeOf<Op, Args...>*>(owner.get());
    with_needs(node->edges, [&](std::span<const bool> needs) { node->saved->save(needs, args..., result); });
    node->set_cost(cost_of<Op>(y, args...));
    set_history(y, std::move(owner));
    return result;
  }
}

}  // namespace detail

/// Calls operator `Op` and, when recording is on and an operand requires a gradient, records it.
///
/// `Op` has `static Tensor forward(args...)`. A differentiable one also has members for what backward needs, `void
/// save(Needs, args..., y)` that fills them, and `void backward(Backward&)` written with operators. An `Op` without
/// `backward` is a composition of other operators, which are recorded, or is not differentiable.
///
/// Costs are estimated as those of an element-wise operator, unless `Op` has `static Cost forward_cost(args...)` and
/// `cost(args...)`. If forward returns several tensors, only the first one has a gradient.
/// docs/internals/add_operator.md has a complete example.
template <class Op, class... Args>
auto record(const Args&... args) {
  return detail::traced<Op>(
      Op::info.name, [&] { return detail::record_untraced<Op>(args...); }, args...);
}

namespace detail {

/// Gives `self` the values and the history of `y`, which was computed from it; shapes must be equal.
void assign_inplace(std::string_view op, const Tensor& self, const Tensor& y);

/// The operand of an operation in place: a tensor with the elements and the history of `self` before the change.
Tensor old_value(const Tensor& self);
/// Copies the elements of the old value when a node has saved it, so that backward does not see the new ones.
void keep_old_value(Tensor& old);

inline bool shares_memory(const Tensor& x, const Tensor& w) { return w.defined() && x.is_alias_of(w); }
template <class T>
bool shares_memory(const Tensor&, const T&) {
  return false;
}

/// Changes `self` in place without a temporary and records it, or does nothing and returns false when `Op` can't.
template <class Op, class... Args>
bool record_into(const Tensor& self, const Args&... args) {
  if constexpr (requires(Op op, Backward & b) { op.backward(b), Op::forward_into(self, self, args...); }) {
    if ((shares_memory(self, args) || ...)) {
      return false;
    }
    Tensor old = old_value(self);
    const IntrusivePtr<Node> owner = make_node<Op>(old, args...);
    auto* node = static_cast<NodeOf<Op, Tensor, Args...>*>(owner.get());
    {
      Op probe;  // shows whether backward needs the old value, which then has to be kept
      ThreadState without_hooks = thread_state();
      without_hooks.saved_tensor_hooks = nullptr;
      const ThreadStateGuard state(without_hooks);
      with_needs(node->edges, [&](std::span<const bool> needs) { probe.save(needs, old, args..., self); });
      keep_old_value(old);
    }
    if (!Op::forward_into(self, old, args...)) {
      return false;
    }
    bump_version(self);
    with_needs(node->edges, [&](std::span<const bool> needs) { node->saved->save(needs, old, args..., self); });
    node->set_cost(cost_of<Op>(self, old, args...));
    rebase_history(self, owner);
    return true;
  } else {
    return false;
  }
}

template <class Op, class... Args>
Tensor& record_inplace_untraced(const Tensor& self, const Args&... args) {
  constexpr std::string_view kName = function_name(Op::info.inplace);
  const bool records =
      GradMode::is_enabled() && self.is_floating_point() && (requires_grad(self) || (requires_grad(args) || ...));
  check_inplace(kName, self, records);
  if (records) {
    if (!record_into<Op>(self, args...)) {
      Tensor old = self.detach().clone();
      set_history(old, self.grad_fn(), self.output_nr());
      assign_inplace(kName, self, record<Op>(old, args...));
    }
    return const_cast<Tensor&>(self);
  }
  bool done = false;
  if constexpr (requires { Op::forward_into(self, self, args...); }) {
    done = Op::forward_into(self, self, args...);
  }
  if (done) {
    bump_version(self);
  } else {
    assign_inplace(kName, self, record<Op>(self, args...));
  }
  return const_cast<Tensor&>(self);
}

}  // namespace detail

/// The in-place form of `Op`: `self` becomes `Op(self, args...)`, keeping its storage and dtype. An `Op` that has
/// `forward_into(y, self, args...)` does it without a temporary.
template <class Op, class... Args>
Tensor& record_inplace(const Tensor& self, const Args&... args) {
  const auto body = [&]() -> Tensor& { return detail::record_inplace_untraced<Op>(self, args...); };
  return detail::traced<Op>(function_name(Op::info.inplace), body, self, args...);
}

}  // namespace backflow

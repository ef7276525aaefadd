#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <backflow/ops/functions.h>
#include <backflow/ops/registry.h>
#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/node.h>
#include <backflow/runtime/saved_tensor.h>

namespace backflow {

/// What an operator's backward is given: the gradient of its output, what is wanted, and where to put it.
class Backward {
 public:
  Backward(Node& node, NodeCall& call) : node_(node), call_(call) {}

  const Tensor& dy() const { return call_.dy[0]; }
  /// Whether the gradient of the forward's tensor operand number `i` is wanted.
  bool wants(std::size_t i) const { return call_.wants(i); }
  Tensor& dx(std::size_t i) { return call_.dx[i]; }
  /// What the forward saved.
  Tensor operator()(const SavedTensor& saved) const { return saved.unpack(node_); }

 private:
  Node& node_;
  NodeCall& call_;
};

/// The tape's node of one recorded call of the operator `Op`, with N tensor operands.
template <class Op, std::size_t N>
class OpNode final : public Node {
 public:
  OpNode() { set_edges(edges); }
  const char* name() const override { return Op::info.node; }
  void apply(NodeCall& call) override {
    check(saved.has_value(),
          "the graph was freed by an earlier backward: need retain_graph=true there to go through it again");
    Backward b(*this, call);
    saved->backward(b);
  }
  void release_saved() override { saved.reset(); }

  std::optional<Op> saved{std::in_place};
  std::array<Edge, N> edges;
};

namespace detail {

inline bool requires_grad(const Tensor& x) {
  if (!x.defined()) {
    return false;
  }
  check_history(x);
  return x.requires_grad();
}
template <class T>
bool requires_grad(const T&) {
  return false;
}

template <class... Args>
inline constexpr std::size_t num_tensors = (std::size_t{std::is_same_v<Args, Tensor>} + ... + 0);

inline void add_edge(Edge*& edge, const Tensor& x) {
  if (x.defined()) {
    *edge = gradient_edge(x);
  }
  ++edge;
}
template <class T>
void add_edge(Edge*&, const T&) {}

/// Notes on `y` that it is a view of one of the operands, if it is.
inline bool is_view_of(const Tensor& y, const Tensor& x) {
  return x.defined() && !y.is_same(x) && y.impl().storage == x.impl().storage;
}
template <class T>
bool is_view_of(const Tensor&, const T&) {
  return false;
}
template <class... Args>
void mark_view(const Tensor& y, const Args&... args) {
  if ((is_view_of(y, args) || ...)) {
    y.impl().is_view = true;
    y.impl().view_changes = y.impl().storage->recorded_changes();
  }
}

/// Estimated ns of the backward of an element-wise operation; an operator with `work()` knows better.
template <class Op, class... Args>
float work_of(const Tensor& y, const Args&... args) {
  if constexpr (requires { Op::work(args...); }) {
    return Op::work(args...);
  } else {
    return 150 + 0.5F * static_cast<float>(y.numel());
  }
}

}  // namespace detail

/// Calls operator `Op` and, when recording is on and an operand requires a gradient, records it.
///
/// `Op` has `static Tensor forward(args...)`; a differentiable one has members for what backward needs, `void
/// save(const Needs&, args..., y)` that fills them, and `void backward(Backward&)` written with operators. One without
/// `backward` is either a composition of other operators, recorded by these, or not differentiable.
template <class Op, class... Args>
Tensor record(const Args&... args) {
  if constexpr (!requires(Op op, Backward & b) { op.backward(b); }) {
    return Op::forward(args...);
  } else {
    if (!GradMode::is_enabled() || !(detail::requires_grad(args) || ...)) {
      Tensor y = Op::forward(args...);
      detail::mark_view(y, args...);
      return y;
    }
    Tensor y;
    {
      const NoGradGuard inner;  // a forward that calls other operators is one node all the same
      y = Op::forward(args...);
    }
    detail::mark_view(y, args...);
    if (!y.is_floating_point()) {
      return y;
    }
    auto* node = new OpNode<Op, detail::num_tensors<Args...>>();
    IntrusivePtr<Node> owner(node);
    Edge* edge = node->edges.data();
    (detail::add_edge(edge, args), ...);
    std::array<bool, detail::num_tensors<Args...>> needs{};
    for (std::size_t i = 0; i < needs.size(); ++i) {
      needs[i] = static_cast<bool>(node->edges[i].node);
    }
    node->saved->save(needs, args..., y);
    node->set_work(detail::work_of<Op>(y, args...));
    set_history(y, std::move(owner));
    return y;
  }
}

/// Throws Error when `self` must not be changed in place: elements that share memory, or a leaf that requires a
/// gradient, with recording on.
void check_inplace(const char* op, const Tensor& self);
/// Throws Error when a change of `self` must not be recorded: it is a view, and what it is a view of could not follow.
void check_recorded_inplace(const char* op, const Tensor& self);
/// Gives `self` the values and the history of `y`, which was computed from it; shapes must be equal.
void assign_inplace(const char* op, const Tensor& self, const Tensor& y);

/// The in-place form of `Op`: `self` becomes `Op(self, args...)`, keeping its storage and dtype. An `Op` that has
/// `forward_into(y, self, args...)` does it without a temporary where nothing is recorded.
template <class Op, class... Args>
Tensor& record_inplace(const Tensor& self, const Args&... args) {
  check_inplace(Op::info.name, self);
  const bool records = GradMode::is_enabled() && (detail::requires_grad(self) || (detail::requires_grad(args) || ...));
  bool done = false;
  if constexpr (requires { Op::forward_into(self, self, args...); }) {
    done = !records && Op::forward_into(self, self, args...);
  }
  if (done) {
    self.impl().storage->bump_version();
  } else if (records) {
    check_recorded_inplace(Op::info.name, self);
    // What backward saves of the old value must not see the new one.
    Tensor old = self.detach().clone();
    old.impl().grad_fn = self.impl().grad_fn;
    old.impl().output_nr = self.impl().output_nr;
    assign_inplace(Op::info.name, self, record<Op>(old, args...));
    self.impl().storage->bump_recorded_changes();
    self.impl().view_changes = self.impl().storage->recorded_changes();
  } else {
    assign_inplace(Op::info.name, self, record<Op>(self, args...));
  }
  return const_cast<Tensor&>(self);
}

}  // namespace backflow

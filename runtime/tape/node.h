#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <backflow/runtime/memory/intrusive_ptr.h>
#include <backflow/runtime/tape/anomaly_mode.h>
#include <backflow/runtime/tensor/cost.h>
#include <backflow/runtime/tensor/tensor.h>
#include <backflow/runtime/threads/thread_state.h>

namespace backflow {

struct AnomalyRecord;
class FunctionPostHook;
class FunctionPreHook;
class NodeHooks;
class RemovableHandle;

/// Where the gradient of an operand goes: to the node that made the operand, as the gradient of its output number
/// `input_nr`. Without a node the operand needs no gradient.
struct Edge {
  IntrusivePtr<Node> function;
  std::uint32_t input_nr = 0;

  bool is_valid() const { return static_cast<bool>(function); }
};

/// Stands for the target of an edge that no wanted gradient needs.
inline constexpr std::uint32_t kNoTarget = ~std::uint32_t{0};

/// One call of a node's backward.
struct NodeCall {
  std::span<Tensor> dy;                    ///< the gradient of each forward output; undefined where there is none
  std::span<Tensor> dx;                    ///< to be filled: the gradient of each forward operand
  std::span<const std::uint32_t> targets;  ///< where each dx goes; kNoTarget when nobody wants it

  bool wants(std::size_t i) const { return targets[i] != kNoTarget; }
};

/// A recorded operation. It turns the gradients of its outputs into those of its operands, and has an edge for each
/// operand. Nodes and edges are the tape. Owned through IntrusivePtr by the tensors that the operation made and by the
/// edges that lead to it; destroyed without recursion, however long the chain.
class Node : public RefCounted {
 public:
  /// `num_outputs` of the forward, at least 1. Takes the thread's next sequence number.
  explicit Node(std::uint32_t num_outputs = 1) : Node(num_outputs, next_sequence_nr_++) {}

  /// Makes a node of class `N`. Every node is made by this, except those that end the tape: parallel() has to know of
  /// them.
  template <class N, class... Args>
  static IntrusivePtr<N> make(Args&&... args) {
    IntrusivePtr<N> node(new N(std::forward<Args>(args)...));
    if (thread_state().branch != nullptr) [[unlikely]] {
      node->log();
    }
    return node;
  }

  /// As PyTorch prints it: "AddBackward0".
  virtual std::string name() const = 0;
  /// The same, for as long as the process lives.
  virtual std::string_view static_name() const;
  /// Computes `call.dx` for every operand that `call.wants`. Called once in each pass. Several threads call it at once
  /// when simultaneous passes share the node.
  virtual void apply(NodeCall& call) = 0;
  /// True when `apply` has to be called even if all incoming gradients are undefined.
  virtual bool takes_undefined() const { return false; }
  /// Drops what the forward saved for backward. Called when no pass is inside the node and no later one is allowed.
  virtual void release_saved() {}
  /// The operands' nodes, in the order of the operands.
  std::span<const Edge> next_edges() const { return {edges_, num_edges_}; }

  const Edge& next_edge(std::size_t i) const { return edges_[i]; }
  /// The gradients that backward is given, one for each output of the forward. As libtorch's.
  std::uint32_t num_inputs() const { return num_outputs_; }
  /// The gradients that backward returns: the number of edges. As libtorch's.
  std::uint32_t num_outputs() const { return num_edges_; }
  /// Counts up with each node that a thread records; kLast for nodes that end the tape. Backward runs the ready node
  /// with the largest number first, so branches end in the reverse order of their forward. In a closure of parallel()
  /// final only when all closures have ended.
  std::uint64_t sequence_nr() const { return sequence_nr_; }
  /// What `apply` does, as far as the forward can tell; nothing unless said otherwise.
  Cost cost() const { return {flop_, bytes_, dtype_}; }
  void set_cost(const Cost& cost) {
    flop_ = cost.flop;
    bytes_ = cost.bytes;
    dtype_ = cost.dtype;
  }
  /// Estimated time of `apply` on one thread, in ns, for deciding what is worth a task of its own.
  float work() const { return cost().nanoseconds(); }

  // ---- hooks, see hooks.h ----
  /// The node's hooks; null when it has none. `make_hooks` makes them. Not thread-safe against each other.
  NodeHooks* hooks() const { return hooks_.get(); }
  const std::shared_ptr<NodeHooks>& make_hooks();
  void set_hooks(std::shared_ptr<NodeHooks> hooks) { hooks_ = std::move(hooks); }
  void add_pre_hook(std::unique_ptr<FunctionPreHook>&& hook);
  std::uintptr_t add_post_hook(std::unique_ptr<FunctionPostHook>&& hook);
  /// False when there is no hook of this number any more.
  bool del_post_hook(std::uintptr_t key);
  /// As PyTorch's Node.register_hook and register_prehook; an empty list leaves the gradients as they are.
  RemovableHandle register_hook(std::function<std::vector<Tensor>(const std::vector<Tensor>& grad_inputs,
                                                                  const std::vector<Tensor>& grad_outputs)>
                                    hook);
  RemovableHandle register_prehook(std::function<std::vector<Tensor>(const std::vector<Tensor>& grad_outputs)> hook);

  // ---- for the engine ----
  /// A pass calls these before and after `apply`. So no pass drops the saved tensors while another one is inside the
  /// node. `enter` throws Error when a pass that did not retain the graph was here before.
  void enter() {
    if (saves_ && (passes_.fetch_add(1, std::memory_order_acquire) & kFreed) != 0) [[unlikely]] {
      passes_.fetch_sub(1, std::memory_order_relaxed);
      fail_freed();
    }
  }
  void leave(bool keep_graph) {
    if (!saves_) {
      return;
    }
    std::uint32_t before = passes_.load(std::memory_order_relaxed);
    std::uint32_t after = 0;
    do {
      after = (keep_graph ? before : before | kFreed) - 1;
    } while (!passes_.compare_exchange_weak(before, after, std::memory_order_acq_rel, std::memory_order_relaxed));
    if (after == kFreed) {
      release_saved();
    }
  }
  bool saves() const { return saves_; }
  /// Whether `apply` hands no tensor to another thread: then its kernels may be put off (deferred_work.h).
  bool is_internal() const { return is_internal_; }
  /// Whether `apply` may be called twice in a pass, each time for some of the operands, and takes no longer than once:
  /// it computes every gradient apart, and leaves dy as it is.
  bool computes_apart() const { return computes_apart_; }
  /// The Error of a node whose saved tensors are gone.
  [[noreturn]] static void fail_freed();
  /// Where the forward ran; null unless it ran in anomaly mode.
  const std::shared_ptr<const AnomalyRecord>& origin() const { return origin_; }

  bool release() const noexcept { return release_shared(); }
  /// Called by IntrusivePtr.
  void destroy() noexcept;

  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory) noexcept;

 protected:
  static constexpr std::uint64_t kLast = ~std::uint64_t{0};

  Node(std::uint32_t num_outputs, std::uint64_t sequence_nr) : num_outputs_(num_outputs), sequence_nr_(sequence_nr) {
    if (AnomalyMode::is_enabled()) [[unlikely]] {
      note_origin();
    }
  }
  virtual ~Node();
  /// Says where the node's edges are: an array that lives as long as the node.
  void set_edges(std::span<Edge> edges) {
    edges_ = edges.data();
    num_edges_ = static_cast<std::uint32_t>(edges.size());
  }
  void set_num_outputs(std::uint32_t n) { num_outputs_ = n; }
  /// Whether the node saves anything; true at first. One that saves nothing serves any number of passes.
  void set_saves(bool saves) { saves_ = saves; }
  /// Says that the node is_internal(); it is not at first.
  void set_internal() { is_internal_ = true; }
  /// Says that the node computes_apart(); it does not at first.
  void set_computes_apart() { computes_apart_ = true; }

 private:
  friend class Branch;
  friend class PlanBuilder;
  friend class SequenceRange;

  static constexpr std::uint32_t kFreed = 1U << 31;

  void note_origin();
  void log();

  Edge* edges_ = nullptr;
  std::uint32_t num_edges_ = 0;
  std::uint32_t num_outputs_;
  std::atomic<std::uint32_t> passes_{0};  ///< those inside the node; kFreed once one did not keep the graph
  float flop_ = 0;                        // the cost, in parts: they fit where others leave room
  float bytes_ = 0;
  ScalarType dtype_ = kFloat32;
  bool saves_ = true;
  bool is_internal_ = false;
  bool computes_apart_ = false;
  std::uint64_t sequence_nr_;
  std::atomic<std::uint64_t> stamp_{0};  ///< the node's place in the plan that is being built over it
  Node* next_ = nullptr;                 ///< links the nodes of a Branch, or those that wait for destruction
  std::shared_ptr<NodeHooks> hooks_;
  std::shared_ptr<const AnomalyRecord> origin_;

  inline static thread_local std::uint64_t next_sequence_nr_ = 0;
};

/// Numbers the nodes that this thread records from `first` on until the end of the scope. Backward gives each of its
/// nodes a range of its own, so that what is recorded meanwhile does not depend on which thread ran what.
class SequenceRange {
 public:
  explicit SequenceRange(std::uint64_t first) : previous_(Node::next_sequence_nr_) { Node::next_sequence_nr_ = first; }
  ~SequenceRange() { Node::next_sequence_nr_ = previous_; }
  SequenceRange(const SequenceRange&) = delete;
  SequenceRange& operator=(const SequenceRange&) = delete;

  /// Keeps `count` numbers of this thread for ranges: the first of them.
  static std::uint64_t reserve(std::uint64_t count) {
    Node::next_sequence_nr_ += count;
    return Node::next_sequence_nr_ - count;
  }

 private:
  std::uint64_t previous_;
};

/// Makes the new tensor `y` output number `output_nr` of `node`.
inline void set_history(const Tensor& y, IntrusivePtr<Node> node, std::uint32_t output_nr = 0) {
  y.impl().grad_fn = std::move(node);
  y.impl().output_nr = output_nr;
}

namespace autograd {

using Edge = backflow::Edge;
using Node = backflow::Node;
using edge_list = std::vector<Edge>;

}  // namespace autograd
}  // namespace backflow

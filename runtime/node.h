#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include <backflow/runtime/intrusive_ptr.h>
#include <backflow/runtime/tensor.h>

namespace backflow {

/// Where a gradient goes: to an input of a node's backward, that is to the node that made the forward's operand and
/// which of its outputs the operand was. No node means that the operand needs no gradient.
struct Edge {
  IntrusivePtr<Node> node;
  std::uint32_t output_nr = 0;
};

/// The value of a `PlanEdge` target for an edge that no wanted gradient needs.
inline constexpr std::uint32_t kNoTarget = ~std::uint32_t{0};

/// One call of a node's backward.
struct NodeCall {
  std::span<Tensor> dy;                    ///< the gradient of each forward output; undefined where there is none
  std::span<Tensor> dx;                    ///< to be filled: the gradient of each forward operand
  std::span<const std::uint32_t> targets;  ///< where each dx goes; kNoTarget when nobody wants it

  bool wants(std::size_t i) const { return targets[i] != kNoTarget; }
};

/// A recorded operation: it knows how to turn the gradients of its outputs into those of its operands, and where these
/// go next. Nodes and edges are the tape. Owned through IntrusivePtr by the tensors that the operation made and by the
/// edges that lead to it; destroyed without recursion, however long the chain.
class Node : public RefCounted {
 public:
  /// `num_outputs` of the forward, at least 1.
  explicit Node(std::uint32_t num_outputs = 1) : num_outputs_(num_outputs) {}

  /// As PyTorch prints it: "AddBackward0".
  virtual const char* name() const = 0;
  /// Computes `call.dx` for every operand that `call.wants`. Called by one thread at a time for one Plan; an Error for
  /// a node that has been released.
  virtual void apply(NodeCall& call) = 0;
  /// Drops what the forward saved for backward.
  virtual void release_saved() {}
  /// The operands' nodes, in the order of the operands.
  std::span<const Edge> next_edges() const { return {edges_, num_edges_}; }

  std::uint32_t num_outputs() const { return num_outputs_; }
  /// Counts up with each node that a thread records; kLast for nodes that end the tape. Backward runs the ready node
  /// with the largest number first, so branches end in the reverse order of their forward.
  std::uint64_t sequence_nr() const { return sequence_nr_; }
  /// Estimated time of `apply` on one thread, in ns, for deciding what is worth a task of its own.
  float work() const { return work_; }
  void set_work(float nanoseconds) { work_ = nanoseconds; }

  bool release() const noexcept { return release_shared(); }
  /// Called by IntrusivePtr.
  void destroy() noexcept;

  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory) noexcept;

 protected:
  static constexpr std::uint64_t kLast = ~std::uint64_t{0};

  virtual ~Node() = default;
  /// Says where the node's edges are: an array that lives as long as the node.
  void set_edges(std::span<Edge> edges) {
    edges_ = edges.data();
    num_edges_ = static_cast<std::uint32_t>(edges.size());
  }
  void set_sequence_nr(std::uint64_t nr) { sequence_nr_ = nr; }

 private:
  friend class PlanBuilder;
  friend class SequenceRange;

  Edge* edges_ = nullptr;
  std::uint32_t num_edges_ = 0;
  std::uint32_t num_outputs_;
  float work_ = 0;
  std::uint64_t sequence_nr_ = next_sequence_nr_++;
  std::atomic<std::uint64_t> stamp_{0};  ///< the node's place in the plan that is being built over it
  Node* next_dead_ = nullptr;            ///< links nodes that wait for destruction

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

/// Throws Error when `x` is a view of a tensor that a recorded operation has changed in place since: its history is not
/// that of its values any more.
void check_history(const Tensor& x);

/// Where the gradient of `x` goes: its grad_fn, the accumulator of a leaf that requires a gradient, or nowhere.
Edge gradient_edge(const Tensor& x);

/// Makes `y` output number `output_nr` of `node`.
inline void set_history(const Tensor& y, IntrusivePtr<Node> node, std::uint32_t output_nr = 0) {
  y.impl().grad_fn = std::move(node);
  y.impl().output_nr = output_nr;
}

}  // namespace backflow

#pragma once

#include <backflow/runtime/base/typed_index.h>

namespace backflow {

struct Edge;
struct PassTask;
struct PlanInput;
struct PlanNode;

using NodeIndex = TypedIndex<PlanNode>;    ///< in the nodes of a Plan
using InputIndex = TypedIndex<PlanInput>;  ///< in the inputs of all nodes of a Plan
using EdgeIndex = TypedIndex<Edge>;        ///< in the edges of all nodes of a Plan
using TaskIndex = TypedIndex<PassTask>;    ///< in the list of tasks of a pass

/// One thing that a pass has to do: a node of its plan, or a task.
using ItemIndex = TypedIndex<struct ItemTag>;
/// In the groups of a Schedule.
using GroupIndex = TypedIndex<struct GroupTag>;

/// How the items of a pass are numbered: the nodes of its plan in their order, then its tasks in theirs.
class ItemNumbers {
 public:
  explicit ItemNumbers(std::size_t num_nodes) : num_nodes_(static_cast<std::uint32_t>(num_nodes)) {}

  ItemIndex of(NodeIndex n) const { return ItemIndex(n.value()); }
  ItemIndex of(TaskIndex t) const { return ItemIndex(num_nodes_ + t.value()); }

  bool is_node(ItemIndex i) const { return i.value() < num_nodes_; }
  NodeIndex node(ItemIndex i) const { return NodeIndex(i.value()); }
  TaskIndex task(ItemIndex i) const { return TaskIndex(i.value() - num_nodes_); }

 private:
  std::uint32_t num_nodes_;
};

}  // namespace backflow

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <backflow/runtime/engine/indices.h>
#include <backflow/runtime/engine/pass_task.h>
#include <backflow/runtime/engine/plan.h>

namespace backflow {

/// The work of a backward pass as one acyclic graph of items: the nodes of its plan in their order, then its tasks in
/// theirs. No edge leads to an item of a smaller number.
struct WorkGraph {
  enum class Kind : std::uint8_t {
    Node,
    Task,   ///< computes on a thread of the engine
    Async,  ///< is done elsewhere
  };

  IndexedVector<ItemIndex, Kind> kinds;
  IndexedVector<ItemIndex, float> work;      ///< estimated ns on one thread
  IndexedVector<ItemIndex, float> alone;     ///< the same when the item has all threads for itself
  IndexedVector<ItemIndex, float> handover;  ///< ns that it costs if what waits for it runs on another thread
  IndexedVector<ItemIndex, std::uint32_t> dependencies;  ///< how many edges lead to it
  IndexedVector<ItemIndex, std::uint32_t> first_edge;    ///< for every item, and one more
  std::vector<ItemIndex> edges;  ///< the items that wait for item i: [first_edge[i], first_edge[i + 1])

  std::size_t size() const { return kinds.size(); }
  std::span<const ItemIndex> successors(ItemIndex item) const {
    return {edges.data() + first_edge[item], edges.data() + first_edge[item + 1]};
  }
  /// Calls `f` for each of them.
  template <class F>
  void for_successors(ItemIndex item, const F& f) const {
    for (const ItemIndex next : successors(item)) {
      f(next);
    }
  }
  /// The time from the start of each item to the end of everything that waits for it, in ns, with any number of
  /// threads.
  IndexedVector<ItemIndex, float> remaining() const;

  friend bool operator==(const WorkGraph&, const WorkGraph&) = default;
  /// Equal for equal graphs.
  std::uint64_t hash() const;
};

/// The work of a pass: the nodes of the plan, then the tasks, with their estimated costs. Throws Error for a task that
/// waits for itself or for one behind it.
WorkGraph work_of(const Plan& plan, std::span<const PassTask> tasks);

}  // namespace backflow

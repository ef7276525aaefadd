#pragma once

#include <cstdint>

#include <backflow/runtime/engine/work_graph.h>
#include <backflow/runtime/trace/trace.h>

namespace backflow::trace {

/// Measures a backward pass: the time of each of its items, nodes and tasks, and what follows from them for the pass.
class TracedPass {
 public:
  /// `nested`: inside of another pass, which it then is a part of.
  TracedPass(WorkGraph graph, bool nested);

  /// The time from here to the end of the scope is an item's. Each is measured by one thread.
  class Timer {
   public:
    Timer(TracedPass* pass, ItemIndex item) : pass_(pass), item_(item), start_(pass != nullptr ? now() : 0) {}
    ~Timer() {
      if (pass_ != nullptr) [[unlikely]] {
        pass_->nanoseconds_[item_] = static_cast<float>(now() - start_);
      }
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

   private:
    TracedPass* pass_;
    ItemIndex item_;
    std::int64_t start_;
  };

  bool nested() const { return nested_; }
  /// To be called once, after all items: records the pass, unless it is one inside of another.
  void finish() const;

 private:
  WorkGraph graph_;
  IndexedVector<ItemIndex, float> nanoseconds_;  // 0 for those that are done elsewhere
  std::int64_t start_;
  bool nested_;
};

}  // namespace backflow::trace

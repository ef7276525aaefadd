#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include <backflow/runtime/engine/gradient_sums.h>
#include <backflow/runtime/engine/pass_task.h>
#include <backflow/runtime/engine/plan.h>
#include <backflow/runtime/engine/trace_slices.h>
#include <backflow/runtime/engine/traced_pass.h>
#include <backflow/runtime/engine/work_graph.h>
#include <backflow/runtime/threads/deferred_work.h>
#include <backflow/runtime/threads/thread_state.h>
#include <backflow/runtime/threads/threads.h>

namespace backflow {

/// The state of one backward pass over a Plan. An engine decides when each item of its work runs, and on which thread;
/// everything else is here, once for all engines.
///
/// Nodes run on one thread in the order of the plan, or, after begin_parallel(), on several threads at once: each item
/// when all those that it waits for have run.
class Execution {
 public:
  struct Options {
    bool create_graph = false;  ///< record the gradients themselves
    bool keep_graph = false;    ///< leave what the forward saved, for another backward
    std::size_t num_wanted = 0;
    std::stop_token stop = {};  ///< ends the pass with Cancelled
  };

  /// `root_gradients`: one per root of the plan.
  Execution(const Plan& plan, std::span<const Tensor> root_gradients, const Options& options,
            std::span<const PassTask> tasks);
  ~Execution();

  const Plan& plan() const { return plan_; }
  /// Where a node of the pass may compute the gradient that is contribution `input` of the plan: the place in a bucket
  /// of a leaf that gets nothing else. The node has to hand on this very tensor. Undefined where there is none.
  Tensor take_buffer(InputIndex input, IntArrayRef sizes, ScalarType dtype) const;
  /// State of a multi-grad hook in this pass, by the hook's address; null at first. For use by running hooks.
  std::shared_ptr<void>& hook_state(const void* key) { return hook_states_[key]; }

  std::size_t num_tasks() const { return tasks_.size(); }
  /// How the items of its work are numbered.
  const ItemNumbers& items() const { return items_; }
  WorkGraph work_graph() const { return work_of(plan_, tasks_); }

  /// To be called, before anything runs, by an engine that runs items on several threads or in another order.
  void begin_parallel() { sums_.begin_parallel(); }
  /// To be called by an engine that runs the items in an arena of their own: their loops stay there.
  void enter_arena() { state_.in_arena = true; }

  /// Runs items of the work graph one after the other. A node adds up its gradients, is applied, hands on the results
  /// and frees what it held. Does nothing once the pass has failed. Never throws: the first exception ends the pass and
  /// is rethrown by finish().
  /// Large element-wise kernels of neighbouring nodes run as one loop (deferred_work.h).
  void run(std::span<const ItemIndex> items) noexcept;
  /// Runs all nodes in the order of the plan.
  void run_nodes() noexcept;
  /// The same as run() for an engine that calls it often on one thread, in a DeferralScope of this mode. Before another
  /// thread may see a gradient of the pass, it calls run_deferred().
  void run_in_scope(ItemIndex item) noexcept;
  DeferralScope::Mode deferral() const;
  void run_deferred() noexcept;
  /// Starts the task of an asynchronous item; `done` is called once it has ended, or at once when the pass has failed.
  /// Never throws.
  void start_task(ItemIndex item, std::function<void()> done) noexcept;

  /// Ends the pass with this error; when an earlier one already did, this one is dropped with a warning.
  void fail(std::exception_ptr error) noexcept;
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  /// Calls `callback` when the pass ends, in success or failure. For what a node keeps for others of this pass.
  void at_end(std::function<void()> callback);
  /// To be called when every node and task has ended: rethrows the first error, else gives the wanted gradients.
  std::vector<Tensor> finish();

 private:
  const PassTask& task_of(ItemIndex item) const { return tasks_[items_.task(item).value()]; }
  bool has_ended() noexcept;
  void run_item(ItemIndex item) noexcept;
  void run_task(const PassTask& task) noexcept;
  void visit(const PlanNode& n);
  void apply(const PlanNode& n, std::span<Tensor> dy);
  void apply_with_hooks(Node& node, const NodeHooks& hooks, NodeCall& call);
  void run_hooks(FunctionRef<void()> hooks);

  const Plan& plan_;
  const ItemNumbers items_;
  const Options options_;
  ThreadState state_;  // of every thread while it runs an item of the pass
  const PassNumbers numbers_;
  const std::span<const PassTask> tasks_;
  GradientSums sums_;
  std::vector<Tensor> captured_;
  const std::unique_ptr<trace::TracedPass> traced_;  // null unless tracing was on at the start
  std::mutex hooks_mutex_;                           // held while a hook runs
  std::mutex end_mutex_;
  std::vector<std::function<void()>> at_end_;
  std::unordered_map<const void*, std::shared_ptr<void>> hook_states_;
  std::atomic<bool> failed_{false};
  std::atomic_flag error_set_ = ATOMIC_FLAG_INIT;
  std::exception_ptr error_;
};

}  // namespace backflow

#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include <backflow/runtime/async_task.h>
#include <backflow/runtime/plan.h>
#include <backflow/runtime/thread_state.h>
#include <backflow/runtime/threads.h>

namespace backflow {

/// The state of one backward pass over a Plan. An engine decides when each node runs, and on which thread; everything
/// else is here, once for all engines. `run` may be called from several threads for different nodes, each after all
/// nodes with an edge to it have run.
class Execution {
 public:
  struct Options {
    bool create_graph = false;  ///< record the gradients themselves
    bool keep_graph = false;    ///< leave what the forward saved, for another backward
    std::size_t num_wanted = 0;
  };

  /// `root_gradients`: one per root of the plan.
  Execution(const Plan& plan, std::span<const Tensor> root_gradients, const Options& options,
            std::span<const AsyncTask> tasks);
  ~Execution();

  const Plan& plan() const { return plan_; }
  /// What hooks of several tensors note about this pass, by an address that names them; null at first. For hooks
  /// while they run.
  std::shared_ptr<void>& hook_state(const void* key) { return hook_states_[key]; }

  /// To be called by an engine that runs the nodes inside of run_apart: their loops stay there.
  void enter_arena() { state_.in_arena = true; }

  /// Runs node `index` of the plan: adds up its gradients, applies it, hands on the results, frees what it held. Does
  /// nothing once the pass has failed. Never throws: the first exception ends the pass and is rethrown by finish().
  void run(std::uint32_t index) noexcept;

  std::size_t num_tasks() const { return tasks_.size(); }
  /// The nodes that a task waits for, as indices into the plan.
  std::span<const std::uint32_t> task_dependencies(std::size_t task) const { return task_dependencies_[task]; }
  /// Starts a task whose dependencies have all run; `done` is called when it has ended, or at once when the pass has
  /// failed. Never throws.
  void start_task(std::size_t task, std::function<void()> done) noexcept;

  /// Ends the pass with this error, unless an earlier one already did.
  void fail(std::exception_ptr error) noexcept;
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  /// Calls `callback` when the pass ends, in success or failure. For what a node keeps for others of this pass.
  void at_end(std::function<void()> callback);
  /// To be called when every node and task has ended: rethrows the first error, else gives the wanted gradients.
  std::vector<Tensor> finish();

 private:
  struct Sum;

  void deposit(std::uint32_t input, std::uint32_t place, Tensor gradient);
  void visit(const PlanNode& n);
  void apply(const PlanNode& n, std::span<Tensor> dy);
  void apply_with_hooks(Node& node, const NodeHooks& hooks, NodeCall& call);
  void run_hooks(FunctionRef<void()> hooks);
  std::uint64_t first_sequence_nr(std::uint32_t node) const;
  void find_task_dependencies();

  const Plan& plan_;
  const Options options_;
  ThreadState state_;                 // of every thread while it runs a node of the pass
  const std::uint64_t sequence_nrs_;  // the first of those that are kept for what the pass records
  const std::span<const AsyncTask> tasks_;
  std::vector<std::vector<std::uint32_t>> task_dependencies_;
  std::vector<Tensor> gradients_;      // by input: the finished sum
  std::unique_ptr<Sum[]> sums_;        // by input, for those with several contributions
  std::vector<std::uint32_t> sum_of_;  // by input: its place in sums_, kNoTarget for a single contribution
  std::vector<Tensor> captured_;
  std::mutex hooks_mutex_;  // held while a hook runs
  std::mutex end_mutex_;
  std::vector<std::function<void()>> at_end_;
  std::unordered_map<const void*, std::shared_ptr<void>> hook_states_;
  std::atomic<bool> failed_{false};
  std::atomic_flag error_set_ = ATOMIC_FLAG_INIT;
  std::exception_ptr error_;
};

}  // namespace backflow

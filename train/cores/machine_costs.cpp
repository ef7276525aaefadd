#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <backflow/ops/creation/creation.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/autograd.h>
#include <backflow/runtime/engine/engine.h>
#include <backflow/runtime/threads/threads.h>
#include <backflow/runtime/trace/trace.h>
#include <backflow/train/cores/machine.h>
#include <backflow/train/cores/recorder.h>

namespace backflow::train {
namespace {

constexpr int kLoops = 200;
constexpr std::int64_t kTask = 100'000;  // ns of work in a task: longer than it takes to hand one over
constexpr std::int64_t kBreak = 10'000;  // ns between two loops: what an operator does on one core

void compute_for(std::int64_t nanoseconds) {
  for (const std::int64_t end = trace::now() + nanoseconds; trace::now() < end;) {
  }
}

/// Restores the number of threads in the end.
class ThreadsGuard {
 public:
  ThreadsGuard() : threads_(get_num_threads()) {}
  ~ThreadsGuard() { set_num_threads(threads_); }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;
  int threads() const { return threads_; }

 private:
  int threads_;
};

/// Of loops with a task for each core.
struct LoopCosts {
  double helpers;  ///< until the last core has a task
  double whole;    ///< the time of the loop beyond that of a task
};

/// Nothing where the cores had something else to do.
std::optional<LoopCosts> loop_costs(int threads) {
  set_num_threads(threads);
  std::vector<double> helpers;
  std::vector<double> whole;
  for (int i = 0; i < kLoops; ++i) {
    std::atomic<std::int64_t> last{0};
    compute_for(kBreak);
    const std::int64_t start = trace::now();
    parallel_for(threads, [&](std::int64_t) {
      const std::int64_t here = trace::now();
      for (std::int64_t seen = last; seen < here && !last.compare_exchange_weak(seen, here);) {
      }
      compute_for(kTask);
    });
    const std::int64_t end = trace::now();
    helpers.push_back(static_cast<double>(last - start));
    whole.push_back(static_cast<double>(end - start - kTask));
  }
  // Medians: a helper comes at once, or after a wake-up where another process had its core.
  const LoopCosts costs{quantile(helpers, 0.5), quantile(whole, 0.5)};
  return costs.helpers < 0.5 * kTask ? std::optional(costs) : std::nullopt;  // else often one core does the work of two
}

/// Fits first + further * log2(helpers) to costs on 2, 4, 8, ... cores. Those of 2 alone say nothing about more: then
/// `further` is the typical one.
std::pair<double, double> fit(const std::vector<double>& costs, double typical) {
  const auto n = static_cast<double>(costs.size());
  double sum = 0;
  double weighted = 0;
  double levels = 0;
  double squares = 0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const double level = std::log2(std::exp2(i + 1) - 1);
    sum += costs[i];
    levels += level;
    squares += level * level;
    weighted += level * costs[i];
  }
  if (costs.size() < 2) {
    return {costs[0], typical};
  }
  const double slope = std::max((n * weighted - levels * sum) / (n * squares - levels * levels), 0.0);
  return {std::max((sum - slope * levels) / n, 0.0), slope};
}

/// A backward pass with these tasks on the flow engine.
void run_tasks(std::span<const PassTask> tasks) {
  static FlowEngine engine(FlowEngine::Use::Always);
  const EngineGuard guard(engine);
  const Tensor x = ones({1}, requires_grad());
  autograd::backward({x.sum()}, {}, autograd::BackwardOptions{.tasks = tasks});
}

constexpr std::int64_t kTasks = 400;

/// What a task costs beside its work, on a core that has many. `run` runs kTasks tasks, of which each calls its
/// argument.
template <class F>
double task_cost(const F& run) {
  constexpr std::int64_t kShort = 1'000;
  std::vector<double> costs;
  for (int i = 0; i < kLoops / 2; ++i) {
    std::atomic<std::int64_t> work{0};
    const std::int64_t start = trace::now();
    run([&work] {
      const std::int64_t begin = trace::now();
      compute_for(kShort);
      work += trace::now() - begin;
    });
    const std::int64_t time = trace::now() - start;
    costs.push_back(std::max(static_cast<double>(2 * time - work) / kTasks, 0.0));
  }
  return quantile(costs, 0.25);
}

double loop_task_cost() {
  set_num_threads(2);
  return task_cost([](const auto& body) { parallel_for(kTasks, [&body](std::int64_t) { body(); }); });
}

double graph_task_cost() {
  set_num_threads(2);
  return task_cost(
      [](const auto& body) { run_tasks(std::vector<PassTask>(kTasks, {.run = [&body] { body(); }, .work = kTask})); });
}

/// What it takes to hand a task of a graph to another core: a pass forks into two tasks and joins them, many times.
double handover_cost() {
  set_num_threads(2);
  constexpr int kForks = 40;
  std::vector<PassTask> tasks;
  const auto add = [&tasks](std::vector<TaskIndex> after) {
    tasks.push_back({.run = [] { compute_for(kTask); }, .after = std::move(after), .work = kTask});
    return TaskIndex(tasks.size() - 1);
  };
  for (TaskIndex last = add({}); tasks.size() < 3 * kForks;) {
    const TaskIndex left = add({last});
    const TaskIndex right = add({last});
    last = add({left, right});
  }
  std::vector<double> costs;
  for (int i = 0; i < 15; ++i) {
    const std::int64_t start = trace::now();
    run_tasks(tasks);
    costs.push_back(static_cast<double>(trace::now() - start) / kForks - 2 * kTask);
  }
  return std::max(quantile(costs, 0.25), 0.0);
}

/// The triad of STREAM (McCalpin 1995) on arrays that no cache holds: bytes a ns.
double bandwidth_of_one_core() {
  constexpr std::size_t kElements = std::size_t{1} << 23;
  std::vector<float> a(kElements, 0);
  const std::vector<float> b(kElements, 1);
  const std::vector<float> c(kElements, 2);
  std::vector<double> times;
  for (int i = 0; i < 9; ++i) {
    const std::int64_t start = trace::now();
    for (std::size_t j = 0; j < kElements; ++j) {
      a[j] = b[j] + 3 * c[j];
    }
    times.push_back(static_cast<double>(trace::now() - start));
  }
  return 3 * sizeof(float) * kElements / quantile(times, 0.25);
}

}  // namespace

Machine measure_machine() {
  Machine machine;
  const ThreadsGuard guard;
  std::vector<double> starts;
  std::vector<double> joins;
  for (int threads = 2; threads <= guard.threads(); threads *= 2) {
    const std::optional<LoopCosts> costs = loop_costs(threads);
    if (!costs) {
      return machine;
    }
    starts.push_back(costs->helpers);
    joins.push_back(std::max(costs->whole - costs->helpers, 0.0));
  }
  if (starts.empty()) {
    return machine;
  }
  machine.cores = guard.threads();
  std::tie(machine.first_helper, machine.further_helpers) = fit(starts, machine.further_helpers);
  std::tie(machine.first_join, machine.further_joins) = fit(joins, machine.further_joins);
  machine.task = loop_task_cost();
  machine.graph_task = graph_task_cost();
  machine.handover = handover_cost();
  machine.bytes_per_ns = bandwidth_of_one_core();
  return machine;
}

}  // namespace backflow::train

#include <backflow/runtime/execution.h>

#include <algorithm>
#include <mutex>
#include <typeinfo>
#include <utility>

#include <backflow/runtime/accumulate_grad.h>
#include <backflow/runtime/anomaly.h>
#include <backflow/runtime/grad_mode.h>
#include <backflow/runtime/gradient_ops.h>
#include <backflow/runtime/hooks.h>

namespace backflow {

/// How many nodes a node's backward may record before their numbers run into those of the next one's. That would only
/// change the order in which a plan over them runs, and on every engine alike.
constexpr std::uint64_t kSequenceNrsOfNode = 1 << 16;

namespace {

/// Calls a node that other passes may be calling at the same time.
void apply_node(Node& node, NodeCall& call, bool keep_graph) {
  node.enter();
  const struct Leave {
    Node& node;
    bool keep_graph;
    ~Leave() { node.leave(keep_graph); }
  } leave{node, keep_graph};
  node.apply(call);
}

}  // namespace

/// A gradient with several contributions. They arrive in any order and are added in the order of the plan: each one
/// that arrives waits until those before it are in. Whoever brings the next in order adds it, and after it all that
/// wait behind; others leave theirs and go. So a serial pass never holds more than one contribution and the sum.
struct Execution::Sum {
  std::mutex mutex;
  std::vector<Tensor> waiting;
  std::vector<bool> arrived;
  std::uint32_t next = 0;
  bool adding = false;
  bool owned = false;  // the sum so far is our own, so that it can be added to in place
};

Execution::Execution(const Plan& plan, std::span<const Tensor> root_gradients, const Options& options,
                     std::span<const AsyncTask> tasks)
    : plan_(plan),
      options_(options),
      state_(thread_state()),
      sequence_nrs_(SequenceRange::reserve(plan.nodes().size() * kSequenceNrsOfNode)),
      tasks_(tasks),
      gradients_(plan.inputs().size()),
      sum_of_(plan.inputs().size(), kNoTarget),
      captured_(options.num_wanted) {
  state_.grad_mode = options.create_graph;
  state_.inference_mode = false;
  state_.pass = this;
  std::uint32_t num_sums = 0;
  for (std::size_t i = 0; i < plan.inputs().size(); ++i) {
    if (plan.inputs()[i].arrivals > 1) {
      sum_of_[i] = num_sums++;
    }
  }
  sums_ = std::make_unique<Sum[]>(num_sums);
  for (std::size_t i = 0; i < plan.inputs().size(); ++i) {
    if (sum_of_[i] != kNoTarget) {
      sums_[sum_of_[i]].waiting.resize(plan.inputs()[i].arrivals);
      sums_[sum_of_[i]].arrived.resize(plan.inputs()[i].arrivals);
    }
  }
  find_task_dependencies();
  const AutoGradMode mode(options_.create_graph);
  for (std::size_t r = 0; r < root_gradients.size(); ++r) {
    if (plan.root_targets()[r] != kNoTarget) {
      deposit(plan.root_targets()[r], plan.root_places()[r], root_gradients[r]);
    }
  }
}

Execution::~Execution() = default;

void Execution::find_task_dependencies() {
  task_dependencies_.resize(tasks_.size());
  if (tasks_.empty()) {
    return;
  }
  std::vector<std::pair<const TensorImpl*, std::uint32_t>> leaves;
  for (std::uint32_t i = 0; i < plan_.nodes().size(); ++i) {
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(plan_.nodes()[i].node)) {
      leaves.emplace_back(&leaf->variable().impl(), i);
    }
  }
  std::sort(leaves.begin(), leaves.end());
  for (std::size_t t = 0; t < tasks_.size(); ++t) {
    for (const Tensor& x : tasks_[t].leaves) {
      const TensorImpl* impl = &x.impl();
      const auto it = std::lower_bound(leaves.begin(), leaves.end(), std::pair(impl, std::uint32_t{0}));
      if (it != leaves.end() && it->first == impl) {
        task_dependencies_[t].push_back(it->second);
      }
    }
  }
}

void Execution::deposit(std::uint32_t input, std::uint32_t place, Tensor gradient) {
  if (sum_of_[input] == kNoTarget) {
    gradients_[input] = std::move(gradient);
    return;
  }
  Sum& sum = sums_[sum_of_[input]];
  std::unique_lock lock(sum.mutex);
  sum.waiting[place] = std::move(gradient);
  sum.arrived[place] = true;
  if (sum.adding) {
    return;
  }
  sum.adding = true;
  Tensor& total = gradients_[input];
  while (sum.next < sum.arrived.size() && sum.arrived[sum.next]) {
    const SequenceRange range(first_sequence_nr(plan_.inputs()[input].node) + sum.next);
    const Tensor next = std::move(sum.waiting[sum.next++]);
    lock.unlock();
    if (!total.defined()) {
      total = next;
    } else if (next.defined()) {
      if (sum.owned) {
        gradient_ops().add_(total, next);
      } else {
        total = gradient_ops().add(total, next);
        sum.owned = !options_.create_graph;
      }
    }
    lock.lock();
  }
  sum.adding = false;
}

/// Sums of a node's gradients have the first numbers of its range, what it records itself the second half.
std::uint64_t Execution::first_sequence_nr(std::uint32_t node) const {
  return sequence_nrs_ + node * kSequenceNrsOfNode;
}

void Execution::run(std::uint32_t index) noexcept {
  if (failed()) {
    return;
  }
  const PlanNode& n = plan_.nodes()[index];
  const ThreadStateGuard state(state_);
  thread_state().node = n.node;
  try {
    visit(n);
  } catch (const Error& error) {
    // What is derived from Error says more by its type than a longer message would.
    fail(typeid(error) == typeid(Error) ? std::make_exception_ptr(Error(concat("backward of ", n.node->name(), ": ",
                                                                               error.what(), Origin(*n.node))))
                                        : std::current_exception());
  } catch (...) {
    fail(std::current_exception());
  }
}

void Execution::visit(const PlanNode& n) {
  const std::span<Tensor> dy(&gradients_[n.first_input], n.node->num_inputs());
  const NodeHooks* hooks = n.node->hooks();
  if (hooks != nullptr) [[unlikely]] {
    run_hooks([&] { hooks->run_tensor_hooks(dy); });
    hooks->run_retain_grad(dy);
  }
  for (std::size_t i = 0; i < dy.size(); ++i) {
    const std::uint32_t capture = plan_.inputs()[n.first_input + i].capture;
    if (capture != kNoTarget) {
      captured_[capture] = dy[i];
    }
  }
  if (n.runs) {
    apply(n, dy);
  }
  for (Tensor& gradient : dy) {
    gradient = Tensor();
  }
}

void Execution::apply(const PlanNode& n, std::span<Tensor> dy) {
  constexpr std::size_t kInlineEdges = 8;
  Tensor small[kInlineEdges];
  std::vector<Tensor> large;
  const std::span<const std::uint32_t> targets = plan_.targets(n);
  std::span<Tensor> dx(small, std::min(targets.size(), kInlineEdges));
  if (targets.size() > kInlineEdges) {
    large.resize(targets.size());
    dx = large;
  }
  const NodeHooks* hooks = n.node->hooks();
  if (hooks != nullptr) [[unlikely]] {
    run_hooks([&] { hooks->run_pre_hooks(dy); });
  }
  // Most nodes with no gradient at all hand on none, without computing.
  if (n.node->takes_undefined() || std::any_of(dy.begin(), dy.end(), [](const Tensor& x) { return x.defined(); })) {
    const auto position = static_cast<std::uint32_t>(&n - plan_.nodes().data());
    const SequenceRange range(first_sequence_nr(position) + kSequenceNrsOfNode / 2);
    NodeCall call{dy, dx, targets};
    if (hooks != nullptr) [[unlikely]] {
      apply_with_hooks(*n.node, *hooks, call);
    } else {
      apply_node(*n.node, call, options_.keep_graph);
    }
    if (AnomalyMode::is_enabled()) [[unlikely]] {
      check_gradients(dx);
    }
  }
  const std::span<const std::uint32_t> places = plan_.places(n);
  for (std::size_t e = 0; e < targets.size(); ++e) {
    if (targets[e] != kNoTarget) {
      deposit(targets[e], places[e], std::move(dx[e]));
    }
  }
}

void Execution::apply_with_hooks(Node& node, const NodeHooks& hooks, NodeCall& call) {
  // A leaf may keep a gradient that nobody else holds.
  const bool has_post_hooks = hooks.has_post_hooks();
  const std::vector<Tensor> dy =
      has_post_hooks ? std::vector<Tensor>(call.dy.begin(), call.dy.end()) : std::vector<Tensor>();
  apply_node(node, call, options_.keep_graph);
  run_hooks([&] {
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(&node)) {
      hooks.run_accumulate_hooks(leaf->variable());
    }
    if (has_post_hooks) {
      hooks.run_post_hooks(call.dx, dy);
    }
  });
}

/// One hook of a pass at a time, whatever the threads: what hooks share needs no lock of its own. A nested backward
/// must not come across another node of this pass, whose hooks would wait for those that it is called from.
void Execution::run_hooks(FunctionRef<void()> hooks) {
  const std::lock_guard lock(hooks_mutex_);
  run_isolated(hooks);
}

void Execution::start_task(std::size_t task, std::function<void()> done) noexcept {
  if (failed()) {
    done();
    return;
  }
  // A task that throws after it has completed must not end twice.
  auto ended = std::make_shared<std::atomic_flag>();
  const auto end = [this, ended, done = std::move(done)](std::exception_ptr error) {
    if (ended->test_and_set()) {
      return;
    }
    if (error) {
      fail(std::move(error));
    }
    done();
  };
  try {
    tasks_[task].start(end);
  } catch (...) {
    end(std::current_exception());
  }
}

void Execution::fail(std::exception_ptr error) noexcept {
  if (!error_set_.test_and_set()) {
    error_ = std::move(error);
    failed_.store(true, std::memory_order_release);
  }
}

void Execution::at_end(std::function<void()> callback) {
  const std::lock_guard lock(end_mutex_);
  at_end_.push_back(std::move(callback));
}

std::vector<Tensor> Execution::finish() {
  for (const auto& callback : at_end_) {
    callback();
  }
  if (failed_.load(std::memory_order_acquire)) {
    std::rethrow_exception(error_);
  }
  return std::move(captured_);
}

}  // namespace backflow

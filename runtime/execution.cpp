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
#include <backflow/runtime/warning.h>

namespace backflow {

/// How many nodes a node's backward may record before their numbers run into those of the next one's. That would only
/// change the order in which a plan over them runs, and on every engine alike.
constexpr std::uint64_t kSequenceNrsOfNode = 1 << 16;

/// What one thread does of a task before another can help, in ns: 32 * 1024 elements of an update.
constexpr float kTaskPiece = 65'000;

namespace {

/// A pass has one error: the others are told, and forgotten.
void warn_dropped(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    warn("backward: dropped a further error of a pass that had failed: ", e.what());
  } catch (...) {
    warn("backward: dropped a further error of a pass that had failed");
  }
}

/// The gradients that a node computes: undefined tensors at first, without a heap allocation for most nodes.
class Results {
 public:
  explicit Results(std::size_t n) : size_(n) {
    if (n > kInline) {
      large_.resize(n);
    } else {
      std::uninitialized_default_construct_n(small(), n);
    }
  }
  ~Results() {
    if (size_ <= kInline) {
      std::destroy_n(small(), size_);
    }
  }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;

  std::span<Tensor> tensors() { return {size_ > kInline ? large_.data() : small(), size_}; }

 private:
  static constexpr std::size_t kInline = 8;
  Tensor* small() { return reinterpret_cast<Tensor*>(bytes_); }

  std::size_t size_;
  alignas(Tensor) std::byte bytes_[kInline * sizeof(Tensor)];
  std::vector<Tensor> large_;
};

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

/// A gradient that waits for its turn to be added.
struct Execution::Contribution {
  Tensor gradient;
  std::atomic<bool> arrived{false};
};

/// A gradient with several contributions. On several threads they arrive in any order and are added in that of the
/// plan: whoever brings the next one adds it, and after it all that have arrived behind it; others leave theirs and go.
struct Execution::Sum {
  Contribution* contributions = nullptr;
  std::uint32_t next = 0;  // the first that has not been added; for the thread that has `adding`
  std::atomic<bool> adding{false};
};

Execution::Execution(const Plan& plan, std::span<const Tensor> root_gradients, const Options& options,
                     std::span<const PassTask> tasks)
    : plan_(plan),
      options_(options),
      state_(thread_state()),
      sequence_nrs_(SequenceRange::reserve(plan.nodes().size() * kSequenceNrsOfNode)),
      tasks_(tasks),
      gradients_(plan.inputs().size()),
      owned_(plan.inputs().size(), 0),
      captured_(options.num_wanted),
      timer_(plan) {
  state_.grad_mode = options.create_graph;
  state_.inference_mode = false;
  state_.pass = this;
  const AutoGradMode mode(options_.create_graph);
  for (std::size_t r = 0; r < root_gradients.size(); ++r) {
    if (plan.root_targets()[r] != kNoTarget) {
      hand_on(plan.root_targets()[r], plan.root_places()[r], root_gradients[r]);
    }
  }
}

Execution::~Execution() = default;

void Execution::begin_parallel() {
  std::size_t count = 0;
  for (const PlanInput& input : plan_.inputs()) {
    count += input.arrivals > 1 ? input.arrivals : 0;
  }
  contributions_ = std::make_unique<Contribution[]>(count);
  sums_ = std::make_unique<Sum[]>(plan_.inputs().size());
  count = 0;
  for (std::size_t i = 0; i < plan_.inputs().size(); ++i) {
    sums_[i].contributions = &contributions_[count];
    count += plan_.inputs()[i].arrivals > 1 ? plan_.inputs()[i].arrivals : 0;
  }
  for (const std::uint32_t input : plan_.root_targets()) {
    if (input != kNoTarget) {
      ++sums_[input].next;  // in the sum already
    }
  }
}

/// The leaves that the pass reaches and tasks wait for: pairs of a node and a task, ordered by node.
std::vector<std::pair<std::uint32_t, std::uint32_t>> Execution::leaves_of_tasks() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  if (tasks_.empty()) {
    return pairs;
  }
  std::unordered_map<const TensorImpl*, std::uint32_t> node_of;
  for (std::uint32_t i = 0; i < plan_.nodes().size(); ++i) {
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(plan_.nodes()[i].node)) {
      node_of.emplace(&leaf->variable().impl(), i);
    }
  }
  for (std::uint32_t t = 0; t < tasks_.size(); ++t) {
    for (const Tensor& x : tasks_[t].leaves) {
      if (const auto it = node_of.find(&x.impl()); it != node_of.end()) {
        pairs.emplace_back(it->second, t);
      }
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

/// The tasks that others wait for: pairs of a task and a later one, ordered by the first.
std::vector<std::pair<std::uint32_t, std::uint32_t>> Execution::tasks_after_tasks() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
  for (std::uint32_t t = 0; t < tasks_.size(); ++t) {
    for (const std::uint32_t earlier : tasks_[t].after) {
      check(earlier < t, "backward: task ", t, " waits for task ", earlier, ": need one that is before it in the list");
      pairs.emplace_back(earlier, t);
    }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

WorkGraph Execution::work_graph() const {
  const auto num_nodes = static_cast<std::uint32_t>(plan_.nodes().size());
  WorkGraph graph;
  graph.kinds.resize(num_nodes + tasks_.size(), WorkGraph::Kind::Node);
  for (std::vector<float>* times : {&graph.work, &graph.alone, &graph.handover}) {
    times->reserve(graph.size());
  }
  const int threads = get_num_threads();
  graph.dependencies.resize(graph.size());
  graph.first_edge.reserve(graph.size() + 1);
  const auto add_edge = [&graph](std::uint32_t to) {
    graph.edges.push_back(to);
    ++graph.dependencies[to];
  };
  const auto waiting = leaves_of_tasks();
  auto next = waiting.begin();
  const auto after = tasks_after_tasks();
  auto next_after = after.begin();
  for (std::uint32_t i = 0; i < num_nodes; ++i) {
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    const Cost& cost = plan_.nodes()[i].node->cost();
    graph.work.push_back(cost.nanoseconds());
    graph.alone.push_back(cost.nanoseconds(threads));
    graph.handover.push_back(cost.handover());
    for (const std::uint32_t target : plan_.targets(plan_.nodes()[i])) {
      if (target != kNoTarget) {
        add_edge(plan_.inputs()[target].node);
      }
    }
    for (; next != waiting.end() && next->first == i; ++next) {
      add_edge(num_nodes + next->second);
    }
  }
  for (std::uint32_t t = 0; t < tasks_.size(); ++t) {
    graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    graph.work.push_back(tasks_[t].work);
    graph.alone.push_back(tasks_[t].work / std::clamp(tasks_[t].work / kTaskPiece, 1.0F, static_cast<float>(threads)));
    graph.handover.push_back(0);
    graph.kinds[num_nodes + t] = tasks_[t].start ? WorkGraph::Kind::Async : WorkGraph::Kind::Task;
    for (; next_after != after.end() && next_after->first == t; ++next_after) {
      add_edge(num_nodes + next_after->second);
    }
  }
  graph.first_edge.push_back(static_cast<std::uint32_t>(graph.edges.size()));
  return graph;
}

void Execution::hand_on(std::uint32_t input, std::uint32_t place, Tensor gradient) {
  if (plan_.inputs()[input].arrivals == 1) {
    gradients_[input] = std::move(gradient);
  } else if (sums_ != nullptr) {
    hand_on_in_any_order(input, place, std::move(gradient));
  } else {
    add(input, place, std::move(gradient));
  }
}

void Execution::hand_on_in_any_order(std::uint32_t input, std::uint32_t place, Tensor gradient) {
  Sum& sum = sums_[input];
  const std::uint32_t arrivals = plan_.inputs()[input].arrivals;
  sum.contributions[place].gradient = std::move(gradient);
  sum.contributions[place].arrived.store(true);
  std::uint32_t next = 0;
  do {
    // Sequentially consistent, as the store above and the load below: when we find somebody adding he has yet to look
    // whether ours has arrived.
    if (sum.adding.exchange(true)) {
      return;
    }
    for (; sum.next < arrivals && sum.contributions[sum.next].arrived.load(); ++sum.next) {
      add(input, sum.next, std::move(sum.contributions[sum.next].gradient));
    }
    next = sum.next;
    sum.adding.store(false);
  } while (next < arrivals && sum.contributions[next].arrived.load());
}

/// Adds the next contribution, in the order of the plan.
void Execution::add(std::uint32_t input, std::uint32_t place, Tensor gradient) {
  Tensor& total = gradients_[input];
  if (!total.defined()) {
    total = std::move(gradient);
  } else if (gradient.defined()) {
    const SequenceRange range(first_sequence_nr(plan_.inputs()[input].node) + place);
    if (owned_[input] != 0) {
      gradient_ops().add_(total, gradient);
    } else {
      total = gradient_ops().add(total, gradient);
      owned_[input] = options_.create_graph ? 0 : 1;
    }
  }
}

/// Sums of a node's gradients have the first numbers of its range, what it records itself the second half.
std::uint64_t Execution::first_sequence_nr(std::uint32_t node) const {
  return sequence_nrs_ + node * kSequenceNrsOfNode;
}

void Execution::run(std::span<const std::uint32_t> items) noexcept {
  const ThreadStateGuard state(state_);
  for (const std::uint32_t item : items) {
    run_item(item);
  }
}

void Execution::run_nodes() noexcept {
  const ThreadStateGuard state(state_);
  for (std::uint32_t i = 0; i < plan_.nodes().size(); ++i) {
    run_item(i);
  }
}

/// Whether nothing more of the pass is to run.
bool Execution::has_ended() noexcept {
  if (options_.stop.stop_requested() && !failed()) [[unlikely]] {
    fail(std::make_exception_ptr(Cancelled("backward: cancelled: a stop was requested before all work was done")));
  }
  return failed();
}

void Execution::run_item(std::uint32_t item) noexcept {
  if (has_ended()) [[unlikely]] {
    return;
  }
  if (item >= plan_.nodes().size()) {
    run_task(tasks_[item - plan_.nodes().size()]);
    return;
  }
  const PlanNode& n = plan_.nodes()[item];
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

void Execution::run_task(const PassTask& task) noexcept {
  thread_state().node = nullptr;
  const trace::Span span(trace::is_on() ? trace::intern(task.name) : std::string_view(), 0, trace::Kind::kTask);
  try {
    task.run();
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
  const std::span<const std::uint32_t> targets = plan_.targets(n);
  Results results(targets.size());
  const std::span<Tensor> dx = results.tensors();
  const auto position = static_cast<std::uint32_t>(&n - plan_.nodes().data());
  trace::NodeSlice slice(timer_, *n.node, position, dy);
  const NodeHooks* hooks = n.node->hooks();
  if (hooks != nullptr) [[unlikely]] {
    run_hooks([&] { hooks->run_pre_hooks(dy); });
  }
  // Most nodes with no gradient at all hand on none, without computing.
  if (std::any_of(dy.begin(), dy.end(), [](const Tensor& x) { return x.defined(); }) || n.node->takes_undefined()) {
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
  slice.results(dx);
  const std::span<const std::uint32_t> places = plan_.places(n);
  for (std::size_t e = 0; e < targets.size(); ++e) {
    if (targets[e] != kNoTarget) {
      hand_on(targets[e], places[e], std::move(dx[e]));
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

void Execution::start_task(std::uint32_t item, std::function<void()> done) noexcept {
  if (has_ended()) {
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
    tasks_[item - plan_.nodes().size()].start(end);
  } catch (...) {
    end(std::current_exception());
  }
}

void Execution::fail(std::exception_ptr error) noexcept {
  if (error_set_.test_and_set()) {
    warn_dropped(error);
    return;
  }
  error_ = std::move(error);
  failed_.store(true, std::memory_order_release);
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
  timer_.finish(plan_);
  return std::move(captured_);
}

}  // namespace backflow

#include <backflow/runtime/engine/execution.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <utility>

#include <backflow/runtime/base/warning.h>
#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/anomaly.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>

namespace backflow {

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
  std::optional<NoDeferral> at_once;
  if (!node.is_internal()) [[unlikely]] {
    at_once.emplace();
  }
  node.enter();
  const struct Leave {
    Node& node;
    bool keep_graph;
    ~Leave() { node.leave(keep_graph); }
  } leave{node, keep_graph};
  node.apply(call);
}

}  // namespace

Execution::Execution(const Plan& plan, std::span<const Tensor> root_gradients, const Options& options,
                     std::span<const PassTask> tasks)
    : plan_(plan),
      items_(plan.nodes().size()),
      options_(options),
      state_(thread_state()),
      numbers_(plan),
      tasks_(tasks),
      sums_(plan, numbers_, options.create_graph),
      captured_(options.num_wanted),
      traced_(trace::is_on() ? std::make_unique<trace::TracedPass>(work_graph(), thread_state().pass != nullptr)
                             : nullptr) {
  state_.grad_mode = options.create_graph;
  state_.inference_mode = false;
  state_.pass = this;
  const AutoGradMode mode(options_.create_graph);
  for (std::size_t r = 0; r < root_gradients.size(); ++r) {
    if (plan.root_targets()[r].is_valid()) {
      sums_.hand_on(plan.root_targets()[r], plan.root_places()[r], root_gradients[r]);
    }
  }
}

Execution::~Execution() = default;

void Execution::run(std::span<const ItemIndex> items) noexcept {
  const ThreadStateGuard state(state_);
  const DeferralScope deferring(deferral());
  for (const ItemIndex item : items) {
    run_item(item);
  }
  run_deferred();
}

void Execution::run_nodes() noexcept {
  const ThreadStateGuard state(state_);
  const DeferralScope deferring(deferral());
  for (const NodeIndex i : plan_.nodes().indices()) {
    run_item(items_.of(i));
  }
  run_deferred();
}

void Execution::run_in_scope(ItemIndex item) noexcept {
  const ThreadStateGuard state(state_);
  run_item(item);
}

/// Recorded gradients are saved by nodes that anybody may run. A trace shows the time of each node.
DeferralScope::Mode Execution::deferral() const {
  return options_.create_graph || traced_ != nullptr ? DeferralScope::Mode::kRunsAtOnce : DeferralScope::Mode::kDefers;
}

void Execution::run_deferred() noexcept {
  try {
    run_deferred_work();
  } catch (...) {
    fail(std::current_exception());
  }
}

/// Whether nothing more of the pass is to run.
bool Execution::has_ended() noexcept {
  if (options_.stop.stop_requested() && !failed()) [[unlikely]] {
    fail(std::make_exception_ptr(Cancelled("backward: cancelled: a stop was requested before all work was done")));
  }
  return failed();
}

Tensor Execution::take_buffer(InputIndex input, IntArrayRef sizes, ScalarType dtype) const {
  const PlanInput& target = plan_.inputs()[input];
  const PlanNode& n = plan_.nodes()[target.node];
  const NodeHooks* const hooks = n.node->hooks();
  if (target.arrivals != 1 || target.capture.is_valid() || !n.runs || options_.create_graph ||
      (hooks != nullptr && hooks->takes_gradients())) {
    return {};
  }
  auto* const leaf = dynamic_cast<AccumulateGrad*>(n.node);
  return leaf != nullptr ? leaf->take_buffer(sizes, dtype) : Tensor();
}

void Execution::run_item(ItemIndex item) noexcept {
  if (has_ended()) [[unlikely]] {
    return;
  }
  const trace::TracedPass::Timer timer(traced_.get(), item);
  if (!items_.is_node(item)) {
    run_task(task_of(item));
    return;
  }
  const PlanNode& n = plan_.nodes()[items_.node(item)];
  thread_state().node = n.node;
  try {
    visit(n);
  } catch (const Error& error) {
    // What is derived from Error says more by its type than a longer message would.
    fail(typeid(error) == typeid(Error) ? std::make_exception_ptr(Error(to_text("backward of ", n.node->name(), ": ",
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
    const NoDeferral at_once;
    task.run();
  } catch (...) {
    fail(std::current_exception());
  }
}

void Execution::visit(const PlanNode& n) {
  const std::span<Tensor> dy = sums_.of(n);
  const NodeHooks* hooks = n.node->hooks();
  if (hooks != nullptr) [[unlikely]] {
    run_hooks([&] { hooks->run_tensor_hooks(dy); });
    hooks->run_retain_grad(dy);
  }
  const std::span<const PlanInput> inputs = plan_.inputs(n);
  for (std::size_t i = 0; i < dy.size() && n.part != PlanPart::Others; ++i) {
    if (inputs[i].capture.is_valid()) {
      captured_[inputs[i].capture.value()] = dy[i];
    }
  }
  if (n.runs) {
    apply(n, dy);
  }
  if (n.part != PlanPart::Leaves) {  // else the other part needs them too
    for (Tensor& gradient : dy) {
      gradient = Tensor();
    }
  }
}

void Execution::apply(const PlanNode& n, std::span<Tensor> dy) {
  const std::span<const std::uint32_t> targets = plan_.targets(n);
  Results results(targets.size());
  const std::span<Tensor> dx = results.tensors();
  const NodeIndex position(&n - plan_.nodes().data());
  trace::NodeSlice slice(traced_.get(), *n.node, position, dy);
  const NodeHooks* hooks = n.node->hooks();
  if (hooks != nullptr) [[unlikely]] {
    run_hooks([&] { hooks->run_pre_hooks(dy); });
  }
  // Most nodes with no gradient at all hand on none, without computing.
  if (std::any_of(dy.begin(), dy.end(), [](const Tensor& x) { return x.defined(); }) || n.node->takes_undefined()) {
    const SequenceRange range(numbers_.of_backward(position));
    NodeCall call{dy, dx, targets};
    if (hooks != nullptr) [[unlikely]] {
      apply_with_hooks(*n.node, *hooks, call);
    } else {
      apply_node(*n.node, call, options_.keep_graph || n.part == PlanPart::Leaves);
    }
    if (AnomalyMode::is_enabled()) [[unlikely]] {
      check_gradients(dx);
    }
  }
  slice.results(dx);
  const std::span<const std::uint32_t> places = plan_.places(n);
  for (std::size_t e = 0; e < targets.size(); ++e) {
    if (targets[e] != kNoTarget) {
      sums_.hand_on(InputIndex(targets[e]), places[e], std::move(dx[e]));
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
  const NoDeferral at_once;  // they may hand tensors to other threads
  const std::lock_guard lock(hooks_mutex_);
  run_isolated(hooks);
}

void Execution::start_task(ItemIndex item, std::function<void()> done) noexcept {
  if (has_ended()) {
    done();
    return;
  }
  const Completion end([this, done = std::move(done)](std::exception_ptr error) {
    if (error) {
      fail(std::move(error));
    }
    done();
  });
  try {
    const NoDeferral at_once;  // it may hand tensors to other threads
    task_of(item).start(end);
  } catch (...) {
    end(std::current_exception());  // unless the task had ended before it threw
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
  if (traced_) {
    traced_->finish();
  }
  return std::move(captured_);
}

}  // namespace backflow

#include <backflow/runtime/trace_slices.h>

#include <algorithm>
#include <mutex>

#include <backflow/runtime/critical_path.h>
#include <backflow/runtime/memory.h>
#include <backflow/runtime/node.h>
#include <backflow/runtime/plan.h>
#include <backflow/runtime/thread_state.h>
#include <backflow/runtime/trace_buffer_internal.h>

namespace backflow::trace {
namespace {

/// Held while an observer is told of something: on several threads nodes end at once.
std::mutex observer_mutex;

void finish(Event& event) {
  event.end = now();
  event.live_bytes = live_bytes();
}

/// Whether `y` shows elements of an operand, and was not written.
bool is_view_of(const TensorImpl& y, std::span<const TensorImpl* const> operands) {
  const auto shares = [&](const TensorImpl* x) { return x != nullptr && x->storage == y.storage; };
  return std::any_of(operands.begin(), operands.end(), shares) &&
         std::find(operands.begin(), operands.end(), &y) == operands.end();
}

}  // namespace

OperatorSlice::OperatorSlice(std::string_view name) {
  if (depth()++ == 0) {
    event_.emplace();
    event_->name = name;
    event_->kind = Kind::kOperator;
    event_->start = now();
  }
}

OperatorSlice::~OperatorSlice() {
  --depth();
  if (event_ && event_->end != 0) {  // 0 when the operator threw
    append(*event_);
  }
}

void OperatorSlice::operand(const Tensor& x) {
  event_->in.add(x);
  if (event_->in.size() == event_->in.count()) {
    operands_[event_->in.size() - 1] = x.defined() ? &x.impl() : nullptr;
  }
}

void OperatorSlice::operand(TensorList list) {
  for (const Tensor& x : list) {
    operand(x);
  }
}

void OperatorSlice::result(const Tensor& y, const Cost& cost) {
  finish(*event_);
  event_->out.add(y);
  const std::span<const TensorImpl* const> operands(operands_.data(), event_->in.size());
  if (!is_view_of(y.impl(), operands)) {
    event_->flop = cost.flop;
    event_->bytes = std::max<double>(cost.bytes, event_->in.bytes() + event_->out.bytes());
  }
  if (Observer* told = observer()) {
    const std::lock_guard lock(observer_mutex);
    told->on_operator(*event_, operands, y);
  }
}

PassTimer::PassTimer(const Plan& plan) {
  if (is_on()) [[unlikely]] {
    nanoseconds_.resize(plan.nodes().size());
    start_ = now();
    nested_ = thread_state().pass != nullptr;
  }
}

void PassTimer::finish(const Plan& plan) {
  if (nanoseconds_.empty() || nested_) {
    return;
  }
  const CriticalPath path = critical_path(plan, nanoseconds_);
  Event event;
  event.name = "backward pass";
  event.kind = Kind::kPass;
  event.start = start_;
  event.work = path.work;
  event.critical = path.length;
  trace::finish(event);
  append(event);
}

void NodeSlice::begin(PassTimer& timer, const Node& node, std::uint32_t position, std::span<const Tensor> dy) {
  timer_ = &timer;
  event_.emplace();
  event_->name = node.static_name();
  event_->kind = Kind::kNode;
  event_->node = position;
  event_->nested = depth()++ > 0 || timer.nested_;
  event_->flop = node.cost().flop;
  event_->bytes = node.cost().bytes;
  event_->start = now();
  for (const Tensor& x : dy) {
    event_->in.add(x);
  }
}

void NodeSlice::add(std::span<const Tensor> dx) {
  for (const Tensor& x : dx) {
    event_->out.add(x);
  }
  if (!dx.empty()) {  // a leaf may keep what comes, without touching it: its cost says
    event_->bytes = std::max(event_->bytes, event_->in.bytes() + event_->out.bytes());
  }
}

void NodeSlice::end() {
  --depth();
  finish(*event_);
  timer_->nanoseconds_[event_->node] = static_cast<float>(event_->end - event_->start);
  append(*event_);
  if (Observer* told = observer()) {
    const std::lock_guard lock(observer_mutex);
    told->on_node(*event_);
  }
}

}  // namespace backflow::trace

#include <backflow/runtime/engine/trace_slices.h>

#include <algorithm>
#include <mutex>

#include <backflow/runtime/engine/traced_pass.h>
#include <backflow/runtime/memory/memory.h>
#include <backflow/runtime/tape/node.h>
#include <backflow/runtime/trace/trace_internal.h>

namespace backflow::trace {
namespace {

/// Held while an observer is told of something: on several threads nodes end at once.
std::mutex observer_mutex;

void finish(Event& event) {
  event.end = now();
  event.live_bytes = live_bytes();
}

/// What the operators that an operator called have done: one for each operator that the calling thread is inside of.
std::vector<Cost>& inner_costs() {
  static thread_local std::vector<Cost> costs;
  return costs;
}

Cost larger(const Cost& a, const Cost& b) { return {std::max(a.flop, b.flop), std::max(a.bytes, b.bytes), a.dtype}; }

/// Whether `y` shows elements of an operand, and was not written.
bool is_view_of(const TensorImpl& y, std::span<const TensorImpl* const> operands) {
  const auto shares = [&](const TensorImpl* x) { return x != nullptr && x->storage == y.storage; };
  return std::any_of(operands.begin(), operands.end(), shares) &&
         std::find(operands.begin(), operands.end(), &y) == operands.end();
}

}  // namespace

OperatorSlice::OperatorSlice(std::string_view name) {
  std::vector<Cost>& costs = inner_costs();
  if (depth()++ == 0 || !costs.empty()) {  // nothing is summed up for a node, whose cost was set when it was recorded
    costs.emplace_back();
    event_.emplace();
    event_->name = name;
    event_->kind = Kind::kOperator;
    event_->nested = costs.size() > 1;
    event_->start = now();
  }
}

OperatorSlice::~OperatorSlice() {
  --depth();
  if (!event_) {
    return;
  }
  inner_costs().pop_back();
  if (event_->end != 0 && !event_->nested) {  // 0 when the operator threw
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

void OperatorSlice::result(const Tensor& y, const Cost& own) {
  if (!event_->nested) {
    finish(*event_);
  }
  event_->out.add(y);
  const std::span<const TensorImpl* const> operands(operands_.data(), event_->in.size());
  // One that is made of others does what these do, where its own cost does not say more.
  const Cost cost = larger(own, inner_costs().back());
  if (!is_view_of(y.impl(), operands)) {
    event_->flop = cost.flop;
    event_->bytes = std::max<double>(cost.bytes, event_->in.bytes() + event_->out.bytes());
  }
  if (event_->nested) {
    Cost& outer = inner_costs().end()[-2];
    outer.flop += static_cast<float>(event_->flop);
    outer.bytes += static_cast<float>(event_->bytes);
    return;
  }
  if (Observer* told = observer()) {
    const std::lock_guard lock(observer_mutex);
    told->on_operator(*event_, operands, y);
  }
}

void NodeSlice::begin(const TracedPass& pass, const Node& node, NodeIndex position, std::span<const Tensor> dy) {
  event_.emplace();
  event_->name = node.static_name();
  event_->kind = Kind::kNode;
  event_->node = position.value();
  event_->nested = depth()++ > 0 || pass.nested();
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
  // A leaf may keep what comes and a view hand it on, without touching an element: the cost says.
  if (!dx.empty() && (event_->flop > 0 || event_->bytes > 0)) {
    event_->bytes = std::max(event_->bytes, event_->in.bytes() + event_->out.bytes());
  }
}

void NodeSlice::end() {
  --depth();
  finish(*event_);
  append(*event_);
  if (Observer* told = observer()) {
    const std::lock_guard lock(observer_mutex);
    told->on_node(*event_);
  }
}

}  // namespace backflow::trace

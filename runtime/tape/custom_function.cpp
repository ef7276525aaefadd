#include <backflow/runtime/tape/custom_function.h>

#include <algorithm>

#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/view_history.h>
#include <backflow/runtime/tensor/gradient_ops.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow::autograd {

/// The call of a backward that a thread is in, for needs_input_grad.
struct CustomCall {
  const CustomNode* node;
  const NodeCall* call;
};

namespace {

bool contains(const variable_list& list, const Tensor& x) {
  return std::any_of(list.begin(), list.end(), [&](const Tensor& y) { return y.is_same(x); });
}

/// The history of a gradient that must not be differentiated again, with respect to anything that it depends on.
class NotDifferentiable final : public Node {
 public:
  NotDifferentiable(std::string function, std::vector<Edge> edges)
      : function_(std::move(function)), edges_(std::move(edges)) {
    set_edges(edges_);
    set_saves(false);
  }
  std::string name() const override { return "NotDifferentiable"; }
  void apply(NodeCall&) override {
    fail(function_, " is differentiable once: need a backward that is written with recorded operations");
  }

 private:
  std::string function_;
  std::vector<Edge> edges_;
};

}  // namespace

variable_list AutogradContext::get_saved_variables() const {
  if (freed_) {
    Node::fail_freed();
  }
  variable_list out;
  for (const auto& [is_defined, saved] : saved_) {
    out.push_back(is_defined ? saved.unpack(*node_) : Tensor());
  }
  return out;
}

bool AutogradContext::needs_input_grad(std::size_t i) const {
  check(i < node_->edges_.size(), "needs_input_grad: ", i, " of ", node_->name(), ": need the number of one of its ",
        node_->edges_.size(), " tensor operands");
  const CustomCall* current = thread_state().custom_call;
  return node_->edges_[i].is_valid() && (current == nullptr || current->node != node_ || current->call->wants(i));
}

CustomNode::Metadata CustomNode::metadata_of(const Tensor& x) {
  return x.defined() ? Metadata{x.sizes(), x.scalar_type(), true} : Metadata{};
}

CustomNode::CustomNode(std::vector<bool> is_tensor, const variable_list& operands, bool records)
    : is_tensor_(std::move(is_tensor)), edges_(operands.size()), records_(records) {
  context_.node_ = this;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    operands_.push_back(metadata_of(operands[i]));
    if (records && operands[i].defined()) {
      edges_[i] = gradient_edge(operands[i]);
    }
  }
  set_edges(edges_);
}

variable_list CustomNode::wrap(variable_list outputs, const variable_list& operands) {
  for (const Tensor& x : context_.dirty_) {
    check(contains(outputs, x), name(), ": marks ", describe(x), " dirty but does not return it: need it returned");
  }
  set_num_outputs(static_cast<std::uint32_t>(std::max<std::size_t>(outputs.size(), 1)));
  Cost cost;  // that of a few element-wise operations: backward may do anything
  for (const Tensor& y : outputs) {
    outputs_.push_back(metadata_of(y));
    if (y.defined()) {
      cost.flop += static_cast<float>(y.numel());
      cost.bytes += 3 * static_cast<float>(y.nbytes());
    }
  }
  set_cost(cost);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].defined()) {
      outputs[i] = wrap_one(outputs[i], static_cast<std::uint32_t>(i), outputs, operands);
    }
  }
  save_tensors(outputs);
  return outputs;
}

Tensor CustomNode::wrap_one(Tensor y, std::uint32_t output_nr, const variable_list& outputs,
                            const variable_list& operands) {
  const bool is_operand = contains(operands, y);
  const bool is_dirty = contains(context_.dirty_, y);
  const bool differentiable = records_ && y.is_floating_point() && !contains(context_.non_differentiable_, y);
  if (is_dirty) {
    check_inplace(name(), y, differentiable);
    bump_version(y);
    if (differentiable) {
      check(!y.is_view() || (outputs.size() == 1 && operands[0].is_same(y)), name(), ": ", describe(y),
            " is dirty and a view: need it as the first operand and the only result");
      rebase_history(y, IntrusivePtr<Node>(this), output_nr);
    }
    return !differentiable && records_ && y.requires_grad() ? y.detach() : y;
  }
  if (is_operand) {
    // The operand keeps its own history: what is returned is another tensor with its elements.
    const Tensor x = std::exchange(y, y.detach());
    if (differentiable) {
      track_view(y, x, ViewOrigin::kCustomFunction);
    }
  } else if (y.is_view() && differentiable) {
    y.impl().view_origin = ViewOrigin::kCustomFunction;
  }
  if (differentiable) {
    set_history(y, IntrusivePtr<Node>(this), output_nr);
  }
  return y;
}

void CustomNode::save_tensors(const variable_list& outputs) {
  if (records_) {
    for (const Tensor& x : context_.to_save_) {
      auto& [is_defined, saved] = context_.saved_.emplace_back(x.defined(), SavedTensor());
      // A dirty view is a result as well, whose history is not this node but leads here.
      const auto result = std::find_if(outputs.begin(), outputs.end(), [&](const Tensor& y) { return y.is_same(x); });
      if (x.defined() && x.requires_grad() && result != outputs.end()) {
        saved.save_output(x, static_cast<std::uint32_t>(result - outputs.begin()));
      } else if (x.defined()) {
        saved.save(x);
      }
    }
  }
  set_saves(!context_.saved_.empty());
  context_.to_save_.clear();
  context_.dirty_.clear();
  context_.non_differentiable_.clear();
}

variable_list CustomNode::materialized(std::span<const Tensor> dy) const {
  variable_list grads(dy.begin(), dy.end());
  for (std::size_t i = 0; i < grads.size() && context_.materialize_grads_; ++i) {
    if (!grads[i].defined() && outputs_[i].defined) {
      grads[i] = gradient_ops().zeros(outputs_[i].sizes, outputs_[i].dtype);
    }
  }
  return grads;
}

Tensor CustomNode::checked(std::size_t operand, const Tensor& dx) const {
  const Metadata& x = operands_[operand];
  if (!dx.defined() || (dx.sizes() == IntArrayRef(x.sizes) && dx.scalar_type() == x.dtype)) {
    return dx;
  }
  check(dx.is_floating_point() && is_expandable_to(x.sizes, dx.sizes()), name(), ": its backward returned ",
        describe(dx), " for operand ", operand, ": need ", short_name(x.dtype), x.sizes);
  return gradient_ops().reduce_to(dx, x.sizes, x.dtype);
}

void CustomNode::apply(NodeCall& call) {
  const NoDeferral at_once;  // the user's backward may hand tensors to other threads
  const CustomCall here{this, &call};
  const struct Restore {
    const CustomCall* outer;
    ~Restore() { thread_state().custom_call = outer; }
  } restore{std::exchange(thread_state().custom_call, &here)};

  const bool once = once_differentiable() && GradMode::is_enabled();
  std::vector<Edge> dependencies;
  if (once) {
    dependencies = edges_;
    for (const Tensor& dy : call.dy) {
      dependencies.push_back(dy.defined() ? gradient_edge(dy) : Edge());
    }
  }
  variable_list dx;
  {
    const AutoGradMode recording(GradMode::is_enabled() && !once);
    dx = backward(materialized(call.dy));
  }
  check(dx.size() >= is_tensor_.size() && std::none_of(dx.begin() + static_cast<std::ptrdiff_t>(is_tensor_.size()),
                                                       dx.end(), [](const Tensor& x) { return x.defined(); }),
        name(), ": its backward returned ", dx.size(), " gradients: need ", is_tensor_.size(),
        ", one for each argument of forward");
  for (std::size_t argument = 0, operand = 0; argument < is_tensor_.size(); ++argument) {
    if (!is_tensor_[argument]) {
      check(!dx[argument].defined(), name(), ": its backward returned a gradient for argument ", argument,
            ", which is no tensor: need an undefined one");
      continue;
    }
    if (call.wants(operand)) {
      Tensor& out = call.dx[operand];
      out = checked(operand, dx[argument]);
      if (once && out.defined()) {
        out = out.detach();
        set_history(out, Node::make<NotDifferentiable>(name(), dependencies));
      }
    }
    ++operand;
  }
}

void CustomNode::release_saved() {
  context_.saved_.clear();
  context_.freed_ = true;
}

}  // namespace backflow::autograd

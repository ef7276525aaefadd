#include <backflow/runtime/tape/view_history.h>

#include <mutex>
#include <utility>
#include <vector>

#include <backflow/runtime/tape/accumulate_grad.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/grad_mode.h>
#include <backflow/runtime/tape/hooks.h>
#include <backflow/runtime/threads/branch.h>
#include <backflow/runtime/threads/deferred_work.h>

namespace backflow {
namespace {

Geometry geometry_of(const TensorImpl& x) { return {x.sizes, x.strides, x.offset}; }

/// The history of a tensor after `fn` changed a view of it in place. The gradient of the elements that the view shows
/// goes through `fn` to what the view held before and to the other operands, that of the rest straight to what the
/// tensor was. As PyTorch's.
class CopySlices final : public Node {
 public:
  /// `base`: with the history it had before.
  CopySlices(const Tensor& base, const Geometry& view, IntrusivePtr<Node> fn, std::uint32_t output_nr)
      : base_(geometry_of(base.impl())), view_(view), output_nr_(output_nr), fn_(std::move(fn)) {
    const auto edges = fn_->next_edges();
    edges_.assign(edges.begin(), edges.end());
    edges_[0] = gradient_edge(base);
    set_edges(edges_);
    set_cost(fn_->cost());
    set_saves(fn_->saves());
    if (fn_->is_internal()) {
      set_internal();
    }
  }

  std::string name() const override { return "CopySlices"; }

  void apply(NodeCall& call) override {
    if (!fn_) {
      fail_freed();
    }
    const Tensor& dy = call.dy[0];
    const GradientOps& ops = gradient_ops();
    std::vector<Tensor> outputs(fn_->num_inputs());
    outputs[output_nr_] = ops.gather(dy, base_, view_);
    std::vector<Tensor> dx(edges_.size());
    NodeCall inner{outputs, dx, call.targets};
    fn_->apply(inner);
    if (call.wants(0)) {
      dx[0] = ops.scatter(dy, dx[0], base_, view_);
    }
    for (std::size_t i = 0; i < dx.size(); ++i) {
      call.dx[i] = std::move(dx[i]);
    }
  }

  /// Leaves what `fn` saved to its last owner: a recorded gradient may hold it as a node of its own.
  void release_saved() override { fn_ = nullptr; }

 private:
  Geometry base_;
  Geometry view_;
  std::uint32_t output_nr_;
  IntrusivePtr<Node> fn_;
  std::vector<Edge> edges_;
};

/// Gives `self` another history. The hook that sets its grad() follows the tensor; others stay with the old value.
void replace_history(TensorImpl& self, IntrusivePtr<Node> node, std::uint32_t output_nr) {
  const bool retains = self.autograd && self.autograd->retains_grad;
  if (retains && self.grad_fn) {
    self.grad_fn->make_hooks()->release_grad(*self.autograd);
  }
  self.grad_fn = std::move(node);
  self.output_nr = output_nr;
  self.requires_grad = false;
  if (retains) {
    self.grad_fn->make_hooks()->retain_grad(output_nr, self.autograd);
  }
}

const char* origin_name(ViewOrigin origin) {
  switch (origin) {
    case ViewOrigin::kNoGrad:
      return "a view made with recording off";
    case ViewOrigin::kInference:
      return "a view made in inference mode";
    case ViewOrigin::kCustomFunction:
      return "a view made by a custom function";
    case ViewOrigin::kRecording:
      break;
  }
  return "a view";
}

}  // namespace

ViewOrigin view_origin() {
  if (InferenceMode::is_enabled()) {
    return ViewOrigin::kInference;
  }
  return GradMode::is_enabled() ? ViewOrigin::kRecording : ViewOrigin::kNoGrad;
}

void track_view(const Tensor& y, const Tensor& x, ViewOrigin origin) {
  TensorImpl& from = x.impl();
  TensorImpl& to = y.impl();
  to.is_inference = from.is_inference;
  if (from.is_inference) {
    return;
  }
  to.base = from.base ? from.base : x.impl_ptr();
  to.view_changes.store(to.storage->recorded_changes(), std::memory_order_relaxed);
  to.view_origin = from.view_origin == ViewOrigin::kRecording ? origin : from.view_origin;
}

void TensorImpl::refresh_history() {
  wait_for_turn();  // the new node's number is to be that of a serial run
  remake_history();
}

void TensorImpl::remake_history() {
  static std::mutex mutex;
  IntrusivePtr<Node> previous;  // destroyed after the lock is, since that may run the user's code
  const std::lock_guard lock(mutex);
  const std::uint32_t changes = storage->recorded_changes();
  if (view_changes.load(std::memory_order_relaxed) == changes) {
    return;
  }
  if (base->storage == storage && (base->requires_grad || base->grad_fn)) {  // else the base has other elements now
    check(view_origin == ViewOrigin::kRecording, "autograd: ", describe(Tensor(IntrusivePtr<TensorImpl>(this))), " is ",
          origin_name(view_origin),
          ", and a recorded operation has changed the elements under it in place: need the view and the change both "
          "recorded, or neither");
    ThreadState recording = thread_state();
    recording.grad_mode = true;
    recording.inference_mode = false;
    const ThreadStateGuard state(recording);
    const Tensor fresh = gradient_ops().as_strided(Tensor(base), geometry_of(*this));
    previous = grad_fn;
    replace_history(*this, fresh.impl().grad_fn, fresh.impl().output_nr);
  }
  view_changes.store(changes, std::memory_order_release);
}

void check_inplace(std::string_view op, const Tensor& self, bool recorded) {
  run_deferred_work();  // it may have to read what is about to change
  const TensorImpl& impl = self.impl();
  check(!impl.is_inference || InferenceMode::is_enabled(), op, ": ", describe(self),
        " was made in inference mode: need that mode for a change in place; clone() gives a normal tensor");
  if (!impl.is_contiguous) {
    for (std::size_t d = 0; d < impl.sizes.size(); ++d) {
      check(impl.strides[d] != 0 || impl.sizes[d] <= 1, op, ": ", describe(self),
            " has elements that share memory: need a tensor whose elements are its own; clone() gives one");
    }
  }
  if (!GradMode::is_enabled()) {
    return;
  }
  constexpr const char* kNeed = ": need a NoGradGuard around the change, or an operation that is not in place";
  check(!(self.is_leaf() && impl.requires_grad), op, ": ", describe(self), " is a leaf that requires a gradient",
        kNeed);
  if (!impl.base) {
    return;
  }
  const TensorImpl& base = *impl.base;
  check(!(base.requires_grad && !base.grad_fn), op, ": ", describe(self),
        " is a view of a leaf that requires a gradient", kNeed);
  check(impl.view_origin == ViewOrigin::kRecording || !(recorded || base.requires_grad || base.grad_fn), op, ": ",
        describe(self), " is ", origin_name(impl.view_origin),
        ": need the view and the change both recorded, or neither");
  check(!recorded || base.storage == impl.storage, op, ": ", describe(self),
        " is a view of a tensor that set_data() has given other elements", kNeed);
  check(!(recorded && impl.grad_fn && !base.grad_fn), op, ": ", describe(self),
        " is on the tape, but detach_() has taken off it the tensor that it is a view of", kNeed);
}

void rebase_history(const Tensor& self, IntrusivePtr<Node> node, std::uint32_t output_nr) {
  TensorImpl& impl = self.impl();
  if (!impl.base) {
    replace_history(impl, std::move(node), output_nr);
    impl.storage->bump_recorded_changes();
    return;
  }
  const Tensor base(impl.base);
  replace_history(base.impl(), Node::make<CopySlices>(base, geometry_of(impl), std::move(node), output_nr), 0);
  impl.storage->bump_recorded_changes();
  impl.remake_history();  // at once: what is changed here is no business of other closures of a parallel()
}

}  // namespace backflow

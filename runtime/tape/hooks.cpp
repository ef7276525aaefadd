#include <backflow/runtime/tape/hooks.h>

#include <algorithm>
#include <atomic>

#include <backflow/runtime/tape/accumulate_grad.h>

namespace backflow {
namespace {

/// What a hook may make of a gradient: another of the same shape and dtype.
void check_result(const char* kind, const Tensor& gradient, const Tensor& result) {
  check(!result.defined() || !gradient.defined() ||
            (result.sizes() == gradient.sizes() && result.scalar_type() == gradient.scalar_type()),
        kind, ": returned ", describe(result), " for a gradient ", describe(gradient),
        ": need the same shape and dtype");
}

/// An empty list leaves all gradients as they are.
void replace_all(const char* kind, std::span<Tensor> gradients, variable_list results) {
  if (results.empty()) {
    return;
  }
  check(results.size() == gradients.size(), kind, ": returned ", results.size(), " gradients: need ", gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    check_result(kind, gradients[i], results[i]);
    gradients[i] = std::move(results[i]);
  }
}

/// Hooks that are one function.
class FunctionPre final : public FunctionPreHook {
 public:
  using F = std::function<variable_list(const variable_list&)>;
  explicit FunctionPre(F f) : f_(std::move(f)) {}
  variable_list operator()(const variable_list& grads) override { return f_(grads); }

 private:
  F f_;
};

class FunctionPost final : public FunctionPostHook {
 public:
  using F = std::function<variable_list(const variable_list&, const variable_list&)>;
  explicit FunctionPost(F f) : f_(std::move(f)) {}
  variable_list operator()(const variable_list& grad_inputs, const variable_list& grad_outputs) override {
    return f_(grad_inputs, grad_outputs);
  }

 private:
  F f_;
};

template <class List>
bool remove_from(List& list, std::uint64_t id) {
  return std::erase_if(list, [id](const auto& entry) { return entry.first == id; }) > 0;
}

RemovableHandle handle(std::shared_ptr<NodeHooks> hooks, std::uint64_t id) {
  return RemovableHandle([hooks = std::move(hooks), id] { hooks->remove(id); });
}

}  // namespace

std::uint64_t NodeHooks::next_number() {
  static std::atomic<std::uint64_t> count{0};
  return count.fetch_add(1, std::memory_order_relaxed);
}

template <class Hook>
std::uint64_t NodeHooks::add(List<Hook>& list, Hook hook) {
  const std::lock_guard lock(mutex_);
  list.emplace_back(next_id_, std::move(hook));
  return next_id_++;
}

/// A copy of a list, to be run while a hook may remove itself or add others.
template <class Hooks>
Hooks NodeHooks::snapshot(const Hooks& list) const {
  const std::lock_guard lock(mutex_);
  return list;
}

std::uint64_t NodeHooks::add_tensor_hook(std::uint32_t output_nr, TensorHook hook, Undefined undefined) {
  return add(tensor_hooks_, OutputHook{output_nr, undefined == Undefined::kPassed, std::move(hook)});
}

std::uint64_t NodeHooks::add_pre_hook(std::shared_ptr<FunctionPreHook> hook) {
  return add(pre_hooks_, std::move(hook));
}

std::uint64_t NodeHooks::add_post_hook(std::shared_ptr<FunctionPostHook> hook) {
  return add(post_hooks_, std::move(hook));
}

std::uint64_t NodeHooks::add_accumulate_hook(AccumulateHook hook) { return add(accumulate_hooks_, std::move(hook)); }

bool NodeHooks::remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  return remove_from(tensor_hooks_, id) || remove_from(pre_hooks_, id) || remove_from(post_hooks_, id) ||
         remove_from(accumulate_hooks_, id);
}

void NodeHooks::retain_grad(std::uint32_t output_nr, IntrusivePtr<AutogradMeta> meta) {
  const std::lock_guard lock(mutex_);
  retained_.emplace_back(output_nr, std::move(meta));
}

void NodeHooks::release_grad(const AutogradMeta& meta) {
  const std::lock_guard lock(mutex_);
  std::erase_if(retained_, [&meta](const auto& entry) { return entry.second.get() == &meta; });
}

void NodeHooks::run_tensor_hooks(std::span<Tensor> dy) const {
  for (const auto& [id, entry] : snapshot(tensor_hooks_)) {
    Tensor& gradient = dy[entry.output_nr];
    if (gradient.defined() || entry.takes_undefined) {
      Tensor result = entry.hook(gradient);
      if (result.defined()) {
        check_result("tensor hook", gradient, result);
        gradient = std::move(result);
      }
    }
  }
}

void NodeHooks::run_retain_grad(std::span<const Tensor> dy) const {
  for (const auto& [output_nr, meta] : snapshot(retained_)) {
    if (dy[output_nr].defined()) {
      retain_in(*meta, dy[output_nr]);
    }
  }
}

void NodeHooks::run_pre_hooks(std::span<Tensor> dy) const {
  for (const auto& [id, hook] : snapshot(pre_hooks_)) {
    replace_all("pre-hook", dy, (*hook)({dy.begin(), dy.end()}));
  }
}

void NodeHooks::run_post_hooks(std::span<Tensor> dx, std::span<const Tensor> dy) const {
  for (const auto& [id, hook] : snapshot(post_hooks_)) {
    replace_all("post-hook", dx, (*hook)({dx.begin(), dx.end()}, {dy.begin(), dy.end()}));
  }
}

void NodeHooks::run_accumulate_hooks(const Tensor& leaf) const {
  for (const auto& [id, hook] : snapshot(accumulate_hooks_)) {
    hook(leaf);
  }
}

bool NodeHooks::takes_gradients() const {
  const std::lock_guard lock(mutex_);
  return !(tensor_hooks_.empty() && pre_hooks_.empty() && post_hooks_.empty() && retained_.empty());
}

bool NodeHooks::has_post_hooks() const {
  const std::lock_guard lock(mutex_);
  return !post_hooks_.empty();
}

const std::shared_ptr<NodeHooks>& Node::make_hooks() {
  if (!hooks_) {
    hooks_ = std::make_shared<NodeHooks>();
  }
  return hooks_;
}

void Node::add_pre_hook(std::unique_ptr<FunctionPreHook>&& hook) { make_hooks()->add_pre_hook(std::move(hook)); }

std::uintptr_t Node::add_post_hook(std::unique_ptr<FunctionPostHook>&& hook) {
  return make_hooks()->add_post_hook(std::move(hook));
}

bool Node::del_post_hook(std::uintptr_t key) { return hooks() != nullptr && hooks()->remove(key); }

RemovableHandle Node::register_hook(FunctionPost::F hook) {
  return handle(make_hooks(), make_hooks()->add_post_hook(std::make_shared<FunctionPost>(std::move(hook))));
}

RemovableHandle Node::register_prehook(FunctionPre::F hook) {
  return handle(make_hooks(), make_hooks()->add_pre_hook(std::make_shared<FunctionPre>(std::move(hook))));
}

std::shared_ptr<NodeHooks> hooks_of(const Tensor& x) {
  if (!x.is_leaf()) {
    return x.grad_fn()->make_hooks();
  }
  const IntrusivePtr<Node> accumulator = AccumulateGrad::of(x);
  AutogradMeta& meta = x.impl().meta();
  const std::lock_guard lock(meta.mutex);
  meta.leaf_hooks = accumulator->make_hooks();
  return meta.leaf_hooks;
}

unsigned Tensor::add_hook(NodeHooks::TensorHook hook) const {
  check(requires_grad(), "register_hook: ", describe(*this), " requires no gradient: need one that does");
  const std::shared_ptr<NodeHooks> hooks = hooks_of(*this);
  const std::uint64_t id = hooks->add_tensor_hook(output_nr(), std::move(hook));
  auto& registered = impl().meta().tensor_hooks;
  registered.emplace_back(hooks, id);
  return static_cast<unsigned>(registered.size() - 1);
}

void Tensor::remove_hook(unsigned id) const {
  const TensorImpl& self = impl();
  check(self.autograd && id < self.autograd->tensor_hooks.size(), "remove_hook: ", id, " of ", describe(*this),
        ": need a number that register_hook of this tensor returned");
  const auto& [hooks, key] = self.autograd->tensor_hooks[id];
  if (const std::shared_ptr<NodeHooks> alive = hooks.lock()) {
    alive->remove(key);
  }
}

void Tensor::retain_grad() const {
  check(requires_grad(), "retain_grad: ", describe(*this), " requires no gradient: need one that does");
  AutogradMeta& meta = impl().meta();
  if (is_leaf() || meta.retains_grad) {
    return;
  }
  meta.retains_grad = true;
  grad_fn()->make_hooks()->retain_grad(output_nr(), impl().autograd);
}

bool Tensor::retains_grad() const { return impl().autograd && impl().autograd->retains_grad; }

RemovableHandle register_post_accumulate_grad_hook(const Tensor& leaf, NodeHooks::AccumulateHook hook) {
  check(leaf.is_leaf() && leaf.requires_grad(), "register_post_accumulate_grad_hook: ", describe(leaf),
        ": need a leaf that requires a gradient");
  const std::shared_ptr<NodeHooks> hooks = hooks_of(leaf);
  return handle(hooks, hooks->add_accumulate_hook(std::move(hook)));
}

}  // namespace backflow

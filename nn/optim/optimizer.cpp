#include <backflow/nn/optim/optimizer.h>

#include <algorithm>

#include <backflow/nn/module.h>
#include <backflow/ops/creation/creation.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/optimizers/fused_update.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::optim {
namespace {

constexpr const char* kStep = "step";

/// The elements of `x` one after the other; `x` itself where they are.
Tensor row_major(const Tensor& x) { return x.is_contiguous() ? x : contiguous(x); }

Tensor& find_or_insert(Optimizer::NamedTensors& state, const char* name, double value, IntArrayRef sizes,
                       ScalarType dtype) {
  Tensor* const found = state.find(name);
  return found != nullptr ? *found : state.insert(name, full(sizes, value, dtype));
}

/// Throws Error for a gradient that does not fit its parameter.
void check_gradient(const Tensor& parameter) {
  const Tensor& grad = parameter.grad();
  check(grad.sizes() == parameter.sizes() && grad.scalar_type() == parameter.scalar_type(), "optimizer: gradient ",
        describe(grad), " of a parameter ", describe(parameter), ": need the parameter's shape and dtype");
}

}  // namespace

OptimizerOptions& OptimizerParamGroup::options() const {
  check(options_ != nullptr, "optimizer: a group of ", params_.size(),
        " parameters has no options yet: need set_options");
  return *options_;
}

void Optimizer::add_param_group(OptimizerParamGroup group) {
  if (!group.has_options()) {
    group.set_options(defaults_->clone());
  }
  check_options(group.options());
  std::unordered_map<const TensorImpl*, std::size_t> numbers;
  for (std::size_t i = 0; i < group.params().size(); ++i) {
    const Tensor& p = group.params()[i];
    check(p.defined(), "optimizer: parameter ", i, " of the group is undefined: need a tensor");
    check(p.is_leaf() && p.is_floating_point(), "optimizer: parameter ", i, " of the group, ", describe(p),
          ": need a floating-point leaf");
    check(!by_tensor_.contains(&p.impl()) && numbers.emplace(&p.impl(), i).second, "optimizer: parameter ", i,
          " of the group, ", describe(p), ", is there already: need each parameter once");
  }
  for (const Tensor& p : group.params()) {
    entries_.push_back(std::make_unique<Entry>(Entry{p, groups_.size(), {}}));
    by_tensor_.emplace(&p.impl(), entries_.back().get());
  }
  groups_.push_back(std::move(group));
}

void Optimizer::add_param_groups(std::vector<OptimizerParamGroup> groups) {
  for (OptimizerParamGroup& group : groups) {
    add_param_group(std::move(group));
  }
}

std::vector<OptimizerParamGroup> Optimizer::one_group(std::vector<Tensor> params) {
  std::vector<OptimizerParamGroup> groups;
  groups.emplace_back(std::move(params));
  return groups;
}

const Optimizer::Entry& Optimizer::entry(const Tensor& parameter) const {
  const auto found = parameter.defined() ? by_tensor_.find(&parameter.impl()) : by_tensor_.end();
  check(found != by_tensor_.end(), "optimizer: ", describe(parameter), " is no parameter of this optimizer: need one");
  return *found->second;
}

kernels::UpdateOperand Optimizer::operand_of(Entry& entry, const StateKept& kept) const {
  const Tensor& p = entry.parameter;
  kernels::UpdateOperand operand{row_major(p), row_major(p.grad()), {}};
  if (kept.step) {
    operand.step = ++*find_or_insert(entry.state, kStep, 0, {}, kInt64).mutable_data_ptr<std::int64_t>();
  }
  for (std::size_t k = 0; k < kept.tensors.size(); ++k) {
    if (const char* const name = kept.tensors[k]; name != nullptr) {
      operand.new_state = !entry.state.contains(name);
      operand.state[k] = find_or_insert(entry.state, name, kept.initial, p.sizes(), p.scalar_type());
    }
  }
  return operand;
}

/// Updates those of one group that have gradients.
void Optimizer::run_group(std::span<Entry* const> entries) {
  const OptimizerOptions& options = groups_[entries.front()->group].options();
  const StateKept kept = state_kept(options);
  std::vector<Entry*> updated;
  updated.reserve(entries.size());
  for (Entry* const entry : entries) {
    if (entry->parameter.grad().defined()) {
      check_gradient(entry->parameter);
      updated.push_back(entry);
    }
  }
  std::vector<kernels::UpdateOperand> operands;
  operands.reserve(updated.size());
  for (Entry* const entry : updated) {
    operands.push_back(operand_of(*entry, kept));
  }
  update(operands, options);
  for (std::size_t i = 0; i < updated.size(); ++i) {
    const Tensor& p = updated[i]->parameter;
    if (p.is_contiguous()) {
      p.impl().storage->bump_version();
    } else {
      p.copy_(operands[i].parameter);
    }
  }
}

void Optimizer::run(std::span<Entry* const> entries) {
  const NoGradGuard no_grad;
  for (auto begin = entries.begin(); begin != entries.end();) {
    const auto end = std::find_if(begin, entries.end(), [&](const Entry* e) { return e->group != (*begin)->group; });
    run_group({begin, end});
    begin = end;
  }
}

Tensor Optimizer::step(const LossClosure& closure) {
  Tensor loss;
  if (closure) {
    const AutoGradMode recording(true);
    loss = closure();
  }
  std::vector<Entry*> all;
  all.reserve(entries_.size());
  for (const auto& e : entries_) {
    all.push_back(e.get());
  }
  run(all);
  return loss;
}

void Optimizer::step_parameters(std::span<const Tensor> parameters) {
  std::vector<Entry*> some;
  some.reserve(parameters.size());
  for (const Tensor& p : parameters) {
    some.push_back(const_cast<Entry*>(&entry(p)));
  }
  run(some);
}

float Optimizer::work(std::span<const Tensor> parameters) const {
  constexpr double kBytesPerNanosecond = 10;  // of memory, on one core
  double bytes = 0;
  for (const Tensor& p : parameters) {
    // The gradient is read; the parameter and its state are read and written.
    const StateKept kept = state_kept(groups_[entry(p).group].options());
    const auto tensors = 3 - std::count(kept.tensors.begin(), kept.tensors.end(), nullptr);
    bytes += static_cast<double>(3 + 2 * tensors) * static_cast<double>(p.nbytes());
  }
  return static_cast<float>(bytes / kBytesPerNanosecond);
}

void Optimizer::zero_grad(bool set_to_none) {
  for (const auto& e : entries_) {
    nn::zero_grad(e->parameter, set_to_none);
  }
}

const Optimizer::NamedTensors& Optimizer::state(const Tensor& parameter) const { return entry(parameter).state; }

std::vector<std::string> Optimizer::paths(const NamedTensors& names) const {
  std::unordered_map<const TensorImpl*, std::string> known;
  for (const auto& item : names) {
    known.emplace(&item.value().impl(), item.key());
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const auto found = known.find(&entries_[i]->parameter.impl());
    out.push_back(found == known.end() ? std::to_string(i) : found->second);
  }
  return out;
}

Optimizer::NamedTensors Optimizer::state(const NamedTensors& names) const {
  const std::vector<std::string> parameters = paths(names);
  NamedTensors out;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    for (const auto& item : entries_[i]->state) {
      out.insert(parameters[i] + "." + item.key(), item.value());
    }
  }
  return out;
}

void Optimizer::load_state(const NamedTensors& state, const NamedTensors& names) {
  const std::vector<std::string> parameters = paths(names);
  std::unordered_map<std::string, std::size_t> numbers;
  for (const std::string& path : parameters) {
    numbers.emplace(path, numbers.size());
  }
  std::vector<NamedTensors> loaded(entries_.size());
  for (const auto& item : state) {
    const std::size_t dot = item.key().rfind('.');
    const auto found = numbers.find(item.key().substr(0, dot));
    check(dot != std::string::npos && found != numbers.end(), "optimizer: state '", item.key(),
          "': no parameter has this name; need the state of the same model");
    const Entry& e = *entries_[found->second];
    const std::string name = item.key().substr(dot + 1);
    check(accepts(e, name, item.value()), "optimizer: state '", item.key(), "', ", describe(item.value()),
          ", for a parameter ", describe(e.parameter), ": need the state of the same optimizer and model");
    loaded[found->second].insert(name, clone(item.value().detach()));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    check_complete(*entries_[i], parameters[i], loaded[i]);
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i]->state = std::move(loaded[i]);
  }
}

/// Whether the state of a parameter can hold this tensor under this name.
bool Optimizer::accepts(const Entry& entry, const std::string& name, const Tensor& value) const {
  const StateKept kept = state_kept(groups_[entry.group].options());
  if (!value.defined()) {
    return false;
  }
  if (kept.step && name == kStep) {
    return value.dim() == 0 && value.scalar_type() == kInt64 && *value.const_data_ptr<std::int64_t>() >= 0;
  }
  return std::any_of(kept.tensors.begin(), kept.tensors.end(),
                     [&](const char* known) { return known != nullptr && name == known; }) &&
         value.sizes() == entry.parameter.sizes() && value.scalar_type() == entry.parameter.scalar_type();
}

/// Throws Error for a state of which a part is missing.
void Optimizer::check_complete(const Entry& entry, const std::string& path, const NamedTensors& state) const {
  const StateKept kept = state_kept(groups_[entry.group].options());
  std::vector<const char*> needed(kept.tensors.begin(), kept.tensors.end());
  needed.push_back(kept.step ? kStep : nullptr);
  for (const char* const name : needed) {
    check(name == nullptr || state.is_empty() || state.contains(name), "optimizer: the state of '", path, "' has no '",
          name != nullptr ? name : "", "': need the state of the same optimizer");
  }
}

}  // namespace backflow::optim

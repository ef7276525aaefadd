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

void check_range(const Tensor& parameter, const ElementRange& range) {
  check(range.begin >= 0 && range.numel >= 0 && range.begin + range.numel <= parameter.numel(),
        "optimizer: elements from ", range.begin, " to ", range.begin + range.numel, " of a parameter ",
        describe(parameter), ": need some that it has");
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
  add_state(entry, kept, p.sizes(), operand);
  return operand;
}

/// The state of an update, made if there is none yet.
void Optimizer::add_state(Entry& entry, const StateKept& kept, IntArrayRef sizes,
                          kernels::UpdateOperand& operand) const {
  if (kept.step) {
    operand.step = ++*find_or_insert(entry.state, kStep, 0, {}, kInt64).mutable_data_ptr<std::int64_t>();
  }
  for (std::size_t k = 0; k < kept.tensors.size(); ++k) {
    if (const char* const name = kept.tensors[k]; name != nullptr) {
      operand.new_state = !entry.state.contains(name);
      operand.state[k] = find_or_insert(entry.state, name, kept.initial, sizes, entry.parameter.scalar_type());
    }
  }
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
      check(!entry->range, "optimizer: the state of parameter ", describe(entry->parameter),
            " is that of some of its elements: need step_parts");
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

void Optimizer::step_parts(std::span<const PartialUpdate> updates) {
  const NoGradGuard no_grad;
  for (auto begin = updates.begin(); begin != updates.end();) {
    const std::size_t group = entry(begin->parameter).group;
    const auto end =
        std::find_if(begin, updates.end(), [&](const PartialUpdate& u) { return entry(u.parameter).group != group; });
    run_parts({begin, end});
    begin = end;
  }
}

/// Those of one group.
void Optimizer::run_parts(std::span<const PartialUpdate> updates) {
  const OptimizerOptions& options = groups_[entry(updates.front().parameter).group].options();
  const StateKept kept = state_kept(options);
  std::vector<kernels::UpdateOperand> operands;
  std::vector<Tensor> wholes;  // of which the operands are views
  for (const auto& [parameter, range, gradient] : updates) {
    auto& e = const_cast<Entry&>(entry(parameter));
    check_range(parameter, range);
    check(gradient.sizes() == IntArrayRef({range.numel}) && gradient.scalar_type() == parameter.scalar_type() &&
              gradient.is_contiguous(),
          "optimizer: gradient ", describe(gradient), " of ", range.numel, " elements of a parameter ",
          describe(parameter), ": need one of these elements");
    check(e.state.is_empty() || e.range == range, "optimizer: the state of parameter ", describe(parameter),
          " is not that of the elements from ", range.begin, " to ", range.begin + range.numel, ": need set_state");
    e.range = range;
    wholes.push_back(row_major(parameter));
    wholes.back().mutable_data_ptr();  // row-major from now on, also where it was kept in blocks
    operands.push_back(
        {view_of(wholes.back(), {range.numel}, {1}, wholes.back().impl().offset + range.begin), gradient, {}});
    add_state(e, kept, {range.numel}, operands.back());
  }
  update(operands, options);
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Tensor& p = updates[i].parameter;
    if (p.is_contiguous()) {
      p.impl().storage->bump_version();
    } else {
      p.copy_(wholes[i]);
    }
  }
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

const std::optional<ElementRange>& Optimizer::state_range(const Tensor& parameter) const {
  return entry(parameter).range;
}

void Optimizer::set_state(const Tensor& parameter, ElementRange range, NamedTensors state) {
  check_range(parameter, range);
  auto& e = const_cast<Entry&>(entry(parameter));
  Entry changed{e.parameter, e.group, {}, range};
  for (const auto& item : state) {
    check(accepts(changed, item.key(), item.value()), "optimizer: state '", item.key(), "', ", describe(item.value()),
          ", for ", range.numel, " elements of a parameter ", describe(parameter),
          ": need the state of the same optimizer and elements");
  }
  check_complete(changed, to_text(describe(parameter)), state);
  changed.state = std::move(state);
  e = std::move(changed);
}

std::vector<std::string> Optimizer::state_names(const Tensor& parameter) const {
  const StateKept kept = state_kept(groups_[entry(parameter).group].options());
  std::vector<std::string> names;
  if (kept.step) {
    names.emplace_back(kStep);
  }
  for (const char* const name : kept.tensors) {
    if (name != nullptr) {
      names.emplace_back(name);
    }
  }
  return names;
}

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
    check(accepts({e.parameter, e.group, {}}, name, item.value()), "optimizer: state '", item.key(), "', ",
          describe(item.value()), ", for a parameter ", describe(e.parameter),
          ": need the state of the same optimizer and model");
    loaded[found->second].insert(name, clone(item.value().detach()));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    check_complete(*entries_[i], parameters[i], loaded[i]);
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i]->state = std::move(loaded[i]);
    entries_[i]->range.reset();
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
         value.sizes() == (entry.range ? IntArrayRef(entry.range->numel) : entry.parameter.sizes()) &&
         value.scalar_type() == entry.parameter.scalar_type();
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

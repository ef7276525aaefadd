#include <backflow/nn/optim/optimizer.h>

#include <backflow/nn/module.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/grad_mode.h>

namespace backflow::optim {

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

const Optimizer::Entry& Optimizer::entry(const Tensor& parameter) const {
  const auto found = parameter.defined() ? by_tensor_.find(&parameter.impl()) : by_tensor_.end();
  check(found != by_tensor_.end(), "optimizer: ", describe(parameter), " is no parameter of this optimizer: need one");
  return *found->second;
}

void Optimizer::run(std::span<Entry* const> entries) {
  const NoGradGuard no_grad;
  std::vector<Update> updates;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Entry& e = *entries[i];
    const Tensor& grad = e.parameter.grad();
    if (grad.defined()) {
      check(grad.sizes() == e.parameter.sizes() && grad.scalar_type() == e.parameter.scalar_type(),
            "optimizer: gradient ", describe(grad), " of a parameter ", describe(e.parameter),
            ": need the parameter's shape and dtype");
      updates.push_back({e.parameter, &e.state});
    }
    const bool group_ends = i + 1 == entries.size() || entries[i + 1]->group != e.group;
    if (group_ends && !updates.empty()) {
      update(updates, groups_[e.group].options());
      updates.clear();
    }
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
    const int moved = 3 + 2 * state_tensors(groups_[entry(p).group].options());
    bytes += moved * static_cast<double>(p.nbytes());
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
  std::unordered_map<std::string, std::size_t> numbers;
  for (const std::string& path : paths(names)) {
    numbers.emplace(path, numbers.size());
  }
  std::vector<NamedTensors> loaded(entries_.size());
  for (const auto& item : state) {
    const std::size_t dot = item.key().rfind('.');
    const auto found = numbers.find(item.key().substr(0, dot));
    check(dot != std::string::npos && found != numbers.end(), "optimizer: state '", item.key(),
          "': no parameter has this name; need the state of the same model");
    const Tensor& p = entries_[found->second]->parameter;
    const std::string name = item.key().substr(dot + 1);
    check(item.value().defined() && accepts(p, name, item.value()), "optimizer: state '", item.key(), "', ",
          describe(item.value()), ", for a parameter ", describe(p),
          ": need the state of the same optimizer and model");
    loaded[found->second].insert(name, clone(item.value().detach()));
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i]->state = std::move(loaded[i]);
  }
}

}  // namespace backflow::optim

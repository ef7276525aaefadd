#include <backflow/nn/optim/adagrad.h>

#include <backflow/nn/optim/option_values_internal.h>
#include <backflow/ops/kernels/optimizers/adagrad_update.h>

namespace backflow::optim {

std::unique_ptr<OptimizerOptions> AdagradOptions::clone() const { return std::make_unique<AdagradOptions>(*this); }

void AdagradOptions::serialize(serialize::OutputArchive& archive) const {
  archive.write("lr", lr_);
  archive.write("lr_decay", lr_decay_);
  archive.write("weight_decay", weight_decay_);
  archive.write("initial_accumulator_value", initial_accumulator_value_);
  archive.write("eps", eps_);
}

void AdagradOptions::serialize(serialize::InputArchive& archive) {
  detail::read_option(archive, "lr", lr_);
  detail::read_option(archive, "lr_decay", lr_decay_);
  detail::read_option(archive, "weight_decay", weight_decay_);
  detail::read_option(archive, "initial_accumulator_value", initial_accumulator_value_);
  detail::read_option(archive, "eps", eps_);
}

Adagrad::Adagrad(std::vector<OptimizerParamGroup> groups, AdagradOptions defaults) : Optimizer(defaults.clone()) {
  Adagrad::check_options(defaults);
  add_param_groups(std::move(groups));
}

Adagrad::Adagrad(std::vector<Tensor> params, AdagradOptions defaults)
    : Adagrad(one_group(std::move(params)), defaults) {}

void Adagrad::check_options(const OptimizerOptions& options) const {
  const auto* o = dynamic_cast<const AdagradOptions*>(&options);
  check(o != nullptr, "adagrad: the options of a group are another optimizer's: need its own");
  check(o->lr() >= 0, "adagrad: lr ", o->lr(), ": need a number >= 0");
  check(o->lr_decay() >= 0, "adagrad: lr_decay ", o->lr_decay(), ": need a number >= 0");
  check(o->weight_decay() >= 0, "adagrad: weight_decay ", o->weight_decay(), ": need a number >= 0");
  check(o->initial_accumulator_value() >= 0, "adagrad: initial_accumulator_value ", o->initial_accumulator_value(),
        ": need a number >= 0");
  check(o->eps() >= 0, "adagrad: eps ", o->eps(), ": need a number >= 0");
}

Adagrad::StateKept Adagrad::state_kept(const OptimizerOptions& options) const {
  return {.tensors = {"sum"}, .initial = static_cast<const AdagradOptions&>(options).initial_accumulator_value()};
}

void Adagrad::update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const {
  const auto& o = static_cast<const AdagradOptions&>(options);
  kernels::adagrad_update(operands, {o.lr(), o.lr_decay(), o.eps(), o.weight_decay()});
}

}  // namespace backflow::optim

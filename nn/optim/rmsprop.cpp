#include <backflow/nn/optim/rmsprop.h>

#include <backflow/nn/optim/option_values_internal.h>
#include <backflow/ops/kernels/optimizers/rmsprop_update.h>

namespace backflow::optim {

std::unique_ptr<OptimizerOptions> RMSpropOptions::clone() const { return std::make_unique<RMSpropOptions>(*this); }

void RMSpropOptions::serialize(serialize::OutputArchive& archive) const {
  archive.write("lr", lr_);
  archive.write("alpha", alpha_);
  archive.write("eps", eps_);
  archive.write("weight_decay", weight_decay_);
  archive.write("momentum", momentum_);
  archive.write("centered", centered_);
}

void RMSpropOptions::serialize(serialize::InputArchive& archive) {
  detail::read_option(archive, "lr", lr_);
  detail::read_option(archive, "alpha", alpha_);
  detail::read_option(archive, "eps", eps_);
  detail::read_option(archive, "weight_decay", weight_decay_);
  detail::read_option(archive, "momentum", momentum_);
  detail::read_option(archive, "centered", centered_);
}

RMSprop::RMSprop(std::vector<OptimizerParamGroup> groups, RMSpropOptions defaults) : Optimizer(defaults.clone()) {
  RMSprop::check_options(defaults);
  add_param_groups(std::move(groups));
}

RMSprop::RMSprop(std::vector<Tensor> params, RMSpropOptions defaults)
    : RMSprop(one_group(std::move(params)), defaults) {}

void RMSprop::check_options(const OptimizerOptions& options) const {
  const auto* o = dynamic_cast<const RMSpropOptions*>(&options);
  check(o != nullptr, "rmsprop: the options of a group are another optimizer's: need its own");
  check(o->lr() >= 0, "rmsprop: lr ", o->lr(), ": need a number >= 0");
  check(o->alpha() >= 0, "rmsprop: alpha ", o->alpha(), ": need a number >= 0");
  check(o->eps() >= 0, "rmsprop: eps ", o->eps(), ": need a number >= 0");
  check(o->weight_decay() >= 0, "rmsprop: weight_decay ", o->weight_decay(), ": need a number >= 0");
  check(o->momentum() >= 0, "rmsprop: momentum ", o->momentum(), ": need a number >= 0");
}

RMSprop::StateKept RMSprop::state_kept(const OptimizerOptions& options) const {
  const auto& o = static_cast<const RMSpropOptions&>(options);
  return {
      .tensors = {"square_avg", o.momentum() > 0 ? "momentum_buffer" : nullptr, o.centered() ? "grad_avg" : nullptr}};
}

void RMSprop::update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const {
  const auto& o = static_cast<const RMSpropOptions&>(options);
  kernels::rmsprop_update(operands, {o.lr(), o.alpha(), o.eps(), o.weight_decay(), o.momentum()});
}

}  // namespace backflow::optim

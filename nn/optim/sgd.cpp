#include <backflow/nn/optim/sgd.h>

#include <backflow/nn/optim/option_values_internal.h>
#include <backflow/ops/kernels/optimizers/sgd_update.h>

namespace backflow::optim {

void SGDOptions::serialize(serialize::OutputArchive& archive) const {
  archive.write("lr", lr_);
  archive.write("momentum", momentum_);
  archive.write("dampening", dampening_);
  archive.write("weight_decay", weight_decay_);
  archive.write("nesterov", nesterov_);
}

void SGDOptions::serialize(serialize::InputArchive& archive) {
  detail::read_option(archive, "lr", lr_);
  detail::read_option(archive, "momentum", momentum_);
  detail::read_option(archive, "dampening", dampening_);
  detail::read_option(archive, "weight_decay", weight_decay_);
  detail::read_option(archive, "nesterov", nesterov_);
}

SGD::SGD(std::vector<OptimizerParamGroup> groups, SGDOptions defaults) : Optimizer(defaults.clone()) {
  SGD::check_options(defaults);
  add_param_groups(std::move(groups));
}

SGD::SGD(std::vector<Tensor> params, SGDOptions defaults) : SGD(one_group(std::move(params)), defaults) {}

void SGD::check_options(const OptimizerOptions& options) const {
  const auto* o = dynamic_cast<const SGDOptions*>(&options);
  check(o != nullptr, "sgd: the options of a group are another optimizer's: need SGDOptions");
  check(o->lr() >= 0, "sgd: lr ", o->lr(), ": need a number >= 0");
  check(o->momentum() >= 0, "sgd: momentum ", o->momentum(), ": need a number >= 0");
  check(o->weight_decay() >= 0, "sgd: weight_decay ", o->weight_decay(), ": need a number >= 0");
  check(!o->nesterov() || (o->momentum() > 0 && o->dampening() == 0), "sgd: nesterov with momentum ", o->momentum(),
        " and dampening ", o->dampening(), ": need momentum > 0 and no dampening");
}

SGD::StateKept SGD::state_kept(const OptimizerOptions& options) const {
  const bool momentum = static_cast<const SGDOptions&>(options).momentum() != 0;
  return {.tensors = {momentum ? "momentum_buffer" : nullptr}, .step = false};
}

void SGD::update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const {
  const auto& o = static_cast<const SGDOptions&>(options);
  kernels::sgd_update(operands, {o.lr(), o.momentum(), o.dampening(), o.weight_decay(), o.nesterov()});
}

}  // namespace backflow::optim

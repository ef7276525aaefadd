#include <backflow/nn/optim/sgd.h>

#include <backflow/ops/functions.h>
#include <backflow/ops/kernels/fused_update.h>

namespace backflow::optim {
namespace {

constexpr const char* kBuffer = "momentum_buffer";

std::vector<OptimizerParamGroup> one_group(std::vector<Tensor> params) {
  std::vector<OptimizerParamGroup> groups;
  groups.emplace_back(std::move(params));
  return groups;
}

/// The elements of `x` one after the other; `x` itself where they are.
Tensor row_major(const Tensor& x) { return x.is_contiguous() ? x : contiguous(x); }

}  // namespace

SGD::SGD(std::vector<OptimizerParamGroup> groups, SGDOptions defaults) : Optimizer(defaults.clone()) {
  SGD::check_options(defaults);
  for (OptimizerParamGroup& group : groups) {
    add_param_group(std::move(group));
  }
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

void SGD::update(std::span<const Update> updates, const OptimizerOptions& options) {
  const auto& o = static_cast<const SGDOptions&>(options);
  std::vector<kernels::SgdOperand> operands;
  operands.reserve(updates.size());
  for (const Update& update : updates) {
    const Tensor& p = update.parameter;
    kernels::SgdOperand operand{row_major(p), row_major(p.grad()), {}};
    if (o.momentum() != 0) {
      const Tensor* buffer = update.state->find(kBuffer);
      operand.first_step = buffer == nullptr;
      operand.momentum_buffer =
          buffer != nullptr ? *buffer : update.state->insert(kBuffer, empty_tensor(p.sizes(), p.scalar_type()));
    }
    operands.push_back(std::move(operand));
  }
  kernels::sgd_update(operands, {o.lr(), o.momentum(), o.dampening(), o.weight_decay(), o.nesterov()});
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Tensor& p = updates[i].parameter;
    if (p.is_contiguous()) {
      p.impl().storage->bump_version();
    } else {
      p.copy_(operands[i].parameter);
    }
  }
}

int SGD::state_tensors(const OptimizerOptions& options) const {
  return static_cast<const SGDOptions&>(options).momentum() != 0 ? 1 : 0;
}

bool SGD::accepts(const Tensor& parameter, const std::string& name, const Tensor& value) const {
  return name == kBuffer && value.sizes() == parameter.sizes() && value.scalar_type() == parameter.scalar_type();
}

}  // namespace backflow::optim

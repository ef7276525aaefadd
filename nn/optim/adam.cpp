#include <backflow/nn/optim/adam.h>

#include <backflow/nn/optim/adamw.h>
#include <backflow/nn/optim/option_values_internal.h>
#include <backflow/ops/kernels/optimizers/adam_update.h>

namespace backflow::optim {
namespace {

using kernels::WeightDecay;

constexpr const char* kStep = "step";
constexpr const char* kTensors[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

template <class Options>
void check_numbers(const char* name, const Options* o) {
  check(o != nullptr, name, ": the options of a group are another optimizer's: need its own");
  const auto [beta1, beta2] = o->betas();
  check(o->lr() >= 0, name, ": lr ", o->lr(), ": need a number >= 0");
  check(o->eps() >= 0, name, ": eps ", o->eps(), ": need a number >= 0");
  check(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, name, ": betas ", beta1, " and ", beta2,
        ": need numbers in [0, 1)");
  check(o->weight_decay() >= 0, name, ": weight_decay ", o->weight_decay(), ": need a number >= 0");
}

std::array<const char*, 3> tensors_of(bool amsgrad) {
  return {kTensors[0], kTensors[1], amsgrad ? kTensors[2] : nullptr};
}

template <class Options>
void adam(std::span<const kernels::UpdateOperand> operands, const Options& o, WeightDecay decay) {
  const auto [beta1, beta2] = o.betas();
  kernels::adam_update(operands, {o.lr(), beta1, beta2, o.eps(), o.weight_decay(), decay});
}

}  // namespace

template <class Self>
std::unique_ptr<OptimizerOptions> detail::AdamOptionsOf<Self>::clone() const {
  return std::make_unique<Self>(static_cast<const Self&>(*this));
}

template <class Self>
void detail::AdamOptionsOf<Self>::serialize(serialize::OutputArchive& archive) const {
  archive.write("lr", lr_);
  archive.write("betas.0", std::get<0>(betas_));
  archive.write("betas.1", std::get<1>(betas_));
  archive.write("eps", eps_);
  archive.write("weight_decay", weight_decay_);
  archive.write("amsgrad", amsgrad_);
}

template <class Self>
void detail::AdamOptionsOf<Self>::serialize(serialize::InputArchive& archive) {
  detail::read_option(archive, "lr", lr_);
  detail::read_option(archive, "betas.0", std::get<0>(betas_));
  detail::read_option(archive, "betas.1", std::get<1>(betas_));
  detail::read_option(archive, "eps", eps_);
  detail::read_option(archive, "weight_decay", weight_decay_);
  detail::read_option(archive, "amsgrad", amsgrad_);
}

template class detail::AdamOptionsOf<AdamOptions>;
template class detail::AdamOptionsOf<AdamWOptions>;

AdamParamState::AdamParamState(const Optimizer::NamedTensors& state) {
  check(state.contains(kStep) && state.contains(kTensors[0]) && state.contains(kTensors[1]),
        "adam: a state without 'step', 'exp_avg' or 'exp_avg_sq': need the state of a parameter after its first step");
  step_ = *state[kStep].const_data_ptr<std::int64_t>();
  exp_avg_ = state[kTensors[0]];
  exp_avg_sq_ = state[kTensors[1]];
  if (const Tensor* const largest = state.find(kTensors[2])) {
    max_exp_avg_sq_ = *largest;
  }
}

Adam::Adam(std::vector<OptimizerParamGroup> groups, AdamOptions defaults) : Optimizer(defaults.clone()) {
  Adam::check_options(defaults);
  add_param_groups(std::move(groups));
}

Adam::Adam(std::vector<Tensor> params, AdamOptions defaults) : Adam(one_group(std::move(params)), defaults) {}

void Adam::check_options(const OptimizerOptions& options) const {
  check_numbers("adam", dynamic_cast<const AdamOptions*>(&options));
}

Adam::StateKept Adam::state_kept(const OptimizerOptions& options) const {
  return {.tensors = tensors_of(static_cast<const AdamOptions&>(options).amsgrad())};
}

void Adam::update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const {
  adam(operands, static_cast<const AdamOptions&>(options), WeightDecay::OfGradient);
}

AdamW::AdamW(std::vector<OptimizerParamGroup> groups, AdamWOptions defaults) : Optimizer(defaults.clone()) {
  AdamW::check_options(defaults);
  add_param_groups(std::move(groups));
}

AdamW::AdamW(std::vector<Tensor> params, AdamWOptions defaults) : AdamW(one_group(std::move(params)), defaults) {}

void AdamW::check_options(const OptimizerOptions& options) const {
  check_numbers("adamw", dynamic_cast<const AdamWOptions*>(&options));
}

AdamW::StateKept AdamW::state_kept(const OptimizerOptions& options) const {
  return {.tensors = tensors_of(static_cast<const AdamWOptions&>(options).amsgrad())};
}

void AdamW::update(std::span<const kernels::UpdateOperand> operands, const OptimizerOptions& options) const {
  adam(operands, static_cast<const AdamWOptions&>(options), WeightDecay::OfParameter);
}

}  // namespace backflow::optim

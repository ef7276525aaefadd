#include <backflow/train/run/resume.h>

#include <map>
#include <set>

#include <backflow/distributed/buckets/power_sgd.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::train {
namespace {

using Named = OrderedDict<std::string, Tensor>;

void load_tensors(const std::string& path, const std::string& kind, const io::NamedTensors& from, const Named& to) {
  const NoGradGuard no_grad;
  check(to.size() == from.size(), path, ": ", from.size(), " ", kind, "s: the model of the configuration has ",
        to.size());
  const std::map<std::string, Tensor> saved(from.begin(), from.end());
  for (const auto& item : to) {
    const auto it = saved.find(item.key());
    check(it != saved.end(), path, ": no ", kind, " '", item.key(), "': the model of the configuration has one");
    const Tensor& value = item.value();
    check(it->second.sizes() == value.sizes() && it->second.scalar_type() == value.scalar_type(), path, ": ", kind,
          " '", item.key(), "' is ", describe(it->second), ": the model of the configuration needs ", describe(value));
    value.copy_(it->second);
  }
}

}  // namespace

void load_model(const std::string& path, const io::Dump& dump, const nn::Module& module) {
  load_tensors(path, "parameter", dump.parameters, module.named_parameters());
  load_tensors(path, "buffer", dump.buffers, module.named_buffers());
}

io::NamedTensors optimizer_state(const optim::Optimizer& optimizer, const nn::Module& module) {
  return optimizer.state(module.named_parameters()).pairs();
}

void load_optimizer(const io::Dump& dump, optim::Optimizer& optimizer, const nn::Module& module) {
  std::set<const TensorImpl*> own;
  for (const optim::OptimizerParamGroup& group : optimizer.param_groups()) {
    for (const Tensor& parameter : group.params()) {
      own.insert(&parameter.impl());
    }
  }
  const Named parameters = module.named_parameters();
  Named state;
  for (const auto& [name, value] : dump.optimizer) {
    const Tensor* const parameter = parameters.find(name.substr(0, name.rfind('.')));
    // Of a model's parameters, some may be frozen since, or be those of another optimizer.
    const bool is_others = parameter != nullptr && !own.contains(&parameter->impl());
    if (!is_others && !distributed::PowerSgd::is_own(name)) {
      state.insert(name, value);
    }
  }
  optimizer.load_state(state, parameters);
}

void load_trained_model(const std::string& path, const io::Dump& dump, const nn::Module& module) {
  if (dump.trained.empty()) {
    load_model(path, dump, module);
    return;
  }
  const Named buffers = module.named_buffers();
  io::Dump trained;
  for (const auto& [name, value] : dump.trained) {
    (buffers.contains(name) ? trained.buffers : trained.parameters).emplace_back(name, value);
  }
  load_model(path, trained, module);
}

}  // namespace backflow::train

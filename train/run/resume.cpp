#include <backflow/train/run/resume.h>

#include <map>

#include <backflow/distributed/power_sgd.h>
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
  Named state;
  for (const auto& [name, value] : dump.optimizer) {
    if (!distributed::PowerSgd::is_own(name)) {
      state.insert(name, value);
    }
  }
  optimizer.load_state(state, module.named_parameters());
}

}  // namespace backflow::train

#include <backflow/train/resume.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include <backflow/io/config.h>
#include <backflow/io/run_directory.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/grad_mode.h>

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

std::string find_resume(const std::string& resume, const std::string& out) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (resume != "auto") {
    if (!resume.empty() && !fs::is_regular_file(resume, error)) {
      throw io::ConfigError(concat("--resume ", resume,
                                   ": no such file: need a dump, as checkpoints/step-000003752.h5, "
                                   "or auto"));
    }
    return resume;
  }
  if (out.empty()) {
    throw io::ConfigError("--resume auto: no run directory: need --out DIR, whose newest dump is taken");
  }
  std::string newest;
  for (const auto& entry : fs::directory_iterator(fs::path(out) / "checkpoints", error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".h5")) {
      newest = std::max(newest, entry.path().string());
    }
  }
  return newest;
}

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
    state.insert(name, value);
  }
  optimizer.load_state(state, module.named_parameters());
}

}  // namespace backflow::train

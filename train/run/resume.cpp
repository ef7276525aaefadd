#include <backflow/train/run/resume.h>

#include <cstdint>
#include <map>
#include <set>

#include <backflow/distributed/buckets/power_sgd.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::train {
namespace {

using Named = OrderedDict<std::string, Tensor>;

enum class Dtypes : std::uint8_t { Same, Converted };

bool fits(const Tensor& saved, const Tensor& value, Dtypes dtypes) {
  const ScalarType from = saved.scalar_type();
  const ScalarType to = value.scalar_type();
  const bool converts = dtypes == Dtypes::Converted && is_floating_point(from) && is_floating_point(to);
  return saved.sizes() == value.sizes() && (from == to || converts);
}

/// Returns the conversions, as "float64 to float32".
std::set<std::string> load_tensors(const std::string& path, const std::string& kind, const io::NamedTensors& from,
                                   const Named& to, Dtypes dtypes) {
  const NoGradGuard no_grad;
  std::set<std::string> conversions;
  check(to.size() == from.size(), path, ": ", from.size(), " ", kind, "s: the model of the configuration has ",
        to.size());
  const std::map<std::string, Tensor> saved(from.begin(), from.end());
  for (const auto& item : to) {
    const auto it = saved.find(item.key());
    check(it != saved.end(), path, ": no ", kind, " '", item.key(), "': the model of the configuration has one");
    const Tensor& value = item.value();
    check(fits(it->second, value, dtypes), path, ": ", kind, " '", item.key(), "' is ", describe(it->second),
          ": the model of the configuration needs ", describe(value));
    if (it->second.scalar_type() != value.scalar_type()) {
      conversions.insert(to_text(it->second.scalar_type(), " to ", value.scalar_type()));
    }
    value.copy_(backflow::to(it->second, value.scalar_type()));
  }
  return conversions;
}

}  // namespace

std::vector<std::string> load_model(const std::string& path, const io::Dump& dump, const nn::Module& module) {
  std::set<std::string> conversions =
      load_tensors(path, "parameter", dump.parameters, module.named_parameters(), Dtypes::Converted);
  conversions.merge(load_tensors(path, "buffer", dump.buffers, module.named_buffers(), Dtypes::Converted));
  if (dump.reduced_to == io::ElementType::Float16) {
    conversions.insert("float16 to float32");
  }
  std::vector<std::string> notes;
  notes.reserve(conversions.size());
  for (const std::string& conversion : conversions) {
    notes.push_back(path + ": parameters are converted from " + conversion);
  }
  return notes;
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
  check(!dump.reduced_to, path, ": parameters are stored as ", dump.reduced_to.value_or(io::ElementType::Float32),
        ", with fewer digits than were trained: need a dump of the run itself to go on from; --init starts a new run"
        " from this one");
  const Named buffers = module.named_buffers();
  io::Dump trained;
  for (const auto& [name, value] : dump.trained) {
    (buffers.contains(name) ? trained.buffers : trained.parameters).emplace_back(name, value);
  }
  const io::Dump& from = dump.trained.empty() ? dump : trained;
  load_tensors(path, "parameter", from.parameters, module.named_parameters(), Dtypes::Same);
  load_tensors(path, "buffer", from.buffers, buffers, Dtypes::Same);
}

}  // namespace backflow::train

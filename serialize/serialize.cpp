#include <backflow/serialize/serialize.h>

#include <algorithm>
#include <initializer_list>

#include <backflow/serialize/libtorch_optimizer_internal.h>

namespace backflow::serialize {
namespace {

/// The archive itself if it has one of the names, or else that inside of it, under the first usual key that has.
InputArchive place_of(InputArchive& archive, const std::vector<std::string>& names,
                      std::initializer_list<const char*> usual_keys) {
  const auto has_some = [&](const InputArchive& place) {
    const std::vector<std::string> keys = place.keys();
    return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
      return std::find(names.begin(), names.end(), key) != names.end();
    });
  };
  if (has_some(archive)) {
    return archive.here();
  }
  for (const char* const key : usual_keys) {
    InputArchive inside;
    if (archive.try_read(key, inside) && has_some(inside)) {
      return inside;
    }
  }
  return archive.here();
}

template <class Dict>
OutputArchive& write_dictionary(OutputArchive& archive, const Dict& tensors) {
  archive.set_kind("dictionary");
  for (const auto& [name, tensor] : tensors) {
    archive.write(name, tensor);
  }
  return archive;
}

/// All tensors and numbers of an archive by name.
template <class Dict, class Add>
InputArchive& read_dictionary(InputArchive& archive, Dict& tensors, const Add& add) {
  Dict read;
  for (const auto& [name, value] : archive.values()) {
    if (!value.isString()) {
      add(read, name, tensor_of(value));
    }
  }
  tensors = std::move(read);
  return archive;
}

constexpr auto kInsert = [](auto& dict, const std::string& name, const Tensor& x) { dict.insert(name, x); };
constexpr auto kEmplace = [](auto& dict, const std::string& name, const Tensor& x) { dict.emplace(name, x); };

template <class Scheduler>
InputArchive& load_scheduler(InputArchive& archive, Scheduler& scheduler) {
  InputArchive place =
      place_of(archive, scheduler.state_dict().keys(), {"scheduler", "lr_scheduler", "scheduler_state_dict"});
  scheduler.load(place);
  return archive;
}

}  // namespace

OutputArchive& operator<<(OutputArchive& archive, const Tensor& tensor) {
  archive.set_kind("tensor");
  archive.write("0", tensor);
  return archive;
}

InputArchive& operator>>(InputArchive& archive, Tensor& tensor) {
  archive.read("0", tensor);
  return archive;
}

OutputArchive& operator<<(OutputArchive& archive, const std::vector<Tensor>& tensors) {
  archive.set_kind("list");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    archive.write(std::to_string(i), tensors[i]);
  }
  return archive;
}

InputArchive& operator>>(InputArchive& archive, std::vector<Tensor>& tensors) {
  const std::vector<std::string> keys = archive.keys();
  std::vector<Tensor> read(keys.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    archive.read(std::to_string(i), read[i]);
  }
  tensors = std::move(read);
  return archive;
}

OutputArchive& operator<<(OutputArchive& archive, const OrderedDict<std::string, Tensor>& tensors) {
  return write_dictionary(archive, tensors.pairs());
}

InputArchive& operator>>(InputArchive& archive, OrderedDict<std::string, Tensor>& tensors) {
  return read_dictionary(archive, tensors, kInsert);
}

OutputArchive& operator<<(OutputArchive& archive, const std::map<std::string, Tensor>& tensors) {
  return write_dictionary(archive, tensors);
}
InputArchive& operator>>(InputArchive& archive, std::map<std::string, Tensor>& tensors) {
  return read_dictionary(archive, tensors, kEmplace);
}
OutputArchive& operator<<(OutputArchive& archive, const std::unordered_map<std::string, Tensor>& tensors) {
  return write_dictionary(archive, tensors);
}
InputArchive& operator>>(InputArchive& archive, std::unordered_map<std::string, Tensor>& tensors) {
  return read_dictionary(archive, tensors, kEmplace);
}

OutputArchive& operator<<(OutputArchive& archive, const nn::Module& module) {
  archive.set_kind("module");
  module.save(archive);
  return archive;
}

InputArchive& operator>>(InputArchive& archive, nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& item : module.state_dict()) {
    names.push_back(item.key().substr(0, item.key().find('.')));
  }
  InputArchive place = place_of(
      archive, names, {"state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights"});
  module.load(place);
  return archive;
}

OutputArchive& operator<<(OutputArchive& archive, const optim::Optimizer& optimizer) {
  archive.set_kind("optimizer");
  optimizer.save(archive);
  return archive;
}

InputArchive& operator>>(InputArchive& archive, optim::Optimizer& optimizer) {
  InputArchive place = place_of(archive, {"param_groups"}, {"optimizer", "optimizer_state_dict", "optim"});
  if (is_libtorch_optimizer(place)) {
    place = with_pytorch_names(place);
  }
  optimizer.load(place);
  return archive;
}

OutputArchive& operator<<(OutputArchive& archive, const optim::LRScheduler& scheduler) {
  archive.set_kind("scheduler");
  scheduler.save(archive);
  return archive;
}
InputArchive& operator>>(InputArchive& archive, optim::LRScheduler& scheduler) {
  return load_scheduler(archive, scheduler);
}
OutputArchive& operator<<(OutputArchive& archive, const optim::ReduceLROnPlateauScheduler& scheduler) {
  archive.set_kind("scheduler");
  scheduler.save(archive);
  return archive;
}
InputArchive& operator>>(InputArchive& archive, optim::ReduceLROnPlateauScheduler& scheduler) {
  return load_scheduler(archive, scheduler);
}

}  // namespace backflow::serialize

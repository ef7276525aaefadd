#pragma once

#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <backflow/nn/archive/input_archive.h>
#include <backflow/nn/archive/output_archive.h>
#include <backflow/nn/module.h>
#include <backflow/nn/optim/optimizer.h>
#include <backflow/nn/optim/schedulers/lr_scheduler.h>
#include <backflow/nn/optim/schedulers/reduce_on_plateau_scheduler.h>
#include <backflow/nn/ordered_dict.h>

namespace backflow::serialize {

// What can be saved, each with an operator of an archive. A program may add operators for classes of its own, in their
// namespace. Reading throws Error where the archive lacks something, and then changes nothing, unless it says
// otherwise.

/// One tensor. Reading gives a tensor that is undefined that of the file; one that is defined gets the elements.
OutputArchive& operator<<(OutputArchive& archive, const Tensor& tensor);
InputArchive& operator>>(InputArchive& archive, Tensor& tensor);

/// A list of tensors. Reading replaces the list.
OutputArchive& operator<<(OutputArchive& archive, const std::vector<Tensor>& tensors);
InputArchive& operator>>(InputArchive& archive, std::vector<Tensor>& tensors);

/// Tensors by name, as a state_dict. Reading replaces the dictionary.
OutputArchive& operator<<(OutputArchive& archive, const OrderedDict<std::string, Tensor>& tensors);
InputArchive& operator>>(InputArchive& archive, OrderedDict<std::string, Tensor>& tensors);
OutputArchive& operator<<(OutputArchive& archive, const std::map<std::string, Tensor>& tensors);
InputArchive& operator>>(InputArchive& archive, std::map<std::string, Tensor>& tensors);
OutputArchive& operator<<(OutputArchive& archive, const std::unordered_map<std::string, Tensor>& tensors);
InputArchive& operator>>(InputArchive& archive, std::unordered_map<std::string, Tensor>& tensors);

/// Parameters and buffers of a module; see nn::Module::load(). A checkpoint that holds several dictionaries is searched
/// for that of the module under the names that are usual: "state_dict", "model_state_dict", "model", "net", "network",
/// "module", "params", "weights".
OutputArchive& operator<<(OutputArchive& archive, const nn::Module& module);
InputArchive& operator>>(InputArchive& archive, nn::Module& module);

/// State and options of an optimizer; see Optimizer::load_state_dict(). A checkpoint is searched likewise:
/// "optimizer", "optimizer_state_dict", "optim". Files of libtorch's torch::save() are understood too.
OutputArchive& operator<<(OutputArchive& archive, const optim::Optimizer& optimizer);
InputArchive& operator>>(InputArchive& archive, optim::Optimizer& optimizer);

/// What a scheduler remembers; see LRScheduler::load_state_dict(). "scheduler", "lr_scheduler", "scheduler_state_dict".
OutputArchive& operator<<(OutputArchive& archive, const optim::LRScheduler& scheduler);
InputArchive& operator>>(InputArchive& archive, optim::LRScheduler& scheduler);
OutputArchive& operator<<(OutputArchive& archive, const optim::ReduceLROnPlateauScheduler& scheduler);
InputArchive& operator>>(InputArchive& archive, optim::ReduceLROnPlateauScheduler& scheduler);

/// The module, optimizer or scheduler behind a pointer.
template <class T>
OutputArchive& operator<<(OutputArchive& archive, const std::shared_ptr<T>& pointer) {
  check(pointer != nullptr, "save: a null pointer: need an object");
  return archive << *pointer;
}
template <class T>
InputArchive& operator>>(InputArchive& archive, std::shared_ptr<T>& pointer) {
  check(pointer != nullptr, "load: a null pointer: need an object that what is read is loaded into");
  return archive >> *pointer;
}
template <class Contained>
OutputArchive& operator<<(OutputArchive& archive, const nn::ModuleHolder<Contained>& module) {
  return archive << static_cast<const nn::Module&>(*module);
}
template <class Contained>
InputArchive& operator>>(InputArchive& archive, nn::ModuleHolder<Contained>& module) {
  return archive >> static_cast<nn::Module&>(*module);
}

}  // namespace backflow::serialize

namespace backflow {

/// Saves a tensor, a list or dictionary of tensors, a module, an optimizer or a scheduler: to a path, a stream, or a
/// function that takes bytes; see OutputArchive::save_to().
///
///   save(net, "net.pt");            // as torch.save(net.state_dict(), "net.pt") of PyTorch
///   save(net, "net.safetensors");   // also for streams, and where the extension is none of the known ones
///   save(net, "net.h5");            // a dump, which h5py and `backflow train --init` read; needs a build with HDF5
///
/// The file is written in full or not at all. On several ranks, call it on one. Throws Error.
template <class Value, class... Target>
void save(const Value& value, Target&&... target) {
  serialize::OutputArchive archive;
  archive << value;
  archive.save_to(std::forward<Target>(target)...);
}

/// Loads what save(), PyTorch's torch.save() or libtorch's torch::save() has written; see InputArchive::load_from().
/// What a file holds is never executed. Throws Error for files that are damaged or do not fit; `value` is unchanged
/// then.
///
///   load(net, "net.pt");
template <class Value, class... Source>
void load(Value& value, Source&&... source) {
  serialize::InputArchive archive;
  archive.load_from(std::forward<Source>(source)...);
  archive >> value;
}

}  // namespace backflow

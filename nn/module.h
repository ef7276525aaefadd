#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/load_report.h>
#include <backflow/nn/module_holder.h>
#include <backflow/nn/ordered_dict.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::serialize {
class InputArchive;
class OutputArchive;
}  // namespace backflow::serialize

namespace backflow::nn {

/// The base class of modules, as libtorch's: a tree of modules with parameters and buffers. A module defines a function
/// `forward` with any arguments.
///
///   struct Net : nn::Module {
///     Net() { fc = register_module("fc", nn::Linear(784, 10)); }
///     Tensor forward(Tensor x) { return fc(x.flatten(1)); }
///     nn::Linear fc{nullptr};
///   };
///   auto net = std::make_shared<Net>();   // net->parameters(): "fc.weight", "fc.bias"
///
/// Names are joined with dots along the tree, as in PyTorch's state_dict. Throws Error for a name that is empty, has a
/// dot or is taken. A module or parameter that is registered in several places is listed once, under its first name,
/// except in state_dict(). Modules are registered, converted and switched by one thread at a time.
class Module : public std::enable_shared_from_this<Module> {
 public:
  Module() = default;
  /// A module with a name of its own for messages.
  explicit Module(std::string name) : name_(std::move(name)) {}
  virtual ~Module() = default;
  Module(const Module&) = default;
  Module& operator=(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(Module&&) = default;

  /// The full name of the class, as "backflow::nn::LinearImpl", unless the constructor was given a name.
  virtual std::string name() const;
  /// The name for messages and printing: the class without namespace and "Impl", as "Linear", unless the constructor
  /// was given a name.
  std::string class_name() const;

  // ---- to be called by constructors ----
  /// Makes `tensor` a parameter: a leaf that is trained, unless `requires_grad` is false. An undefined tensor reserves
  /// the name of an optional parameter. Throws Error for a tensor that is not a leaf.
  Tensor& register_parameter(std::string name, Tensor tensor, bool requires_grad = true);
  /// Makes `tensor` a buffer: state that is saved but not trained.
  Tensor& register_buffer(std::string name, Tensor tensor);
  /// Adds a child, which must not be empty.
  template <class ModuleType>
  std::shared_ptr<ModuleType> register_module(std::string name, std::shared_ptr<ModuleType> module) {
    register_child(std::move(name), module);
    return module;
  }
  template <class ModuleType>
  std::shared_ptr<ModuleType> register_module(std::string name, ModuleHolder<ModuleType> module) {
    return register_module(std::move(name), module.is_empty() ? nullptr : module.ptr());
  }

  // ---- parameters and buffers, in the order of registration: a module's own, then its children's ----
  std::vector<Tensor> parameters(bool recurse = true) const;
  OrderedDict<std::string, Tensor> named_parameters(bool recurse = true) const;
  std::vector<Tensor> buffers(bool recurse = true) const;
  OrderedDict<std::string, Tensor> named_buffers(bool recurse = true) const;
  /// Parameters and buffers under every name they have, in the order of PyTorch's state_dict.
  OrderedDict<std::string, Tensor> state_dict() const;
  /// Copies the values of a state_dict into parameters and buffers, converted to their dtype where both are
  /// floating-point. Returns the names that did not fit. With `strict`,
  /// throws Error that lists them all and changes nothing unless all fit; without, loads what fits. As in PyTorch, a
  /// `num_batches_tracked` that is not given starts from 0.
  LoadReport load_state_dict(const OrderedDict<std::string, Tensor>& dict, bool strict = true);
  /// Writes parameters and buffers to an archive, and those of each child to one inside of it.
  virtual void save(serialize::OutputArchive& archive) const;
  /// Reads them back into those that there are. Throws Error that lists all parameters and buffers that the archive
  /// lacks or has with another shape, before one of them is changed; a class that overrides it answers for itself.
  /// Other names in the archive are not looked at.
  virtual void load(serialize::InputArchive& archive);
  /// Whether archives have a place for this module.
  virtual bool is_serializable() const { return true; }

  // ---- the tree ----
  /// The module and all below it; the module itself must be owned by a shared_ptr, or left out.
  std::vector<std::shared_ptr<Module>> modules(bool include_self = true) const;
  OrderedDict<std::string, std::shared_ptr<Module>> named_modules(const std::string& name_prefix = {},
                                                                  bool include_self = true) const;
  std::vector<std::shared_ptr<Module>> children() const { return children_.values(); }
  OrderedDict<std::string, std::shared_ptr<Module>> named_children() const { return children_; }
  /// Calls `function` with every module below this one, children before parents, then with this one.
  void apply(const std::function<void(Module&)>& function);

  // ---- changes ----
  /// Sets this module and all below it to training or evaluation; they are in training at first.
  virtual void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const { return is_training_; }
  /// Converts floating-point parameters, their gradients, and floating-point buffers to `dtype`; handles keep their
  /// identity. Throws Error for an integral dtype and for gradients that live in buckets.
  virtual void to(Dtype dtype);
  /// Changes nothing: every device is the CPU.
  virtual void to(Device device, bool non_blocking = false);
  virtual void to(Device device, Dtype dtype, bool non_blocking = false);
  /// Drops the gradients of all parameters, or with `set_to_none` false makes them zero.
  virtual void zero_grad(bool set_to_none = true);

  /// The shape of `forward`'s result for an input of this shape, batch dimension included. Throws Error for a shape
  /// that forward would not take; so a configuration is checked before anything runs. The base class throws Error.
  virtual DimVector output_shape(IntArrayRef input) const;
  /// Writes the module without its children, as "Linear(in_features=784, out_features=10, bias=True)".
  virtual void pretty_print(std::ostream& stream) const;

 protected:
  OrderedDict<std::string, Tensor> parameters_;
  OrderedDict<std::string, Tensor> buffers_;
  OrderedDict<std::string, std::shared_ptr<Module>> children_;

 private:
  void register_child(std::string name, std::shared_ptr<Module> module);
  void check_name(const char* kind, const std::string& name) const;
  void plan_load(serialize::InputArchive& archive);

  std::string name_;
  bool is_training_ = true;
};

/// Prints the tree in the form of PyTorch's Python.
std::ostream& operator<<(std::ostream& stream, const Module& module);

/// Drops the gradient of `parameter`, or makes it zero. One that lives in a bucket stays there for the next backward.
void zero_grad(const Tensor& parameter, bool set_to_none);

}  // namespace backflow::nn

#include <backflow/nn/module.h>

#include <ostream>
#include <sstream>
#include <typeinfo>
#include <unordered_set>

#include <backflow/ops/functions.h>
#include <backflow/runtime/base/type_name.h>
#include <backflow/runtime/tape/autograd_meta.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::nn {
namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

using Named = OrderedDict<std::string, std::shared_ptr<Module>>;
using Seen = std::unordered_set<const void*>;

/// Adds the modules below one with these children to `out`, each under its first name.
void collect(const std::string& prefix, const Named& children, Seen& seen, Named& out) {
  for (const auto& child : children) {
    if (seen.insert(child.value().get()).second) {
      const std::string path = join(prefix, child.key());
      out.insert(path, child.value());
      collect(path, child.value()->named_children(), seen, out);
    }
  }
}

Named below(const Module& module) {
  Named out;
  Seen seen{&module};
  collect({}, module.named_children(), seen, out);
  return out;
}

/// Adds the tensors among `tensors` that are defined and were not seen.
void append(const std::string& prefix, const OrderedDict<std::string, Tensor>& tensors, Seen& seen,
            OrderedDict<std::string, Tensor>& out) {
  for (const auto& item : tensors) {
    if (item.value().defined() && seen.insert(&item.value().impl()).second) {
      out.insert(join(prefix, item.key()), item.value());
    }
  }
}

void convert(const Tensor& x, Dtype dtype) {
  if (!x.defined() || !x.is_floating_point() || x.scalar_type() == dtype) {
    return;
  }
  check(!x.impl().autograd || !x.impl().autograd->grad_buffer.defined(), "to: parameter ", describe(x),
        " has its gradient in a bucket: need the conversion before data parallelism is set up");
  x.set_data(backflow::to(x.detach(), dtype));
  if (x.grad().defined()) {
    x.mutable_grad() = backflow::to(x.grad().detach(), dtype);
  }
}

}  // namespace

void detail::fail_empty_handle() {
  fail("module: the handle is empty: need a module, as made by the constructor with arguments");
}

std::string Module::name() const { return name_.empty() ? full_type_name(typeid(*this)) : name_; }

std::string Module::class_name() const {
  if (!name_.empty()) {
    return name_;
  }
  const std::string type = type_name(typeid(*this));
  const bool is_impl = type.size() > 4 && type.ends_with("Impl");
  return is_impl ? type.substr(0, type.size() - 4) : type;
}

void Module::check_name(const char* kind, const std::string& name) const {
  check(!name.empty(), class_name(), ": a ", kind, " without a name: need one");
  check(name.find('.') == std::string::npos, class_name(), ": ", kind, " '", name,
        "': need a name without dots, which separate the modules of a path");
  const bool taken = parameters_.contains(name) || buffers_.contains(name) || children_.contains(name);
  check(!taken, class_name(), ": ", kind, " '", name, "': the name is taken; need another");
}

Tensor& Module::register_parameter(std::string name, Tensor tensor, bool requires_grad) {
  check_name("parameter", name);
  if (tensor.defined()) {
    check(tensor.is_leaf(), class_name(), ": parameter '", name, "', ", describe(tensor),
          ", was made by a recorded operation: need a leaf; detach() gives one");
    tensor.set_requires_grad(requires_grad);
  }
  return parameters_.insert(std::move(name), std::move(tensor));
}

Tensor& Module::register_buffer(std::string name, Tensor tensor) {
  check_name("buffer", name);
  return buffers_.insert(std::move(name), std::move(tensor));
}

void Module::register_child(std::string name, std::shared_ptr<Module> module) {
  check_name("module", name);
  check(module != nullptr, class_name(), ": module '", name, "' is empty: need a module");
  children_.insert(std::move(name), std::move(module));
}

OrderedDict<std::string, Tensor> Module::named_parameters(bool recurse) const {
  OrderedDict<std::string, Tensor> out;
  Seen seen;
  append({}, parameters_, seen, out);
  for (const auto& item : recurse ? below(*this) : Named()) {
    append(item.key(), item.value()->parameters_, seen, out);
  }
  return out;
}

OrderedDict<std::string, Tensor> Module::named_buffers(bool recurse) const {
  OrderedDict<std::string, Tensor> out;
  Seen seen;
  append({}, buffers_, seen, out);
  for (const auto& item : recurse ? below(*this) : Named()) {
    append(item.key(), item.value()->buffers_, seen, out);
  }
  return out;
}

std::vector<Tensor> Module::parameters(bool recurse) const { return named_parameters(recurse).values(); }

std::vector<Tensor> Module::buffers(bool recurse) const { return named_buffers(recurse).values(); }

OrderedDict<std::string, Tensor> Module::state_dict() const {
  OrderedDict<std::string, Tensor> out;
  for (const auto* tensors : {&parameters_, &buffers_}) {
    for (const auto& item : *tensors) {
      if (item.value().defined()) {
        out.insert(item.key(), item.value());
      }
    }
  }
  for (const auto& child : children_) {
    for (const auto& item : child.value()->state_dict()) {
      out.insert(join(child.key(), item.key()), item.value());
    }
  }
  return out;
}

OrderedDict<std::string, std::shared_ptr<Module>> Module::named_modules(const std::string& name_prefix,
                                                                        bool include_self) const {
  Named out;
  if (include_self) {
    out.insert(name_prefix, std::const_pointer_cast<Module>(shared_from_this()));
  }
  Seen seen{this};
  collect(name_prefix, children_, seen, out);
  return out;
}

std::vector<std::shared_ptr<Module>> Module::modules(bool include_self) const {
  return named_modules({}, include_self).values();
}

void Module::apply(const std::function<void(Module&)>& function) {
  for (const auto& child : children_) {
    child.value()->apply(function);
  }
  function(*this);
}

void Module::train(bool on) {
  for (const auto& child : children_) {
    child.value()->train(on);
  }
  is_training_ = on;
}

void Module::to(Device, bool) {}

void Module::to(Device, Dtype dtype, bool) { to(dtype); }

void Module::to(Dtype dtype) {
  check(is_floating_point(dtype), "to: dtype ", dtype, " for module ", class_name(), ": need a floating-point one");
  for (const auto& child : children_) {
    child.value()->to(dtype);
  }
  const NoGradGuard no_grad;
  for (const auto* tensors : {&parameters_, &buffers_}) {
    for (const auto& item : *tensors) {
      convert(item.value(), dtype);
    }
  }
}

void Module::zero_grad(bool set_to_none) {
  for (const Tensor& parameter : parameters()) {
    nn::zero_grad(parameter, set_to_none);
  }
}

DimVector Module::output_shape(IntArrayRef input) const {
  fail(class_name(), ": the shape of its result for an input of shape ", input,
       " is unknown: need an override of output_shape");
}

void Module::pretty_print(std::ostream& stream) const { stream << class_name(); }

std::ostream& operator<<(std::ostream& stream, const Module& module) {
  std::ostringstream head;
  module.pretty_print(head);
  const auto children = module.named_children();
  if (children.is_empty()) {
    return stream << head.str() << (head.str().ends_with(')') ? "" : "()");
  }
  // Options, as in "Name(options)", have a line of their own before the children.
  const std::string text = head.str();
  const std::size_t open = text.ends_with(')') ? text.find('(') : text.size();
  stream << text.substr(0, open) << "(\n";
  if (open + 2 < text.size()) {
    stream << "  " << text.substr(open + 1, text.size() - open - 2) << '\n';
  }
  for (const auto& child : children) {
    std::ostringstream tree;
    tree << *child.value();
    stream << "  (" << child.key() << "): ";
    for (const char c : tree.str()) {
      stream << c << (c == '\n' ? "  " : "");
    }
    stream << '\n';
  }
  return stream << ')';
}

void zero_grad(const Tensor& parameter, bool set_to_none) {
  if (!parameter.defined() || !parameter.grad().defined()) {
    return;
  }
  Tensor& grad = parameter.mutable_grad();
  if (set_to_none) {
    grad = Tensor();
    return;
  }
  if (grad.requires_grad()) {
    grad = grad.detach();
  }
  const NoGradGuard no_grad;
  grad.zero_();
}

}  // namespace backflow::nn

#include <backflow/nn/modules/container.h>

namespace backflow::nn {

SequentialImpl::SequentialImpl(std::initializer_list<NamedAnyModule> modules) {
  for (const NamedAnyModule& module : modules) {
    push_back(module.first, module.second);
  }
}

void SequentialImpl::push_back(AnyModule module) { push_back(std::to_string(size()), std::move(module)); }

void SequentialImpl::push_back(std::string name, AnyModule module) {
  register_module(std::move(name), module.ptr());
  modules_.push_back(std::move(module));
}

std::shared_ptr<Module> SequentialImpl::ptr(std::size_t index) const {
  check(index < size(), class_name(), ": module ", index, " of ", size(), ": need a smaller number");
  return modules_[index].ptr();
}

Tensor SequentialImpl::forward(const Tensor& input) const {
  Tensor x = input;
  for (const AnyModule& module : modules_) {
    x = module.forward(x);
  }
  return x;
}

DimVector SequentialImpl::output_shape(IntArrayRef input) const {
  DimVector shape(input);
  for (const auto& child : children_) {
    shape = detail::output_shape_of(child.key(), *child.value(), shape);
  }
  return shape;
}

DimVector detail::output_shape_of(const std::string& name, const Module& child, IntArrayRef input) {
  try {
    return child.output_shape(input);
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::size_t at = message.rfind("; in layer ");
    fail(at == std::string::npos ? message + "; in layer " + name
                                 : message.substr(0, at + 11) + name + "." + message.substr(at + 11));
  }
}

}  // namespace backflow::nn

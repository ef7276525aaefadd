#include <backflow/nn/modules/container.h>

#include <backflow/nn/shape_observer.h>

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
    shape = output_shape_of(child.key(), *child.value(), shape);
  }
  return shape;
}

}  // namespace backflow::nn

#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <type_traits>
#include <utility>

#include <backflow/runtime/error.h>

namespace backflow::nn {

/// A shared handle on a module of class `Contained`: what users write as `nn::Linear fc(784, 10)`, as in libtorch.
/// Arguments are those of the module's constructor; copies are the same module; `nullptr` makes an empty handle, whose
/// use is an Error.
template <class Contained>
class ModuleHolder {
 public:
  using ContainedType = Contained;

  /// A module made without arguments.
  ModuleHolder() : impl_(std::make_shared<Contained>()) {}
  ModuleHolder(std::nullptr_t) {}                                                // NOLINT
  ModuleHolder(std::shared_ptr<Contained> module) : impl_(std::move(module)) {}  // NOLINT
  template <class Head, class... Tail>
  requires(!(std::is_convertible_v<Head, ModuleHolder> && sizeof...(Tail) == 0) &&
           std::is_constructible_v<Contained, Head, Tail...>) explicit ModuleHolder(Head&& head, Tail&&... tail)
      : impl_(std::make_shared<Contained>(std::forward<Head>(head), std::forward<Tail>(tail)...)) {}

  /// Calls the module's forward.
  template <class... Args>
  decltype(auto) operator()(Args&&... args) const {
    return get()->forward(std::forward<Args>(args)...);
  }
  /// As the module's own, for containers.
  template <class Index>
  decltype(auto) operator[](const Index& index) const {
    return (*get())[index];
  }
  Contained* operator->() const { return get(); }
  Contained& operator*() const { return *get(); }
  Contained* get() const { return ptr().get(); }
  const std::shared_ptr<Contained>& ptr() const {
    check(impl_ != nullptr, "module: the handle is empty: need a module, as made by the constructor with arguments");
    return impl_;
  }
  bool is_empty() const { return impl_ == nullptr; }
  explicit operator bool() const { return !is_empty(); }

  friend std::ostream& operator<<(std::ostream& stream, const ModuleHolder& module) { return stream << *module; }

 private:
  std::shared_ptr<Contained> impl_;
};

/// Declares `Name`, the handle of the module class `NameImpl`; TORCH_MODULE in libtorch.
#define BACKFLOW_MODULE(Name)                                                 \
  class Name : public ::backflow::nn::ModuleHolder<Name##Impl> { /* NOLINT */ \
   public:                                                                    \
    using ::backflow::nn::ModuleHolder<Name##Impl>::ModuleHolder;             \
    using Impl = Name##Impl;                                                  \
  }

}  // namespace backflow::nn

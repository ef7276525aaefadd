#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <type_traits>
#include <utility>

#include <backflow/runtime/error.h>

namespace backflow::nn {

namespace detail {
[[noreturn]] void fail_empty_handle();
}  // namespace detail

/// A shared handle on a module of class `Contained`: what users write as `nn::Linear fc(784, 10)`, as in libtorch.
/// Arguments are those of the module's constructor; copies are the same module; `nullptr` makes an empty handle, whose
/// use is an Error.
template <class Contained>
class ModuleHolder {
 public:
  using ContainedType = Contained;

  /// A module made without arguments.
  ModuleHolder() : ModuleHolder(std::make_shared<Contained>()) {}
  ModuleHolder(std::nullptr_t) {}                                                                        // NOLINT
  ModuleHolder(std::shared_ptr<Contained> module) : module_(module.get()), owner_(std::move(module)) {}  // NOLINT
  template <class Head, class... Tail>
  requires(!(std::is_convertible_v<Head, ModuleHolder> && sizeof...(Tail) == 0) &&
           std::is_constructible_v<Contained, Head, Tail...>) explicit ModuleHolder(Head&& head, Tail&&... tail)
      : ModuleHolder(std::make_shared<Contained>(std::forward<Head>(head), std::forward<Tail>(tail)...)) {}

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
  Contained* get() const {
    if (is_empty()) [[unlikely]] {
      detail::fail_empty_handle();
    }
    return module_;
  }
  std::shared_ptr<Contained> ptr() const { return {owner_, get()}; }
  bool is_empty() const { return owner_ == nullptr; }
  explicit operator bool() const { return !is_empty(); }

  friend std::ostream& operator<<(std::ostream& stream, const ModuleHolder& module) { return stream << *module; }

 private:
  Contained* module_ = nullptr;
  std::shared_ptr<void> owner_;  // of one type for all modules: a program compiles many handles that it does not use
};

/// Declares `Name`, the handle of the module class `NameImpl`; TORCH_MODULE in libtorch.
#define BACKFLOW_MODULE(Name)                                                 \
  class Name : public ::backflow::nn::ModuleHolder<Name##Impl> { /* NOLINT */ \
   public:                                                                    \
    using ::backflow::nn::ModuleHolder<Name##Impl>::ModuleHolder;             \
    using Impl = Name##Impl;                                                  \
  }

}  // namespace backflow::nn

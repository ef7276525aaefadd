#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <type_traits>
#include <utility>

#include <backflow/runtime/base/error.h>

namespace backflow::nn {

template <class Contained>
class ModuleHolder;

namespace detail {
[[noreturn]] void fail_empty_handle();

/// A module made without arguments. For one that needs arguments, a static_assert gives one clear compiler error.
template <class Contained>
std::shared_ptr<Contained> make_default() {
  constexpr bool kHasDefault = std::is_default_constructible_v<Contained>;
  static_assert(kHasDefault,
                "this module needs arguments: give them, as nn::Linear l(784, 10) or an object of its options, "
                "or nullptr for an empty handle that is assigned later, as nn::Linear l{nullptr}");
  if constexpr (kHasDefault) {
    return std::make_shared<Contained>();
  } else {
    return nullptr;
  }
}

/// Whether `ModuleHolder<Contained>(args...)` is a handle on a module that is there already.
template <class Contained, class... Args>
inline constexpr bool is_handle = false;
template <class Contained, class Arg>
inline constexpr bool is_handle<Contained, Arg> =
    std::is_convertible_v<Arg, ModuleHolder<Contained>> || std::is_convertible_v<Arg, std::shared_ptr<Contained>>;

template <class>
inline constexpr bool kNever = false;
}  // namespace detail

/// A shared handle on a module of class `Contained`, as in libtorch: `nn::Linear fc(784, 10)`. Arguments are those of
/// the module's constructor. Copies refer to the same module. `nullptr` makes an empty handle, whose use is an Error.
template <class Contained>
class ModuleHolder {
 public:
  using ContainedType = Contained;

  /// A module made without arguments.
  ModuleHolder() : ModuleHolder(detail::make_default<Contained>()) {}
  ModuleHolder(std::nullptr_t) {}                                                                        // NOLINT
  ModuleHolder(std::shared_ptr<Contained> module) : module_(module.get()), owner_(std::move(module)) {}  // NOLINT
  template <class Head, class... Tail>
  requires(!detail::is_handle<Contained, Head, Tail...> &&
           std::is_constructible_v<Contained, Head, Tail...>) explicit ModuleHolder(Head&& head, Tail&&... tail)
      : ModuleHolder(std::make_shared<Contained>(std::forward<Head>(head), std::forward<Tail>(tail)...)) {}
  template <class Head, class... Tail>
  requires(!detail::is_handle<Contained, Head, Tail...> &&
           !std::is_constructible_v<Contained, Head, Tail...>) explicit ModuleHolder(Head&&, Tail&&...) {
    static_assert(detail::kNever<Head>,
                  "no constructor of this module takes these arguments: see its class NameImpl; more than its first "
                  "constructor takes goes into its options, as nn::Linear l(nn::LinearOptions(784, 10).bias(false))");
  }

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

#pragma once

#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <backflow/nn/module.h>

namespace backflow::nn {

namespace detail {
template <class M>
inline constexpr bool maps_tensors = requires(M& module, const Tensor& x) {
  { module.forward(x) } -> std::convertible_to<Tensor>;
};
}  // namespace detail

/// A module of any class whose forward takes a tensor and returns one.
class AnyModule {
 public:
  template <std::derived_from<Module> M>
  AnyModule(std::shared_ptr<M> module) : module_(module) {  // NOLINT(google-explicit-constructor)
    static_assert(detail::maps_tensors<M>,
                  "a module in a Sequential needs a public function `Tensor forward(const Tensor& x)`");
    if constexpr (detail::maps_tensors<M>) {
      forward_ = [m = module.get()](const Tensor& x) -> Tensor { return m->forward(x); };
    }
  }
  template <class M>
  AnyModule(const ModuleHolder<M>& module) : AnyModule(module.ptr()) {}  // NOLINT(google-explicit-constructor)
  /// Takes a copy of a module that has no other owner yet.
  template <std::derived_from<Module> M>
  AnyModule(M module) : AnyModule(std::make_shared<M>(std::move(module))) {}  // NOLINT(google-explicit-constructor)

  Tensor forward(const Tensor& input) const { return forward_(input); }
  const std::shared_ptr<Module>& ptr() const { return module_; }

 private:
  std::shared_ptr<Module> module_;
  std::function<Tensor(const Tensor&)> forward_;
};

using NamedAnyModule = std::pair<std::string, AnyModule>;

/// Modules one after the other: the result of each is the input of the next. Their names are "0", "1", ... unless
/// given. Without modules, the result is the input.
class SequentialImpl : public Module {
 public:
  SequentialImpl() = default;
  template <class... Modules>
  requires(sizeof...(Modules) > 0 &&
           (std::constructible_from<AnyModule, Modules> && ...)) explicit SequentialImpl(Modules&&... modules) {
    (push_back(std::forward<Modules>(modules)), ...);
  }
  explicit SequentialImpl(std::initializer_list<NamedAnyModule> modules);

  Tensor forward(const Tensor& input) const;
  void push_back(AnyModule module);
  /// Throws Error for a name with a dot or one that is taken.
  void push_back(std::string name, AnyModule module);
  std::size_t size() const { return modules_.size(); }
  bool is_empty() const { return modules_.empty(); }
  /// Throws Error outside [0, size).
  std::shared_ptr<Module> ptr(std::size_t index) const;
  std::shared_ptr<Module> operator[](std::size_t index) const { return ptr(index); }
  /// Throws Error, with the path of the module, for a module that does not take its input.
  DimVector output_shape(IntArrayRef input) const override;

 private:
  std::vector<AnyModule> modules_;
};

/// `Sequential(Linear(784, 64), ReLU(), Linear(64, 10))`, or with names `Sequential({{"fc1", Linear(784, 64)}, ...})`.
class Sequential : public ModuleHolder<SequentialImpl> {
 public:
  using ModuleHolder<SequentialImpl>::ModuleHolder;
  using Impl = SequentialImpl;
  Sequential() = default;
  Sequential(std::initializer_list<NamedAnyModule> modules) : ModuleHolder(std::make_shared<SequentialImpl>(modules)) {}
};

/// A function as a module, as in Sequential(Linear(2, 2), Functional(relu)).
class FunctionalImpl : public Module {
 public:
  explicit FunctionalImpl(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {}
  Tensor forward(const Tensor& input) const { return function_(input); }

 private:
  std::function<Tensor(const Tensor&)> function_;
};
BACKFLOW_MODULE(Functional);

}  // namespace backflow::nn

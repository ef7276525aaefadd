#pragma once

#include <concepts>
#include <iosfwd>
#include <memory>
#include <utility>
#include <vector>

#include <backflow/nn/modules/container.h>
#include <backflow/nn/options.h>

namespace backflow::nn {

/// Modules side by side: all get the same input and compute at the same time (backflow::parallel). Results are added
/// from the first to the last, as Python's sum(t(x) for t in towers), or concatenated. Their names are "0", "1", ...
///
///   nn::Branches towers(tower(), tower(), tower());
///   nn::Branches wide(nn::BranchesOptions(torch::kBranchConcat).dim(1), left, right);
///
/// Results to be added have one shape; results to be concatenated differ only in that dimension. Values, gradients and
/// random numbers are those of branches that compute one after the other. A branch must not change what another one
/// uses. So a module may be in two branches only if its forward changes none of its buffers.
class BranchesImpl : public Module {
 public:
  explicit BranchesImpl(const BranchesOptions& options_ = {}) : options(options_) {}
  template <class... Modules>
  requires(sizeof...(Modules) > 0 && (std::constructible_from<AnyModule, Modules> &&
                                      ...)) explicit BranchesImpl(const BranchesOptions& options_, Modules&&... modules)
      : options(options_) {
    (push_back(std::forward<Modules>(modules)), ...);
  }
  template <class... Modules>
  requires(sizeof...(Modules) > 0 &&
           (std::constructible_from<AnyModule, Modules> && ...)) explicit BranchesImpl(Modules&&... modules)
      : BranchesImpl(BranchesOptions(), std::forward<Modules>(modules)...) {}

  /// Throws Error without branches, and for results whose shapes do not fit.
  Tensor forward(const Tensor& input) const;
  void push_back(AnyModule branch);
  std::size_t size() const { return branches_.size(); }
  bool is_empty() const { return branches_.empty(); }
  /// Throws Error outside [0, size).
  std::shared_ptr<Module> ptr(std::size_t index) const;
  std::shared_ptr<Module> operator[](std::size_t index) const { return ptr(index); }
  /// Throws Error, with the path of the branch, for a branch that does not take the input or whose result does not fit.
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;

  BranchesOptions options;

 private:
  /// Adds the shape of the result of branch `index` to that of those before it.
  void add_shape(DimVector& all, IntArrayRef shape, std::size_t index) const;

  std::vector<AnyModule> branches_;
};
BACKFLOW_MODULE(Branches);

}  // namespace backflow::nn

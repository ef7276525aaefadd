#pragma once

#include <iosfwd>
#include <string>
#include <utility>

#include <backflow/nn/module.h>

namespace backflow::nn {

/// "none", or "tanh" for the approximation.
class GELUOptions {
 public:
  GELUOptions& approximate(std::string approximate) {
    approximate_ = std::move(approximate);
    return *this;
  }
  const std::string& approximate() const { return approximate_; }

 private:
  std::string approximate_ = "none";
};

namespace functional {

using GELUFuncOptions = GELUOptions;

/// x times the normal distribution's cumulative function, for inputs of any shape. Throws Error for an approximation
/// other than "none" and "tanh". Hendrycks and Gimpel: "Gaussian error linear units (GELUs)", arXiv 1606.08415.
Tensor gelu(const Tensor& input, const GELUFuncOptions& options = {});

}  // namespace functional

/// functional::gelu as a module.
class GELUImpl : public Module {
 public:
  explicit GELUImpl(GELUOptions options_ = {}) : options(std::move(options_)) {}
  Tensor forward(const Tensor& input) const { return functional::gelu(input, options); }
  DimVector output_shape(IntArrayRef input) const override { return input; }
  void pretty_print(std::ostream& stream) const override;

  GELUOptions options;
};
BACKFLOW_MODULE(GELU);

}  // namespace backflow::nn

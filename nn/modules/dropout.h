#pragma once

#include <backflow/nn/functional/dropout.h>
#include <backflow/nn/module.h>

/// Dropout of elements or features in training; in evaluation the result is the input.
namespace backflow::nn {

namespace detail {

/// Throws Error for a probability outside of [0, 1].
class DropoutModule : public Module {
 public:
  explicit DropoutModule(double p) : DropoutModule(DropoutOptions(p)) {}
  explicit DropoutModule(const DropoutOptions& options_ = {});
  DropoutOptions options;
  DimVector output_shape(IntArrayRef input) const override { return input; }
  void pretty_print(std::ostream& stream) const override;

 protected:
  /// The options for the function, with `training` set to this module's mode.
  template <class FuncOptions>
  FuncOptions now() const {
    return FuncOptions().p(options.p()).training(is_training()).inplace(options.inplace());
  }
};

}  // namespace detail

/// Drops elements.
class DropoutImpl : public detail::DropoutModule {
 public:
  using DropoutModule::DropoutModule;
  Tensor forward(const Tensor& input) const {
    return functional::dropout(input, now<functional::DropoutFuncOptions>());
  }
};
BACKFLOW_MODULE(Dropout);

/// Drops channels of [batch, channels, height, width], or of one image without a batch.
class Dropout2dImpl : public detail::DropoutModule {
 public:
  using DropoutModule::DropoutModule;
  Tensor forward(const Tensor& input) const {
    return functional::dropout2d(input, now<functional::Dropout2dFuncOptions>());
  }
};
BACKFLOW_MODULE(Dropout2d);

/// Drops channels of [batch, channels, depth, height, width], or of one volume without a batch.
class Dropout3dImpl : public detail::DropoutModule {
 public:
  using DropoutModule::DropoutModule;
  Tensor forward(const Tensor& input) const {
    return functional::dropout3d(input, now<functional::Dropout3dFuncOptions>());
  }
};
BACKFLOW_MODULE(Dropout3d);

/// Alpha dropout of elements: keeps mean 0 and variance 1.
class AlphaDropoutImpl : public detail::DropoutModule {
 public:
  using DropoutModule::DropoutModule;
  Tensor forward(const Tensor& input) const {
    return functional::alpha_dropout(input, now<functional::AlphaDropoutFuncOptions>());
  }
};
BACKFLOW_MODULE(AlphaDropout);

/// Alpha dropout of features [i, j, ...].
class FeatureAlphaDropoutImpl : public detail::DropoutModule {
 public:
  using DropoutModule::DropoutModule;
  Tensor forward(const Tensor& input) const {
    return functional::feature_alpha_dropout(input, now<functional::FeatureAlphaDropoutFuncOptions>());
  }
};
BACKFLOW_MODULE(FeatureAlphaDropout);

}  // namespace backflow::nn

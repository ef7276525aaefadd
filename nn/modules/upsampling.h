#pragma once

#include <backflow/nn/functional/upsampling.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

/// Resizes one to three spatial dimensions of [batch, channels, ...]; see nn::functional::interpolate.
class UpsampleImpl : public Module {
 public:
  explicit UpsampleImpl(const UpsampleOptions& options_ = {}) : options(options_) {}
  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;
  void pretty_print(std::ostream& stream) const override;
  UpsampleOptions options;
};
BACKFLOW_MODULE(Upsample);

}  // namespace backflow::nn

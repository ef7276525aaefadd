#pragma once

#include <backflow/nn/functional/upsampling.h>
#include <backflow/nn/module.h>

namespace backflow::nn {

/// [batch, channels, ...] with one to three dimensions made larger or smaller, as F::interpolate.
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

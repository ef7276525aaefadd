#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <backflow/train/model/model.h>

namespace backflow::train {

/// A layer of a model: a module without children, or one that has parameters of its own. Shapes are those of one
/// sample, without the batch dimension.
struct LayerSummary {
  std::string path;  ///< as parameters are named, "layer1.0.conv1"; empty for a model that is one layer
  std::string type;  ///< the module's class, "Conv2d"
  DimVector input_shape;
  DimVector output_shape;
  std::int64_t parameters = 0;  ///< numbers that are trained or frozen; those shared with an earlier layer count there
  double flop = 0;              ///< of forward for one sample: two for each multiply-add of a product or a convolution
};

/// The layers of a model in the order in which forward meets them. Computes shapes alone, in no time and memory. A
/// model with a module that has no `output_shape` is one row, whose shape a forward on one sample of zeros finds.
/// Throws Error for samples that the model does not take.
std::vector<LayerSummary> summarize(const Model& model, IntArrayRef sample_shape);

}  // namespace backflow::train

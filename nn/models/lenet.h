#pragma once

#include <cstdint>

#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pooling.h>
#include <backflow/nn/options/arg.h>

namespace backflow::nn {

/// The images and the results of a LeNet.
class LeNetOptions {
 public:
  LeNetOptions(std::int64_t classes = 10) : classes_(classes) {}  // NOLINT(google-explicit-constructor)
  BACKFLOW_ARG(std::int64_t, classes);
  BACKFLOW_ARG(std::int64_t, in_channels) = 1;
  BACKFLOW_ARG(std::int64_t, height) = 28;
  BACKFLOW_ARG(std::int64_t, width) = 28;
};

/// A small network for images, after LeNet-5 (LeCun, Bottou, Bengio and Haffner, Gradient-based learning
/// applied to document recognition, 1998). In today's form: two 3x3 convolutions with 32 and 64 channels, each followed
/// by ReLU and max pooling over 2x2, and two linear layers, of 128 and of `classes`. Input [batch, in_channels, height,
/// width], which are [batch, 1, 28, 28] unless said otherwise; result [batch, classes]. Parameters: weight and bias of
/// "c1", "c2", "f1" and "f2".
class LeNetImpl : public Module {
 public:
  /// Throws Error for images smaller than 4x4.
  explicit LeNetImpl(const LeNetOptions& options_ = {});

  Tensor forward(const Tensor& input) const;
  /// Throws Error for images of another shape.
  DimVector output_shape(IntArrayRef input) const override;

  LeNetOptions options;

 private:
  Conv2d c1_{nullptr};
  Conv2d c2_{nullptr};
  Linear f1_{nullptr};
  Linear f2_{nullptr};
  MaxPool2d pool_{nullptr};
  Flatten flatten_{nullptr};
};
BACKFLOW_MODULE(LeNet);

}  // namespace backflow::nn

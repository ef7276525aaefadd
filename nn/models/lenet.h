#pragma once

#include <cstdint>

#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pooling.h>

namespace backflow::nn {

/// A small network for grey images of 28x28, after LeNet-5 (LeCun, Bottou, Bengio and Haffner, Gradient-based learning
/// applied to document recognition, 1998). In today's form: two 3x3 convolutions with 32 and 64 channels, each followed
/// by ReLU and max pooling over 2x2, and two linear layers, of 128 and of `classes`. Input [batch, 1, 28, 28], result
/// [batch, classes]. Parameters: weight and bias of "c1", "c2", "f1" and "f2".
class LeNetImpl : public Module {
 public:
  explicit LeNetImpl(std::int64_t classes = 10);

  Tensor forward(const Tensor& input) const;
  /// Throws Error for a shape that is not [batch, 1, 28, 28].
  DimVector output_shape(IntArrayRef input) const override;

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

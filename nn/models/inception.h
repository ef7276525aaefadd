#pragma once

#include <cstdint>

#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/pooling.h>

namespace backflow::nn {

/// Four branches on one input, whose channels are concatenated (Szegedy et al., Going deeper with convolutions, 2015):
/// 1x1; 1x1 and 3x3; 1x1 and 5x5; max pooling over 3x3 and 1x1. Each convolution is followed by ReLU. The branches
/// compute at the same time (backflow::parallel). Input [batch, in_channels, height, width], result [batch, 128,
/// height, width]. Parameters: weight and bias of "b1", "b2a", "b2b", "b3a", "b3b" and "b4".
class InceptionBlockImpl : public Module {
 public:
  static constexpr std::int64_t kChannels = 128;  ///< of the result

  explicit InceptionBlockImpl(std::int64_t in_channels);

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;

 private:
  Conv2d b1_{nullptr};
  Conv2d b2a_{nullptr};
  Conv2d b2b_{nullptr};
  Conv2d b3a_{nullptr};
  Conv2d b3b_{nullptr};
  Conv2d b4_{nullptr};
  MaxPool2d pool_{nullptr};
};
BACKFLOW_MODULE(InceptionBlock);

/// A network of four inception blocks for images: a convolution to 64 channels, two blocks, max pooling over
/// 2x2, two blocks, global average pooling, a linear layer. Input [batch, channels, height, width] with sizes of at
/// least 2, result [batch, classes]. Parameters: "0.weight", "0.bias", "2.b1.weight", ..., "9.bias".
class InceptionNetImpl : public SequentialImpl {
 public:
  explicit InceptionNetImpl(std::int64_t classes = 10, std::int64_t channels = 3);
};
BACKFLOW_MODULE(InceptionNet);

}  // namespace backflow::nn

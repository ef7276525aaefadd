#pragma once

#include <cstdint>

#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/conv.h>

namespace backflow::nn {

/// A residual block, relu(f(x) + shortcut(x)) (He, Zhang, Ren and Sun, Deep residual learning for image recognition,
/// 2016). f is a 3x3 convolution with `stride`, batch normalization, ReLU, a 3x3 convolution, batch normalization. The
/// shortcut is x itself where f keeps the shape, else a 1x1 convolution and batch normalization. Input [batch,
/// in_channels, height, width], result [batch, out_channels, height / stride, width / stride], rounded up. Parameters:
/// "c1.weight", "b1.weight", "b1.bias", the same of "c2" and "b2", and of a shortcut "sc.0.weight", "sc.1.weight",
/// "sc.1.bias".
class BasicBlockImpl : public Module {
 public:
  BasicBlockImpl(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride = 1);

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;

 private:
  Conv2d c1_{nullptr};
  BNReLU2d b1_{nullptr};
  Conv2d c2_{nullptr};
  BNReLU2d b2_{nullptr};          // of the sum with the shortcut
  Sequential shortcut_{nullptr};  // empty where the shape stays
};
BACKFLOW_MODULE(BasicBlock);

/// ResNet-18 for small colour images. As in the paper's networks for CIFAR-10, the first layer is a 3x3 convolution
/// with stride 1 instead of 7x7 and pooling. Then eight residual blocks, two each of `width`, 2, 4 and 8 times `width`
/// channels, global average pooling, and a linear layer. Input [batch, 3, height, width], result [batch, classes].
/// Parameters: "0.weight", "1.weight", "1.bias", "3.c1.weight", ..., "13.bias".
class ResNet18Impl : public SequentialImpl {
 public:
  /// The paper's width is 64.
  explicit ResNet18Impl(std::int64_t classes = 10, std::int64_t width = 64);
};
BACKFLOW_MODULE(ResNet18);

}  // namespace backflow::nn

#pragma once

#include <cstdint>
#include <vector>

#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pooling.h>
#include <backflow/nn/options/arg.h>

/// Residual networks (He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016). Parameters and
/// buffers are named as torchvision's, "layer1.0.conv1.weight", so that its weights load.
namespace backflow::nn {

/// A residual block of two 3x3 convolutions: relu(f(x) + shortcut(x)), where f is a convolution with `stride`, batch
/// normalization, ReLU, a convolution, batch normalization. The shortcut is x itself where f keeps the shape, else a
/// 1x1 convolution and batch normalization, "downsample". Input [batch, in_channels, height, width], result [batch,
/// width, height / stride, width / stride], rounded up.
class BasicBlockImpl : public Module {
 public:
  static constexpr std::int64_t kExpansion = 1;  ///< channels of the result, as a multiple of `width`

  BasicBlockImpl(std::int64_t in_channels, std::int64_t width, std::int64_t stride = 1);

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;
  /// The normalization whose weight scales f(x).
  const BNReLU2d& last_norm() const { return bn2_; }

 private:
  Conv2d conv1_{nullptr};
  BNReLU2d bn1_{nullptr};
  Conv2d conv2_{nullptr};
  BNReLU2d bn2_{nullptr};         // of the sum with the shortcut
  Sequential shortcut_{nullptr};  // empty where the shape stays
};
BACKFLOW_MODULE(BasicBlock);

/// A residual block of a 1x1, a 3x3 (with `stride`) and a 1x1 convolution, each with batch normalization. The first two
/// have `width` channels, the result has four times as many. Otherwise as BasicBlock.
class BottleneckImpl : public Module {
 public:
  static constexpr std::int64_t kExpansion = 4;

  BottleneckImpl(std::int64_t in_channels, std::int64_t width, std::int64_t stride = 1);

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;
  const BNReLU2d& last_norm() const { return bn3_; }

 private:
  Conv2d conv1_{nullptr};
  BNReLU2d bn1_{nullptr};
  Conv2d conv2_{nullptr};
  BNReLU2d bn2_{nullptr};
  Conv2d conv3_{nullptr};
  BNReLU2d bn3_{nullptr};
  Sequential shortcut_{nullptr};
};
BACKFLOW_MODULE(Bottleneck);

/// How a residual network starts.
enum class ResNetStem {
  Imagenet,  ///< a 7x7 convolution with stride 2, and max pooling 3x3 with stride 2: for images of 224x224
  Cifar,     ///< a 3x3 convolution with stride 1: for images of 32x32
};

/// What a residual network consists of.
class ResNetOptions {
 public:
  ResNetOptions() = default;
  BACKFLOW_ARG(std::vector<std::int64_t>, blocks) = {2, 2, 2, 2};  ///< in each of at most 8 stages
  BACKFLOW_ARG(bool, bottleneck) = false;                          ///< blocks are Bottleneck, else BasicBlock
  BACKFLOW_ARG(ResNetStem, stem) = ResNetStem::Imagenet;
  BACKFLOW_ARG(std::int64_t, in_channels) = 3;
  BACKFLOW_ARG(std::int64_t, classes) = 1000;
  BACKFLOW_ARG(std::int64_t, width) = 64;          ///< channels of the first stage; each next has twice as many
  BACKFLOW_ARG(bool, zero_init_residual) = false;  ///< blocks start as their shortcut (Goyal et al., 2017)

 public:
  /// The networks of the paper with 18, 34 or 50 layers. Throws Error for others.
  static ResNetOptions with_layers(int layers);
};

/// A residual network: stem, stages of blocks, of which each but the first halves the image, global average pooling, a
/// linear layer. Input [batch, in_channels, height, width], result [batch, classes]. Parameters: "conv1.weight",
/// "bn1.weight", "bn1.bias", "layer1.0.conv1.weight", ..., "fc.weight", "fc.bias". Convolutions start as in
/// torchvision, Kaiming normal of the fan out.
class ResNetImpl : public Module {
 public:
  /// Throws Error for numbers that are not positive.
  explicit ResNetImpl(const ResNetOptions& options_ = {});

  Tensor forward(const Tensor& input) const;
  DimVector output_shape(IntArrayRef input) const override;

  ResNetOptions options;

 private:
  template <class Block>
  Sequential stage(std::int64_t& channels, std::int64_t width, std::int64_t blocks, std::int64_t stride) const;
  void initialize();

  Conv2d conv1_{nullptr};
  BNReLU2d bn1_{nullptr};
  MaxPool2d maxpool_{nullptr};  // empty with ResNetStem::Cifar
  std::vector<Sequential> stages_;
  Linear fc_{nullptr};
};
BACKFLOW_MODULE(ResNet);

/// ResNet-18 for small colour images, with ResNetStem::Cifar.
class ResNet18Impl : public ResNetImpl {
 public:
  /// The paper's width is 64.
  explicit ResNet18Impl(std::int64_t classes = 10, std::int64_t width = 64)
      : ResNetImpl(ResNetOptions().stem(ResNetStem::Cifar).classes(classes).width(width)) {}
};
BACKFLOW_MODULE(ResNet18);

}  // namespace backflow::nn

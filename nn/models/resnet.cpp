#include <backflow/nn/models/resnet.h>

#include <vector>

#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/pooling.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/parallel.h>

namespace backflow::nn {
namespace {

/// Without a bias, since a normalization follows.
Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  return Conv2d(Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

}  // namespace

BasicBlockImpl::BasicBlockImpl(std::int64_t in_channels, std::int64_t out_channels, std::int64_t stride)
    : c1_(register_module("c1", convolution(in_channels, out_channels, 3, stride))),
      b1_(register_module("b1", BNReLU2d(out_channels))),
      c2_(register_module("c2", convolution(out_channels, out_channels, 3, 1))),
      b2_(register_module("b2", BNReLU2d(out_channels))) {
  if (stride != 1 || in_channels != out_channels) {
    shortcut_ = Sequential(convolution(in_channels, out_channels, 1, stride), BatchNorm2d(out_channels));
    register_module("sc", shortcut_);
  }
}

Tensor BasicBlockImpl::forward(const Tensor& input) const {
  if (shortcut_.is_empty()) {
    return b2_(c2_(b1_(c1_(input))), input);
  }
  // The shortcut has too little work for many threads. Beside the longer path it costs hardly any time.
  const std::vector<Tensor> paths = parallel({[&] { return c2_(b1_(c1_(input))); }, [&] { return shortcut_(input); }});
  return b2_(paths[0], paths[1]);
}

DimVector BasicBlockImpl::output_shape(IntArrayRef input) const {
  const DimVector shape = b2_->output_shape(c2_->output_shape(b1_->output_shape(c1_->output_shape(input))));
  if (!shortcut_.is_empty()) {
    shortcut_->output_shape(input);
  }
  return shape;
}

ResNet18Impl::ResNet18Impl(std::int64_t classes, std::int64_t width) {
  push_back(convolution(3, width, 3, 1));
  push_back(BNReLU2d(width));
  push_back(Identity());  // in the place of ReLU, so that all others have the names that they have without the fusion
  std::int64_t in = width;
  for (const std::int64_t out : {width, 2 * width, 4 * width, 8 * width}) {
    push_back(BasicBlock(in, out, out == width ? 1 : 2));
    push_back(BasicBlock(out, out));
    in = out;
  }
  push_back(AdaptiveAvgPool2d(AdaptiveAvgPool2dOptions(1)));
  push_back(Flatten());
  push_back(Linear(in, classes));
}

}  // namespace backflow::nn

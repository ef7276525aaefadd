#include <backflow/nn/models/resnet.h>

#include <algorithm>
#include <string>

#include <backflow/nn/init.h>
#include <backflow/nn/shape_observer.h>
#include <backflow/ops/functions.h>
#include <backflow/ops/operators.h>
#include <backflow/runtime/engine/parallel.h>

namespace backflow::nn {
namespace {

/// Without a bias, since a normalization follows.
Conv2d convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  return Conv2d(Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

/// What brings x to the shape of f(x); empty where it has that shape.
Sequential projection(std::int64_t in, std::int64_t out, std::int64_t stride) {
  if (stride == 1 && in == out) {
    return nullptr;
  }
  return Sequential(convolution(in, out, 1, stride), BatchNorm2d(out));
}

/// relu(norm(f(x)) + shortcut(x)); f ends in front of the last normalization.
template <class F>
Tensor add_shortcut(const BNReLU2d& norm, const Sequential& shortcut, const Tensor& input, const F& f) {
  if (shortcut.is_empty()) {
    return norm(f(), input);
  }
  // The shortcut has too little work for many threads. Beside the longer path it costs hardly any time.
  const std::vector<Tensor> paths = parallel({[&] { return f(); }, [&] { return shortcut(input); }});
  return norm(paths[0], paths[1]);
}

/// The shape of what the children of a block, in their order, make of `input`.
DimVector block_shape(const Module& block, IntArrayRef input) {
  DimVector shape(input);
  for (const auto& child : block.named_children()) {
    if (child.key() == "downsample") {
      output_shape_of(child.key(), *child.value(), input);
    } else {
      shape = output_shape_of(child.key(), *child.value(), shape);
    }
  }
  return shape;
}

}  // namespace

BasicBlockImpl::BasicBlockImpl(std::int64_t in_channels, std::int64_t width, std::int64_t stride)
    : conv1_(register_module("conv1", convolution(in_channels, width, 3, stride))),
      bn1_(register_module("bn1", BNReLU2d(width))),
      conv2_(register_module("conv2", convolution(width, width, 3, 1))),
      bn2_(register_module("bn2", BNReLU2d(width))),
      shortcut_(projection(in_channels, width, stride)) {
  if (!shortcut_.is_empty()) {
    register_module("downsample", shortcut_);
  }
}

Tensor BasicBlockImpl::forward(const Tensor& input) const {
  return add_shortcut(bn2_, shortcut_, input, [&] { return conv2_(bn1_(conv1_(input))); });
}

DimVector BasicBlockImpl::output_shape(IntArrayRef input) const { return block_shape(*this, input); }

BottleneckImpl::BottleneckImpl(std::int64_t in_channels, std::int64_t width, std::int64_t stride)
    : conv1_(register_module("conv1", convolution(in_channels, width, 1, 1))),
      bn1_(register_module("bn1", BNReLU2d(width))),
      conv2_(register_module("conv2", convolution(width, width, 3, stride))),
      bn2_(register_module("bn2", BNReLU2d(width))),
      conv3_(register_module("conv3", convolution(width, kExpansion * width, 1, 1))),
      bn3_(register_module("bn3", BNReLU2d(kExpansion * width))),
      shortcut_(projection(in_channels, kExpansion * width, stride)) {
  if (!shortcut_.is_empty()) {
    register_module("downsample", shortcut_);
  }
}

Tensor BottleneckImpl::forward(const Tensor& input) const {
  return add_shortcut(bn3_, shortcut_, input, [&] { return conv3_(bn2_(conv2_(bn1_(conv1_(input))))); });
}

DimVector BottleneckImpl::output_shape(IntArrayRef input) const { return block_shape(*this, input); }

ResNetOptions ResNetOptions::with_layers(int layers) {
  check(layers == 18 || layers == 34 || layers == 50, "resnet: ", layers, " layers: need 18, 34 or 50");
  ResNetOptions options;
  if (layers > 18) {
    options.blocks({3, 4, 6, 3});
  }
  return options.bottleneck(layers == 50);
}

ResNetImpl::ResNetImpl(const ResNetOptions& options_) : options(options_) {
  const std::vector<std::int64_t>& blocks = options.blocks();
  const bool positive = std::all_of(blocks.begin(), blocks.end(), [](std::int64_t n) { return n >= 1; });
  check(positive && !blocks.empty() && blocks.size() <= 8, "resnet: blocks ", IntArrayRef(blocks),
        ": need positive numbers for 1 to 8 stages");
  check(options.in_channels() >= 1 && options.classes() >= 1 && options.width() >= 1, "resnet: ", options.in_channels(),
        " channels, ", options.classes(), " classes, width ", options.width(), ": need positive numbers");
  const bool large = options.stem() == ResNetStem::Imagenet;
  std::int64_t width = options.width();
  conv1_ = register_module("conv1", convolution(options.in_channels(), width, large ? 7 : 3, large ? 2 : 1));
  bn1_ = register_module("bn1", BNReLU2d(width));
  if (large) {
    maxpool_ = register_module("maxpool", MaxPool2d(MaxPool2dOptions(3).stride(2).padding(1)));
  }
  std::int64_t channels = width;
  for (std::size_t i = 0; i < blocks.size(); ++i, width *= 2) {
    const std::int64_t stride = i == 0 ? 1 : 2;
    stages_.push_back(options.bottleneck() ? stage<Bottleneck>(channels, width, blocks[i], stride)
                                           : stage<BasicBlock>(channels, width, blocks[i], stride));
    register_module(to_text("layer", i + 1), stages_.back());
  }
  fc_ = register_module("fc", Linear(channels, options.classes()));
  initialize();
}

template <class Block>
Sequential ResNetImpl::stage(std::int64_t& channels, std::int64_t width, std::int64_t blocks,
                             std::int64_t stride) const {
  Sequential all;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const Block block(channels, width, i == 0 ? stride : 1);
    if (options.zero_init_residual()) {
      init::zeros_(block->last_norm()->weight);
    }
    all->push_back(block);
    channels = Block::Impl::kExpansion * width;
  }
  return all;
}

void ResNetImpl::initialize() {
  for (const std::shared_ptr<Module>& module : modules(false)) {
    if (const auto convolution = std::dynamic_pointer_cast<Conv2dImpl>(module)) {
      init::kaiming_normal_(convolution->weight, 0, kFanOut, kReLU);
    }
  }
}

Tensor ResNetImpl::forward(const Tensor& input) const {
  Tensor x = bn1_(conv1_(input));
  if (!maxpool_.is_empty()) {
    x = maxpool_(x);
  }
  for (const Sequential& stage : stages_) {
    x = stage(x);
  }
  return fc_(adaptive_avg_pool2d(x, 1).flatten(1));
}

DimVector ResNetImpl::output_shape(IntArrayRef input) const {
  check(input.size() == 4, "resnet: input shape ", input, ": need [batch, channels, height, width]");
  DimVector shape(input);
  for (const auto& child : children_) {
    if (child.key() == "fc") {
      shape = {shape[0], shape[1]};  // of the average over all positions
    }
    shape = output_shape_of(child.key(), *child.value(), shape);
  }
  return shape;
}

}  // namespace backflow::nn

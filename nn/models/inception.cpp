#include <backflow/nn/models/inception.h>

#include <algorithm>
#include <vector>

#include <backflow/nn/functional.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/shape_observer.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/engine/parallel.h>

namespace backflow::nn {
namespace {

/// That keeps the image's size.
Conv2d same_size(std::int64_t in, std::int64_t out, std::int64_t kernel) {
  return Conv2d(Conv2dOptions(in, out, kernel).padding(kernel / 2));
}

}  // namespace

InceptionBlockImpl::InceptionBlockImpl(std::int64_t in_channels)
    : b1_(register_module("b1", same_size(in_channels, 32, 1))),
      b2a_(register_module("b2a", same_size(in_channels, 32, 1))),
      b2b_(register_module("b2b", same_size(32, 48, 3))),
      b3a_(register_module("b3a", same_size(in_channels, 16, 1))),
      b3b_(register_module("b3b", same_size(16, 32, 5))),
      b4_(register_module("b4", same_size(in_channels, 16, 1))),
      pool_(MaxPool2dOptions(3).stride(1).padding(1)) {}

Tensor InceptionBlockImpl::forward(const Tensor& input) const {
  namespace F = functional;
  std::vector<Tensor> branches = parallel({
      [&] {
        return F::relu(b2b_(F::relu(b2a_(input))));
      },  // the longest first: the last one decides when all are there
      [&] { return F::relu(b3b_(F::relu(b3a_(input)))); },
      [&] { return F::relu(b4_(pool_(input))); },
      [&] { return F::relu(b1_(input)); },
  });
  std::rotate(branches.begin(), branches.end() - 1, branches.end());
  return cat(branches, 1);
}

DimVector InceptionBlockImpl::output_shape(IntArrayRef input) const {
  check(input.size() == 4, "inception block: input shape ", input, ": need [batch, channels, height, width]");
  DimVector shape = output_shape_of("b1", *b1_, input);
  output_shape_of("b2b", *b2b_, output_shape_of("b2a", *b2a_, input));
  output_shape_of("b3b", *b3b_, output_shape_of("b3a", *b3a_, input));
  output_shape_of("b4", *b4_, input);
  shape[1] = kChannels;
  return shape;
}

InceptionNetImpl::InceptionNetImpl(std::int64_t classes, std::int64_t channels) {
  push_back(same_size(channels, 64, 3));
  push_back(ReLU());
  push_back(InceptionBlock(64));
  push_back(InceptionBlock(InceptionBlockImpl::kChannels));
  push_back(MaxPool2d(MaxPool2dOptions(2)));
  push_back(InceptionBlock(InceptionBlockImpl::kChannels));
  push_back(InceptionBlock(InceptionBlockImpl::kChannels));
  push_back(AdaptiveAvgPool2d(AdaptiveAvgPool2dOptions(1)));
  push_back(Flatten());
  push_back(Linear(InceptionBlockImpl::kChannels, classes));
}

}  // namespace backflow::nn

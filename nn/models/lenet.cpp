#include <backflow/nn/models/lenet.h>

#include <backflow/nn/functional.h>
#include <backflow/nn/shape_observer.h>

namespace backflow::nn {

LeNetImpl::LeNetImpl(const LeNetOptions& options_)
    : options(options_), pool_(MaxPool2dOptions(2)), flatten_(FlattenOptions()) {
  check(options.in_channels() >= 1 && options.classes() >= 1 && options.height() >= 4 && options.width() >= 4,
        "lenet: ", options.classes(), " classes, images [", options.in_channels(), ", ", options.height(), ", ",
        options.width(), "]: need 1 class or more, and images of at least 4x4");
  c1_ = register_module("c1", Conv2d(Conv2dOptions(options.in_channels(), 32, 3).padding(1)));
  c2_ = register_module("c2", Conv2d(Conv2dOptions(32, 64, 3).padding(1)));
  f1_ = register_module("f1", Linear(64 * (options.height() / 4) * (options.width() / 4), 128));
  f2_ = register_module("f2", Linear(128, options.classes()));
}

Tensor LeNetImpl::forward(const Tensor& input) const {
  Tensor x = pool_(functional::relu(c1_(input)));
  x = pool_(functional::relu(c2_(x)));
  return f2_(functional::relu(f1_(flatten_(x))));
}

DimVector LeNetImpl::output_shape(IntArrayRef input) const {
  DimVector shape = pool_->output_shape(output_shape_of("c1", *c1_, input));
  shape = flatten_->output_shape(pool_->output_shape(output_shape_of("c2", *c2_, shape)));
  return output_shape_of("f2", *f2_, output_shape_of("f1", *f1_, shape));
}

}  // namespace backflow::nn

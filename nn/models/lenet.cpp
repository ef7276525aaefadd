#include <backflow/nn/models/lenet.h>

#include <backflow/nn/functional.h>

namespace backflow::nn {

LeNetImpl::LeNetImpl(std::int64_t classes)
    : c1_(register_module("c1", Conv2d(Conv2dOptions(1, 32, 3).padding(1)))),
      c2_(register_module("c2", Conv2d(Conv2dOptions(32, 64, 3).padding(1)))),
      f1_(register_module("f1", Linear(64 * 7 * 7, 128))),
      f2_(register_module("f2", Linear(128, classes))),
      pool_(MaxPool2dOptions(2)),
      flatten_(FlattenOptions()) {}

Tensor LeNetImpl::forward(const Tensor& input) const {
  Tensor x = pool_(functional::relu(c1_(input)));
  x = pool_(functional::relu(c2_(x)));
  return f2_(functional::relu(f1_(flatten_(x))));
}

DimVector LeNetImpl::output_shape(IntArrayRef input) const {
  DimVector shape = pool_->output_shape(c1_->output_shape(input));
  shape = pool_->output_shape(c2_->output_shape(shape));
  return f2_->output_shape(f1_->output_shape(flatten_->output_shape(shape)));
}

}  // namespace backflow::nn

#include <backflow/train/model.h>

#include <utility>

#include <backflow/nn/models.h>

namespace backflow::train {
namespace {

Model mlp(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes) {
  std::vector<std::int64_t> sizes = {numel_of(sample_shape)};
  sizes.insert(sizes.end(), options.hidden.begin(), options.hidden.end());
  sizes.push_back(num_classes);
  const nn::MLP module(sizes);
  return {module.ptr(), [module](const Tensor& x) { return module->forward(x); }};
}

Model layers(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes) {
  DimVector shape(sample_shape);
  shape.insert(0, 1);  // of a batch of one
  const nn::Sequential network = make_layers(options.layers, shape);
  if (shape != DimVector{1, num_classes}) {
    shape.erase(0);
    const LayerOptions& last = options.layers.back();
    last.section.fail("type", concat("in [", last.section.path(), "], ", last.type, ": the last layer gives shape ",
                                     shape, " for each sample, the data have ", num_classes, " classes: need [",
                                     num_classes, "]; a flatten layer makes one dimension of several"));
  }
  return {network.ptr(), [network](const Tensor& x) { return network->forward(x); }};
}

}  // namespace

Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype) {
  Model model =
      options.name == "mlp" ? mlp(options, sample_shape, num_classes) : layers(options, sample_shape, num_classes);
  model.module->to(dtype);
  return model;
}

}  // namespace backflow::train

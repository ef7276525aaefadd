#include <backflow/train/model/model.h>

#include <utility>

#include <backflow/nn/models.h>

namespace backflow::train {
namespace {

Model mlp(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ParameterBudget& budget) {
  std::vector<std::int64_t> sizes = {numel_of(sample_shape)};
  sizes.insert(sizes.end(), options.hidden.begin(), options.hidden.end());
  sizes.push_back(num_classes);
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    const std::string problem = budget.take((static_cast<double>(sizes[i]) + 1) * static_cast<double>(sizes[i + 1]));
    if (!problem.empty()) {
      // Behind the last element: the classes' layer.
      const std::string layer = i < options.hidden.size() ? to_text("'hidden[", i, "]'")
                                                          : to_text("the ", num_classes, " classes after 'hidden'");
      options.section.fail("hidden", i, to_text(layer, " in [model]: ", problem));
    }
  }
  const nn::MLP module(sizes);
  return {.module = module.ptr(),
          .forward = [module](const Tensor& x) { return module->forward(x); },
          .output_shape = {num_classes},
          .classes = num_classes};
}

Model layers(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ParameterBudget& budget) {
  DimVector shape(sample_shape);
  shape.insert(0, 1);  // of a batch of one
  const nn::Sequential network = make_layers(options.layers, shape, budget);
  const bool any = num_classes == 0 && shape.size() == 2;
  if (!any && shape != DimVector{1, num_classes}) {
    shape.erase(0);
    const LayerOptions& last = options.layers.back();
    last.section.fail("type", to_text("in [", last.section.path(), "], ", last.type, ": the last layer gives shape ",
                                      shape, " for each sample, the data have ", num_classes, " classes: need [",
                                      num_classes, "]; a flatten layer makes one dimension of several"));
  }
  return {.module = network.ptr(),
          .forward = [network](const Tensor& x) { return network->forward(x); },
          .output_shape = {shape[1]},
          .classes = shape[1]};
}

}  // namespace

Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype,
                  std::int64_t copies) {
  ParameterBudget budget(dtype, copies);
  Model model = options.name == "mlp" ? mlp(options, sample_shape, num_classes, budget)
                                      : layers(options, sample_shape, num_classes, budget);
  model.module->to(dtype);
  return model;
}

}  // namespace backflow::train

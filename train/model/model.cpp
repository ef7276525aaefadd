#include <backflow/train/model/model.h>

#include <backflow/train/model/parameter_budget.h>

namespace backflow::train {

Model build_model(const ModelOptions& options, const ModelRequest& request) {
  ParameterBudget budget(request.dtype, request.copies);
  Model model = options.make(request, budget);
  model.classes = model.output_shape.size() == 1 ? model.output_shape[0] : 0;
  model.module->to(request.dtype);
  return model;
}

Model build_model(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes, ScalarType dtype,
                  std::int64_t copies) {
  ModelRequest request{.sample_shape = sample_shape, .dtype = dtype, .copies = copies};
  request.any_output = num_classes == 0;
  if (num_classes > 0) {
    request.output_shape = {num_classes};
  }
  return build_model(options, request);
}

std::int64_t saved_outputs(const ModelOptions& options, ModelRequest request, const io::NamedTensors& parameters) {
  const auto shapes = [&](std::int64_t outputs) {
    request.any_output = false;
    request.output_shape = {outputs};
    return build_model(options, request).module->named_parameters();
  };
  // The dimension that grows with the outputs.
  const auto one = shapes(1);
  const auto two = shapes(2);
  for (const auto& [name, saved] : parameters) {
    const Tensor* small = one.find(name);
    const Tensor* large = two.find(name);
    if (small == nullptr || large == nullptr || saved.dim() != small->dim()) {
      continue;
    }
    for (std::size_t d = 0; d < small->sizes().size(); ++d) {
      if (small->sizes()[d] != large->sizes()[d]) {
        return saved.sizes()[d];
      }
    }
  }
  return 0;
}

}  // namespace backflow::train

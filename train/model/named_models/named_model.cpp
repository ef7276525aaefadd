#include <backflow/train/model/named_models/named_model.h>

namespace backflow::train {
namespace {

[[noreturn]] void fail_model(const io::Section& s, const std::string& name, std::string_view key,
                             const std::string& message) {
  s.fail(key, to_text("in [model], ", name, ": ", message));
}

}  // namespace

void check_numbers(const io::Section& s, const std::string& name, const ModelRequest& request) {
  if (request.vocabulary > 0) {
    fail_model(s, name, "name",
               "the samples are tokens: need floating-point numbers; [[model.layers]] can start with an embedding");
  }
}

ImageShape image_shape(const io::Section& s, const std::string& name, const ModelRequest& request) {
  check_numbers(s, name, request);
  const DimVector& shape = request.sample_shape;
  if (shape.size() != 3) {
    fail_model(s, name, "name", to_text("samples of shape ", shape, ": need images [channels, height, width]"));
  }
  return {shape[0], shape[1], shape[2]};
}

std::int64_t outputs_of(const io::Section& s, const std::string& name, const ModelRequest& request) {
  if (request.any_output || request.output_shape.empty() || numel_of(request.output_shape) < 1) {
    fail_model(s, name, "name", "no number of outputs: need data with classes or targets");
  }
  return numel_of(request.output_shape);
}

void take_parameters(const io::Section& s, const std::string& name, std::string_view key, double count,
                     ParameterBudget& budget) {
  const std::string problem = budget.take(count);
  if (!problem.empty()) {
    fail_model(s, name, key, problem);
  }
}

}  // namespace backflow::train

#include <backflow/train/model/summary.h>

#include <unordered_set>

#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/shape_observer.h>
#include <backflow/ops/functions.h>
#include <backflow/runtime/tape/grad_mode.h>

namespace backflow::train {
namespace {

/// Two operations for each multiply-add of one sample: each element of the result, or for a transposed convolution of
/// the input, meets the weights of its group.
double flop_of(const nn::Module& module, IntArrayRef input, IntArrayRef output) {
  const auto elements = [](IntArrayRef shape) {
    double all = 1;
    for (std::size_t d = 1; d < shape.size(); ++d) {
      all *= static_cast<double>(shape[d]);
    }
    return all;
  };
  double flop = 0;
  const auto convolution = [&]<class Conv>(const Conv* conv, IntArrayRef meeting, std::int64_t of) {
    if (conv != nullptr) {
      flop = 2 * elements(meeting) * static_cast<double>(conv->weight.numel()) / static_cast<double>(of);
    }
  };
  const auto forward = [&]<std::size_t D>(const nn::ConvImpl<D>* conv) {
    convolution(conv, output, conv == nullptr ? 1 : conv->options.out_channels());
  };
  const auto transposed = [&]<std::size_t D>(const nn::ConvTransposeImpl<D>* conv) {
    convolution(conv, input, conv == nullptr ? 1 : conv->options.in_channels());
  };
  forward(dynamic_cast<const nn::ConvImpl<1>*>(&module));
  forward(dynamic_cast<const nn::ConvImpl<2>*>(&module));
  forward(dynamic_cast<const nn::ConvImpl<3>*>(&module));
  transposed(dynamic_cast<const nn::ConvTransposeImpl<1>*>(&module));
  transposed(dynamic_cast<const nn::ConvTransposeImpl<2>*>(&module));
  transposed(dynamic_cast<const nn::ConvTransposeImpl<3>*>(&module));
  if (const auto* linear = dynamic_cast<const nn::LinearImpl*>(&module)) {
    flop = 2 * elements(output) * static_cast<double>(linear->options.in_features());
  }
  return flop;
}

DimVector without_batch(IntArrayRef shape) {
  DimVector result(shape);
  if (!result.empty()) {
    result.erase(0);
  }
  return result;
}

/// The row of a module, without its parameters.
LayerSummary row_of(const std::string& path, const nn::Module& module, IntArrayRef input, IntArrayRef output) {
  return {.path = path,
          .type = module.class_name(),
          .input_shape = without_batch(input),
          .output_shape = without_batch(output),
          .flop = flop_of(module, input, output)};
}

/// Adds up parameters, each of which counts once.
class ParameterCount {
 public:
  std::int64_t of(const nn::Module& module, bool recurse) {
    std::int64_t all = 0;
    for (const Tensor& parameter : module.parameters(recurse)) {
      all += seen_.insert(parameter.const_data_ptr()).second ? parameter.numel() : 0;
    }
    return all;
  }

 private:
  std::unordered_set<const void*> seen_;
};

/// The shape of what a model makes of one sample of zeros; of tokens if it takes no other numbers.
DimVector shape_of_forward(const Model& model, IntArrayRef input) {
  const NoGradGuard off;
  const bool training = model.module->is_training();
  model.module->eval();
  DimVector output;
  try {
    const std::vector<Tensor> parameters = model.module->parameters();
    const ScalarType dtype = parameters.empty() ? kFloat32 : parameters.front().scalar_type();
    output = model.forward(zeros(input, TensorOptions().dtype(dtype))).sizes();
  } catch (const Error&) {
    try {
      output = model.forward(zeros(input, TensorOptions().dtype(kInt64))).sizes();
    } catch (const Error&) {
    }
    if (output.empty()) {
      model.module->train(training);
      throw;
    }
  }
  model.module->train(training);
  return output;
}

/// The layers that shapes go through; none when a module on the way has no output_shape.
std::vector<LayerSummary> follow_shapes(const nn::Module& module, IntArrayRef input) {
  std::vector<LayerSummary> layers;
  ParameterCount count;
  const auto visit = [&](const std::string& path, const nn::Module& layer, IntArrayRef in, IntArrayRef out) {
    if (layer.children().empty() || !layer.parameters(false).empty()) {
      layers.push_back(row_of(path, layer, in, out));
      layers.back().parameters = count.of(layer, false);
    }
  };
  try {
    const nn::ShapeObserver observer(visit);
    const DimVector output = module.output_shape(input);
    visit("", module, input, output);
  } catch (const Error&) {
    layers.clear();
  }
  return layers;
}

}  // namespace

std::vector<LayerSummary> summarize(const Model& model, IntArrayRef sample_shape) {
  DimVector input(sample_shape);
  input.insert(0, 1);
  std::vector<LayerSummary> layers = follow_shapes(*model.module, input);
  if (layers.empty()) {
    layers.push_back(row_of("", *model.module, input, shape_of_forward(model, input)));
    layers.back().parameters = ParameterCount().of(*model.module, true);
  }
  return layers;
}

}  // namespace backflow::train

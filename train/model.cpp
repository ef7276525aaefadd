#include <backflow/train/model.h>

#include <utility>

#include <backflow/nn/models.h>
#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/nn/modules/container.h>
#include <backflow/nn/modules/linear.h>

namespace backflow::train {
namespace {

Model mlp(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes) {
  std::vector<std::int64_t> sizes = {numel_of(sample_shape)};
  sizes.insert(sizes.end(), options.hidden.begin(), options.hidden.end());
  sizes.push_back(num_classes);
  const nn::MLP module(sizes);
  return {module.ptr(), [module](const Tensor& x) { return module->forward(x); }};
}

nn::Sequential network_of(const std::vector<LayerOptions>& layers, DimVector& shape);

/// Adds branches for inputs of this shape, batch dimension included; returns the shape of what they give together.
DimVector add_branches(nn::Sequential& network, const LayerOptions& layer, const DimVector& input) {
  const auto combine = layer.combine == "sum" ? kBranchSum : kBranchConcat;
  const nn::Branches branches(nn::BranchesOptions(combine).dim(layer.dim));
  DimVector output;
  for (const BranchOptions& branch : layer.branches) {
    DimVector shape = input;
    branches->push_back(network_of(branch.layers, shape));
    try {
      output = branches->output_shape(input);
    } catch (const Error& error) {
      // The first can only be wrong in what all are combined along.
      branches->size() == 1 ? layer.section.fail("dim", error.what()) : branch.section.fail("layers", error.what());
    }
  }
  network->push_back(branches);
  return output;
}

/// Adds a layer for inputs of this shape, batch dimension included; returns the shape of its results.
DimVector add_layer(nn::Sequential& network, const LayerOptions& layer, const DimVector& input) {
  if (layer.type == "linear") {
    const std::int64_t in_features = layer.in_features > 0 ? layer.in_features : input.back();
    if (in_features != input.back()) {
      layer.section.fail("in_features",
                         concat("a linear layer of ", in_features, " inputs after a layer with ", input.back(),
                                " outputs (shape ", input, "): need in_features = ", input.back()));
    }
    network->push_back(nn::Linear(nn::LinearOptions(in_features, layer.out_features).bias(layer.bias)));
    DimVector output = input;
    output.back() = layer.out_features;
    return output;
  }
  if (layer.type == "flatten") {
    network->push_back(nn::Flatten());
    return {input[0], numel_of(input)};
  }
  if (layer.type == "branches") {
    return add_branches(network, layer, input);
  }
  if (layer.type == "relu") {
    network->push_back(nn::ReLU());
  } else if (layer.type == "tanh") {
    network->push_back(nn::Tanh());
  } else {
    network->push_back(nn::Sigmoid());
  }
  return input;
}

/// These layers, for inputs of shape `shape`, batch dimension included, which becomes that of the results.
nn::Sequential network_of(const std::vector<LayerOptions>& layers, DimVector& shape) {
  nn::Sequential network;
  for (const LayerOptions& layer : layers) {
    shape = add_layer(network, layer, shape);
  }
  return network;
}

Model layers(const ModelOptions& options, IntArrayRef sample_shape, std::int64_t num_classes) {
  DimVector shape(sample_shape);
  shape.insert(0, 1);  // of a batch of one
  const nn::Sequential network = network_of(options.layers, shape);
  if (shape != DimVector{1, num_classes}) {
    shape.erase(0);
    options.layers.back().section.fail(
        "type", concat("the last layer gives shape ", shape, " for each sample, the data have ", num_classes,
                       " classes: need [", num_classes, "]; a flatten layer makes one dimension of several"));
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

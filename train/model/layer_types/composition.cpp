#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

/// A branch: layers in their order; none at all hand on their input.
struct Branch {
  std::vector<LayerOptions> layers;
  LayerKeys keys;
};

/// Adds a branch to `module` for these inputs, and sets the vocabulary of the result.
void add_branch(nn::Branches& module, const Branch& branch, const LayerInput& input, LayerInput& result,
                ParameterBudget& budget) {
  const bool first = module->is_empty();
  LayerInput given = input;
  module->push_back(make_layers(branch.layers, given, budget));
  if (!first && (given.vocabulary > 0) != (result.vocabulary > 0)) {
    branch.keys.fail("layers", "some branches give tokens, others numbers: need the same from all");
  }
  result = given;
}

LayerOptions::Make branches(const LayerKeys& keys) {
  const auto combine =
      keys.choice({"combine", "results are added, or joined along `dim`"}, {"sum", "concat"}, "sum") == "sum"
          ? kBranchSum
          : kBranchConcat;
  const std::int64_t dim =
      combine == kBranchConcat
          ? keys.integer({"dim", "the dimension that results are joined along; the batch is 0"}, {.at_least = 1}, 1)
          : 1;
  keys.section().explain("dim", "it is a key of combine = \"concat\", not of \"sum\"");
  std::vector<Branch> all;
  for (const LayerKeys& branch :
       keys.sections({"branches", "networks side by side; one without layers hands on the input"})) {
    all.push_back({branch.layers({"layers", "layers of the branch in their order"}), branch});
  }
  if (all.empty()) {
    keys.section().fail("branches",
                        to_text("no branches in [", keys.section().path(), "]: need at least one in 'branches'"));
  }
  return [=](LayerInput& input, ParameterBudget& budget) {
    nn::Branches module(nn::BranchesOptions(combine).dim(dim));
    LayerInput result = input;
    for (const Branch& branch : all) {
      add_branch(module, branch, input, result, budget);
      try {
        module->output_shape(input.shape);
      } catch (const Error& error) {
        // The first can only be wrong in what all are combined along.
        module->size() == 1 ? keys.fail("dim", error.what()) : branch.keys.fail("layers", error.what());
      }
    }
    input.vocabulary = result.vocabulary;
    return module;
  };
}

/// A convolution with a 1x1 filter, without a bias, and batch normalization: as the shortcuts of ResNet.
template <class Conv, class Norm, std::size_t D>
nn::Sequential convolution_to(std::int64_t channels, std::int64_t out, const ExpandingArray<D>& stride) {
  return nn::Sequential(Conv(nn::ConvOptions<D>(channels, out, 1).stride(stride).bias(false)), Norm(out));
}

/// The strides with which windows of one element give sizes `out` of sizes `in`; empty where there are none.
std::vector<std::int64_t> strides_between(IntArrayRef in, IntArrayRef out) {
  std::vector<std::int64_t> strides;
  for (std::size_t d = 2; d < in.size(); ++d) {
    const std::int64_t stride = out[d] > 0 ? (in[d] + out[d] - 1) / out[d] : 0;
    if (stride < 1 || (in[d] - 1) / stride + 1 != out[d]) {
      return {};
    }
    strides.push_back(stride);
  }
  return strides;
}

/// What brings `in` to the shape `out`, for shortcuts; empty for shapes that it can't be made for.
nn::Sequential projection(const LayerKeys& keys, const DimVector& in, const DimVector& out, ParameterBudget& budget) {
  if (in.size() != out.size() || in.size() < 2 || in.size() > 5) {
    return nullptr;
  }
  const auto weights = static_cast<double>(in[1]) * static_cast<double>(out[1]);
  if (in.size() == 2) {
    take_parameters(keys, "projection", weights + static_cast<double>(out[1]), budget);
    return nn::Sequential(nn::Linear(in[1], out[1]));
  }
  const std::vector<std::int64_t> strides = strides_between(in, out);
  if (strides.empty()) {
    return nullptr;
  }
  take_parameters(keys, "projection", weights + 4 * static_cast<double>(out[1]), budget);
  switch (in.size()) {
    case 3:
      return convolution_to<nn::Conv1d, nn::BatchNorm1d, 1>(in[1], out[1], strides);
    case 4:
      return convolution_to<nn::Conv2d, nn::BatchNorm2d, 2>(in[1], out[1], strides);
    default:
      return convolution_to<nn::Conv3d, nn::BatchNorm3d, 3>(in[1], out[1], strides);
  }
}

LayerOptions::Make residual(const LayerKeys& keys) {
  const Branch body = {keys.layers({"layers", "layers whose result is added to the shortcut's"}), keys};
  const Branch shortcut = {keys.layers({"shortcut", "layers of the shortcut; none hand on the input"}), keys};
  const bool projects =
      keys.boolean({"projection",
                    "where shapes differ the shortcut is a 1x1 convolution and batch normalization, or a linear layer"},
                   false);
  if (keys.section().sections("layers").empty()) {
    keys.section().fail("layers", to_text("no layers in [", keys.section().path(), "]: need at least one in 'layers'"));
  }
  if (projects && !shortcut.layers.empty()) {
    keys.fail("projection", "projection beside 'shortcut': need one of the two");
  }
  return [=](LayerInput& input, ParameterBudget& budget) {
    nn::Branches module{nn::BranchesOptions(kBranchSum)};
    LayerInput result = input;
    add_branch(module, body, input, result, budget);
    LayerInput around = input;
    nn::Sequential path = make_layers(shortcut.layers, around, budget);
    if (projects && result.shape != around.shape) {
      path = projection(keys, input.shape, result.shape, budget);
    }
    if (path.is_empty() || (!projects && result.shape != around.shape)) {
      keys.fail(shortcut.layers.empty() ? "layers" : "shortcut",
                to_text("the layers give shape ", result.shape, ", the shortcut ", around.shape,
                        ": need one shape; 'shortcut' takes layers, and projection = true makes them"));
    }
    module->push_back(path);
    input.vocabulary = result.vocabulary;
    return module;
  };
}

}  // namespace

LayerTypes composition_types() {
  return {
      {"branches", "networks side by side on the same input, whose results are added or joined", branches, Takes::Any},
      {"residual", "the sum of some layers' result and of a shortcut around them", residual, Takes::Any},
  };
}

}  // namespace backflow::train

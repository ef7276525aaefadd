#include <backflow/train/model/layers.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include <backflow/nn/modules/activation.h>
#include <backflow/nn/modules/batch_norm.h>
#include <backflow/nn/modules/branches.h>
#include <backflow/nn/modules/conv.h>
#include <backflow/nn/modules/dropout.h>
#include <backflow/nn/modules/linear.h>
#include <backflow/nn/modules/normalization.h>
#include <backflow/nn/modules/pooling.h>

namespace backflow::train {
namespace {

using Make = LayerOptions::Make;

constexpr std::int64_t kMaxSize = 1 << 24;

/// Throws ConfigError at a key of a layer; `message` starts with the layer's type.
[[noreturn]] void fail_layer(const io::Section& s, std::string_view key, const std::string& message) {
  s.fail(key, to_text("in [", s.path(), "], ", message));
}

/// Takes the parameters of a layer with so many outputs, each of `inputs` numbers, from the budget.
void take(ParameterBudget& budget, const io::Section& s, std::string_view key, const char* type, double inputs,
          std::int64_t outputs, bool bias) {
  const std::string problem = budget.take(static_cast<double>(outputs) * (inputs + (bias ? 1 : 0)));
  if (!problem.empty()) {
    fail_layer(s, key, to_text(type, ": ", problem));
  }
}

// One function for each type: it reads the type's keys, and returns what makes the layer.

Make linear(const io::Section& s) {
  const std::int64_t in_features = s.integer("in_features", {.at_least = 0, .at_most = kMaxSize}, 0);
  const std::int64_t out_features = s.integer("out_features", {.at_least = 1, .at_most = kMaxSize});
  const bool bias = s.boolean("bias", true);
  return [=](const DimVector& input, ParameterBudget& budget) {
    if (in_features > 0 && in_features != input.back()) {
      fail_layer(s, "in_features",
                 to_text("linear: in_features ", in_features, " for inputs of shape ", input,
                         ": need in_features = ", input.back()));
    }
    take(budget, s, "out_features", "linear", static_cast<double>(input.back()), out_features, bias);
    return nn::Linear(nn::LinearOptions(input.back(), out_features).bias(bias));
  };
}

Make gelu(const io::Section& s) {
  const std::string approximate = s.choice("approximate", {"none", "tanh"}, "none");
  return [=](const DimVector&, ParameterBudget&) { return nn::GELU(nn::GELUOptions().approximate(approximate)); };
}

Make flatten(const io::Section& s) {
  const std::int64_t start = s.integer("start_dim", {.at_least = 1}, 1);
  const std::int64_t end = s.integer("end_dim", {}, -1);
  return [=](const DimVector&, ParameterBudget&) {
    return nn::Flatten(nn::FlattenOptions().start_dim(start).end_dim(end));
  };
}

Make dropout(const io::Section& s) {
  const double p = s.number("p", {.at_least = 0, .at_most = 1}, 0.5);
  return [=](const DimVector&, ParameterBudget&) { return nn::Dropout(p); };
}

/// One number for all spatial dimensions of a picture, or one for height and one for width.
ExpandingArray<2> pair(const io::Section& s, std::string_view key, std::int64_t least) {
  return s.integer(key, {.at_least = least, .at_most = kMaxSize});
}
ExpandingArray<2> pair(const io::Section& s, std::string_view key, std::int64_t least, std::int64_t usual) {
  return s.integer(key, {.at_least = least, .at_most = kMaxSize}, usual);
}

/// The channels of pictures [batch, channels, height, width].
std::int64_t channels_of(const io::Section& s, const char* type, const DimVector& input) {
  if (input.size() != 4) {
    fail_layer(s, "type", to_text(type, ": inputs of shape ", input, ": need [batch, channels, height, width]"));
  }
  return input[1];
}

Make conv2d(const io::Section& s) {
  const std::int64_t out_channels = s.integer("out_channels", {.at_least = 1, .at_most = kMaxSize});
  nn::Conv2dOptions options(1, out_channels, pair(s, "kernel_size", 1));
  options.stride(pair(s, "stride", 1, 1)).padding(pair(s, "padding", 0, 0)).dilation(pair(s, "dilation", 1, 1));
  options.groups(s.integer("groups", {.at_least = 1, .at_most = kMaxSize}, 1)).bias(s.boolean("bias", true));
  return [=](const DimVector& input, ParameterBudget& budget) {
    const std::int64_t channels = channels_of(s, "conv2d", input);
    const double inputs = static_cast<double>(channels) / static_cast<double>(options.groups()) *
                          static_cast<double>((*options.kernel_size())[0]) *
                          static_cast<double>((*options.kernel_size())[1]);
    take(budget, s, "out_channels", "conv2d", inputs, out_channels, options.bias());
    return nn::Conv2d(nn::Conv2dOptions(options).in_channels(channels));
  };
}

Make max_pool2d(const io::Section& s) {
  const ExpandingArray<2> kernel = pair(s, "kernel_size", 1);
  nn::MaxPool2dOptions options(kernel);
  options.stride(pair(s, "stride", 1, (*kernel)[0])).padding(pair(s, "padding", 0, 0));
  return [=](const DimVector&, ParameterBudget&) { return nn::MaxPool2d(options); };
}

Make avg_pool2d(const io::Section& s) {
  const ExpandingArray<2> kernel = pair(s, "kernel_size", 1);
  nn::AvgPool2dOptions options(kernel);
  options.stride(pair(s, "stride", 1, (*kernel)[0])).padding(pair(s, "padding", 0, 0));
  return [=](const DimVector&, ParameterBudget&) { return nn::AvgPool2d(options); };
}

Make adaptive_avg_pool2d(const io::Section& s) {
  const std::int64_t size = s.integer("output_size", {.at_least = 1, .at_most = kMaxSize}, 1);
  return [=](const DimVector&, ParameterBudget&) { return nn::AdaptiveAvgPool2d(nn::AdaptiveAvgPool2dOptions(size)); };
}

Make batch_norm2d(const io::Section& s) {
  const double eps = s.number("eps", {.above = 0}, 1e-5);
  const double momentum = s.number("momentum", {.at_least = 0, .at_most = 1}, 0.1);
  return [=](const DimVector& input, ParameterBudget&) {
    return nn::BatchNorm2d(nn::BatchNorm2dOptions(channels_of(s, "batch_norm2d", input)).eps(eps).momentum(momentum));
  };
}

Make layer_norm(const io::Section& s) {
  const double eps = s.number("eps", {.above = 0}, 1e-5);
  return [=](const DimVector& input, ParameterBudget&) {
    return nn::LayerNorm(nn::LayerNormOptions({input.back()}).eps(eps));
  };
}

/// [[model.layers.branches]]: layers in their order; none at all hand on their input.
struct BranchOptions {
  std::vector<LayerOptions> layers;
  io::Section section;
};

Make branches(const io::Section& s) {
  const auto combine = s.choice("combine", {"sum", "concat"}, "sum") == "sum" ? kBranchSum : kBranchConcat;
  const std::int64_t dim = combine == kBranchConcat ? s.integer("dim", {.at_least = 1}, 1) : 1;
  s.explain("dim", "it is a key of combine = \"concat\", not of \"sum\"");
  std::vector<BranchOptions> all;
  for (const io::Section& branch : s.sections("branches")) {
    all.push_back({.layers = read_layers(branch), .section = branch});
  }
  if (all.empty()) {
    s.fail("branches", to_text("no branches in [", s.path(), "]: need at least one in 'branches'"));
  }
  return [=](const DimVector& input, ParameterBudget& budget) {
    nn::Branches module(nn::BranchesOptions(combine).dim(dim));
    for (const BranchOptions& branch : all) {
      DimVector shape = input;
      module->push_back(make_layers(branch.layers, shape, budget));
      try {
        module->output_shape(input);
      } catch (const Error& error) {
        // The first can only be wrong in what all are combined along.
        module->size() == 1 ? fail_layer(s, "dim", error.what()) : fail_layer(branch.section, "layers", error.what());
      }
    }
    return module;
  };
}

/// A layer without keys.
template <class Module>
Make plain(const io::Section&) {
  return [](const DimVector&, ParameterBudget&) { return Module(); };
}

struct LayerType {
  const char* name;
  Make (*read)(const io::Section&);
};

constexpr LayerType kTypes[] = {
    {"linear", linear},
    {"conv2d", conv2d},
    {"relu", plain<nn::ReLU>},
    {"tanh", plain<nn::Tanh>},
    {"sigmoid", plain<nn::Sigmoid>},
    {"gelu", gelu},
    {"max_pool2d", max_pool2d},
    {"avg_pool2d", avg_pool2d},
    {"adaptive_avg_pool2d", adaptive_avg_pool2d},
    {"batch_norm2d", batch_norm2d},
    {"layer_norm", layer_norm},
    {"flatten", flatten},
    {"dropout", dropout},
    {"branches", branches},
};

/// The keys of a type, besides `type`.
std::vector<std::string> keys_of(const LayerType& type) {
  const io::Config blank = io::Config::blank();
  try {
    type.read(blank.root());
  } catch (const io::ConfigError&) {  // no branches: the keys have been asked for
  }
  return blank.asked();
}

/// Says of the keys that only layers of other types have whose they are.
void explain_foreign_keys(const io::Section& s, std::string_view chosen) {
  static const std::vector<std::vector<std::string>> kKeys = [] {
    std::vector<std::vector<std::string>> all;
    for (const LayerType& type : kTypes) {
      all.push_back(keys_of(type));
    }
    return all;
  }();
  for (const std::string& key : s.keys()) {
    std::string others;
    bool own = key == "type";
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
      if (std::find(kKeys[i].begin(), kKeys[i].end(), key) != kKeys[i].end()) {
        others += to_text(others.empty() ? "\"" : ", \"", kTypes[i].name, "\"");
        own = own || chosen == kTypes[i].name;
      }
    }
    if (!others.empty() && !own) {
      s.explain(key, to_text("it is a key of ", others, ", not of \"", chosen, "\""));
    }
  }
}

LayerOptions read_layer(const io::Section& s) {
  std::vector<std::string> names;
  for (const LayerType& type : kTypes) {
    names.emplace_back(type.name);
  }
  LayerOptions layer{.type = s.choice("type", names), .make = nullptr, .section = s};
  for (const LayerType& type : kTypes) {
    if (layer.type == type.name) {
      explain_foreign_keys(s, layer.type);
      layer.make = type.read(s);
    }
  }
  return layer;
}

}  // namespace

std::vector<LayerOptions> read_layers(const io::Section& s) {
  std::vector<LayerOptions> layers;
  const std::vector<io::Section> sections = s.sections("layers");
  if (sections.size() > kMaxLayers) {
    const io::Section& surplus = sections[kMaxLayers];
    throw io::ConfigError(
        to_text(surplus.where(), ": [", surplus.path(), "]: ", sections.size(), " layers: need at most ", kMaxLayers));
  }
  layers.reserve(sections.size());
  for (const io::Section& layer : sections) {
    layers.push_back(read_layer(layer));
  }
  return layers;
}

nn::Sequential make_layers(const std::vector<LayerOptions>& layers, DimVector& shape, ParameterBudget& budget) {
  nn::Sequential network;
  for (const LayerOptions& layer : layers) {
    try {
      const nn::AnyModule module = layer.make(shape, budget);
      shape = module.ptr()->output_shape(shape);
      network->push_back(module);
    } catch (const io::ConfigError&) {
      throw;
    } catch (const Error& error) {
      const std::string message = error.what();
      const std::string given = to_text(shape);
      const bool says = message.find(given) != std::string::npos;
      fail_layer(layer.section, "type", says ? message : to_text(message, "; for inputs of shape ", given));
    }
  }
  return network;
}

}  // namespace backflow::train

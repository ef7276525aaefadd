#include <backflow/train/model/layers.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <backflow/train/model/layer_types/layer_type.h>

namespace backflow::train {
namespace {

constexpr const char* kUse = "use";  // the type of a layer that stands for those of a block

const LayerType* find_type(std::string_view name) {
  const LayerTypes& all = all_layer_types();
  const auto found = std::find_if(all.begin(), all.end(), [&](const LayerType& type) { return type.name == name; });
  return found == all.end() ? nullptr : &*found;
}

/// The block that a layer uses. Throws ConfigError for one that is not there, or is being expanded.
std::shared_ptr<const BlockUse> open_block(const LayerKeys& keys, const std::string& name) {
  const Blocks& blocks = *keys.scope().blocks;
  const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const auto& block) { return block.first == name; });
  if (found == blocks.end()) {
    std::string all;
    for (const auto& [known, section] : blocks) {
      all += (all.empty() ? "\"" : ", \"") + known + "\"";
    }
    keys.fail(kUse, to_text("no block '", name, "': need one of [model.blocks]", all.empty() ? "" : ": ", all));
  }
  for (const BlockUse* outer = keys.scope().use.get(); outer != nullptr; outer = outer->keys.scope().use.get()) {
    if (outer->block == name) {
      keys.fail(kUse, to_text("block '", name, "' uses itself: need blocks that end"));
    }
  }
  const io::Section defaults = found->second.section({"defaults", "values of the block's parameters"});
  return std::make_shared<BlockUse>(
      BlockUse{.block = name, .section = found->second, .keys = keys, .defaults = defaults});
}

/// Ends the reading of the whole model: blocks in blocks may go on for ever.
struct TooManyLayers : io::ConfigError {
  using ConfigError::ConfigError;
};

/// Takes further layers of those that a model may have.
void count_layers(const LayerKeys& keys, std::size_t further) {
  std::size_t& all = *keys.scope().layers;
  all += further;
  if (all > kMaxLayers) {
    throw TooManyLayers(to_text(keys.section().where(), ": [", keys.section().path(), "]: more than ", kMaxLayers,
                                " layers up to this one: need at most ", kMaxLayers));
  }
}

/// Appends the layers of a block, as often as they are repeated.
void read_use(const LayerKeys& keys, std::vector<LayerOptions>& layers) {
  const std::string name = keys.string({kUse, "name of a block of `[model.blocks]`, whose layers stand here"});
  const std::int64_t repeat = keys.integer({"repeat", "how often they do, each time with parameters of their own"},
                                           {.at_least = 1, .at_most = static_cast<std::int64_t>(kMaxLayers)}, 1);
  if (!keys.has(kUse)) {
    return;  // a blank configuration
  }
  LayerScope scope = keys.scope();
  scope.use = open_block(keys, name);
  const std::size_t before = *scope.layers;
  const std::vector<LayerOptions> body =
      read_layers(scope.use->section, {"layers", "layers of the block in their order"}, scope);
  if (scope.use->section.sections("layers").empty()) {
    keys.fail(kUse, to_text("block '", name, "' has no layers: need at least one in [model.blocks.", name, "]"));
  }
  const auto copies = static_cast<std::size_t>(repeat);
  count_layers(keys, (*scope.layers - before) * (copies - 1));
  for (std::size_t i = 0; i < copies; ++i) {
    layers.insert(layers.end(), body.begin(), body.end());
  }
}

void read_layer(const io::Section& s, const LayerScope& scope, std::vector<LayerOptions>& layers) {
  LayerKeys keys(s, scope);
  std::vector<std::string> names;
  for (const LayerType& type : all_layer_types()) {
    names.emplace_back(type.name);
  }
  names.emplace_back(kUse);
  const io::Key key = {"type", "what the layer is; `\"use\"` when `use` is given"};
  const std::string name =
      keys.choice(key, names, keys.has(kUse) ? std::optional<std::string>(kUse) : std::optional<std::string>());
  keys.set_type(name);
  if (name == kUse) {
    read_use(keys, layers);
  } else if (const LayerType* type = find_type(name)) {
    count_layers(keys, 1);
    layers.push_back({type->read(keys), keys});
  }
}

/// What a layer takes, which its input has to be, and what it gives then.
void check_kind(const LayerKeys& keys, Takes takes, const LayerInput& input) {
  if (takes == Takes::Tokens && input.vocabulary == 0) {
    keys.fail("type", to_text("inputs of shape ", input.shape, " are floating-point numbers: need tokens, as of text"));
  }
  if (takes == Takes::Numbers && input.vocabulary > 0) {
    keys.fail("type", to_text("inputs of shape ", input.shape, " are tokens, numbers below ", input.vocabulary,
                              ": need an embedding layer first"));
  }
}

/// Makes one layer, and follows the input through it.
nn::AnyModule make_layer(const LayerOptions& layer, LayerInput& input, ParameterBudget& budget) {
  const LayerType* type = find_type(layer.keys.type());
  check_kind(layer.keys, type->takes, input);
  nn::AnyModule module = layer.make(input, budget);
  const DimVector given = input.shape;
  input.shape = module.ptr()->output_shape(given);
  if (type->takes == Takes::Tokens) {
    input.vocabulary = 0;
  }
  const std::string problem = budget.check_result(input.shape);
  if (!problem.empty()) {
    layer.keys.fail("type", to_text("inputs of shape ", given, ": ", problem));
  }
  return module;
}

}  // namespace

std::vector<LayerOptions> read_layers(const io::Section& s, const io::Key& key, const LayerScope& scope) {
  std::vector<LayerOptions> layers;
  for (const io::Section& layer : s.sections(key)) {
    std::optional<TooManyLayers> too_many;
    layer.attempt([&](const io::Section&) {
      try {
        read_layer(layer, scope, layers);
      } catch (const TooManyLayers& error) {
        too_many = error;
      }
    });
    if (too_many) {
      throw TooManyLayers(*too_many);
    }
  }
  return layers;
}

nn::Sequential make_layers(const std::vector<LayerOptions>& layers, LayerInput& input, ParameterBudget& budget) {
  nn::Sequential network;
  for (const LayerOptions& layer : layers) {
    try {
      network->push_back(make_layer(layer, input, budget));
    } catch (const io::ConfigError&) {
      throw;
    } catch (const Error& error) {
      const std::string message = error.what();
      const std::string given = to_text(input.shape);
      const bool says = message.find(given) != std::string::npos;
      layer.keys.fail("type", says ? message : to_text(message, "; for inputs of shape ", given));
    }
  }
  return network;
}

std::vector<std::pair<std::string, std::string>> layer_types() {
  std::vector<std::pair<std::string, std::string>> all;
  for (const LayerType& type : all_layer_types()) {
    all.emplace_back(type.name, type.sentence);
  }
  all.emplace_back(kUse, "the layers of a block, which may be repeated");
  return all;
}

}  // namespace backflow::train

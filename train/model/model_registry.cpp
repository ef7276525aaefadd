#include <backflow/train/model/model_registry.h>

#include <algorithm>
#include <utility>

#include <backflow/train/model/layers.h>
#include <backflow/train/model/named_models/named_model.h>

namespace backflow::train {
namespace {

/// The shape that the last layer gives has to be the one that is asked for.
void check_last(const std::vector<LayerOptions>& layers, const DimVector& given, const ModelRequest& request) {
  if (request.any_output || given == request.output_shape) {
    return;
  }
  layers.back().keys.fail(
      "type",
      to_text("the last layer gives shape ", given, " for each sample: need ", request.output_shape,
              given.size() > request.output_shape.size() ? "; a flatten layer makes one dimension of several" : ""));
}

ModelOptions::Make written_out(const io::Section& s) {
  // Asked for before the blocks, so that the schema lists the keys of layers here.
  const bool has_layers = !s.sections({"layers", "the layers in their order"}).empty();
  const LayerScope scope = {.blocks = std::make_shared<const Blocks>(
                                s.named_sections({"blocks", "layers that are used again, by the name of the block"})),
                            .layers = std::make_shared<std::size_t>(0),
                            .use = nullptr};
  const std::vector<LayerOptions> layers = read_layers(s, {"layers", "the layers in their order"}, scope);
  for (const auto& [name, block] : *scope.blocks) {
    if (s.is_blank()) {  // its keys are asked for, although nobody uses it
      read_layers(block, {"layers", "layers of the block in their order"}, scope);
      block.section({"defaults", "values of the block's parameters"});
    }
    block.explain("layers", "no layer uses this block");
    block.explain("defaults", "no layer uses this block");
  }
  if (!has_layers) {
    s.fail("layers", "no layers in [model]: need at least one [[model.layers]]");
  }
  return [=](const ModelRequest& request, ParameterBudget& budget) {
    LayerInput input = {.shape = request.sample_shape, .vocabulary = request.vocabulary};
    input.shape.insert(0, 1);  // of a batch of one
    const nn::Sequential network = make_layers(layers, input, budget);
    input.shape.erase(0);
    check_last(layers, input.shape, request);
    Model model;
    model.module = network.ptr();
    model.forward = [network](const Tensor& x) { return network->forward(x); };
    model.output_shape = input.shape;
    return model;
  };
}

std::vector<ModelType>& all_types() {
  static std::vector<ModelType> all = [] {
    std::vector<ModelType> types = {{"layers", "the layers that `[[model.layers]]` lists", written_out}};
    for (const std::vector<ModelType>& family : {dense_models(), image_models(), adversarial_models()}) {
      types.insert(types.end(), family.begin(), family.end());
    }
    return types;
  }();
  return all;
}

const ModelType* find_type(const std::string& name) {
  const std::vector<ModelType>& all = all_types();
  const auto found = std::find_if(all.begin(), all.end(), [&](const ModelType& type) { return type.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

void register_model(ModelType type) {
  check(find_type(type.name) == nullptr, "register_model: there is a model '", type.name, "': need another name");
  check(type.read != nullptr, "register_model: model '", type.name, "' without `read`: need a function");
  all_types().push_back(std::move(type));
}

const std::vector<ModelType>& model_types() { return all_types(); }

ModelOptions read_model(const io::Section& s) {
  std::vector<std::string> names;
  for (const ModelType& type : all_types()) {
    names.push_back(type.name);
  }
  ModelOptions options{.name = "", .make = nullptr, .section = s};
  options.name = s.choice({"name", "the model; `\"layers\"` when `[[model.layers]]` is given"}, names,
                          s.has("layers") ? "layers" : "mlp");
  const ModelType* type = find_type(options.name);
  if (type == nullptr) {
    return options;  // a blank configuration
  }
  if (options.name != "layers") {
    for (const char* key : {"layers", "blocks"}) {
      s.explain(key, to_text("they belong to name = \"layers\", not to \"", options.name, "\""));
    }
  }
  options.make = type->read(s);
  return options;
}

}  // namespace backflow::train

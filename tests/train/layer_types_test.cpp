// Every type of layer: that there is one for each module, and that what a configuration accepts runs.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include <backflow/nn/module.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/train/layer_samples.h>

using namespace backflow;
using namespace backflow::train;
using test::any_of;
using test::batch_of;
using test::LayerCase;
using test::model_options;
using test::sample_layer;

namespace {

/// Types that are no module of their own: "use" stands for the layers of a block, "residual" makes Branches.
const std::set<std::string> kNoModule = {"use", "residual"};

/// Modules without a type, and why.
const std::map<std::string, std::string> kWithoutType = {
    {"Sequential", "is what a list of layers makes"},
    {"Functional", "is a function of C++"},
    {"CosineSimilarity", "takes two inputs"},
    {"PairwiseDistance", "takes two inputs"},
    {"MaxUnpool1d", "takes the indices of a max pooling"},
    {"MaxUnpool2d", "takes the indices of a max pooling"},
    {"MaxUnpool3d", "takes the indices of a max pooling"},
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The modules that nn/modules declares, with the header of each.
std::map<std::string, std::string> declared_modules() {
  const std::regex declaration(R"(BACKFLOW_MODULE\((\w+)\)|class (\w+) : public ModuleHolder<)");
  std::map<std::string, std::string> modules;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(BACKFLOW_MODULES_DIR))) {
    if (file.path().extension() != ".h") {
      continue;
    }
    const std::string text = read_file(file.path());
    for (auto it = std::sregex_iterator(text.begin(), text.end(), declaration); it != std::sregex_iterator(); ++it) {
      modules[(*it)[1].matched ? (*it)[1] : (*it)[2]] = file.path().filename().string();
    }
  }
  return modules;
}

/// The model of one layer for a case, if it takes that; else what is wrong.
std::optional<Model> build(const std::string& layer, const LayerCase& c, std::string& message) {
  try {
    manual_seed(1);
    return build_model(model_options("layers = [" + layer + "]\n"), any_of(c.shape, c.vocabulary));
  } catch (const io::ConfigError& error) {
    message = error.what();
    return std::nullopt;
  }
}

std::vector<std::string> type_names() {
  std::vector<std::string> names;
  for (const auto& [name, sentence] : layer_types()) {
    names.push_back(name);
  }
  return names;
}

/// Runs forward and backward, and checks that shapes are those that were foreseen.
void check_runs(const Model& model, const LayerCase& c) {
  Tensor x = batch_of(c);
  if (c.vocabulary == 0) {
    x.set_requires_grad(true);
  }
  // In place on a leaf is an error that training never meets: its samples are no parameters.
  const Tensor y = model.forward(c.vocabulary == 0 ? x * 1 : x);
  DimVector expected = model.output_shape;
  expected.insert(0, 3);
  CHECK(DimVector(y.sizes()) == expected);
  if (y.requires_grad()) {
    y.sum().backward();
    for (const auto& parameter : model.module->named_parameters()) {
      CAPTURE(parameter.key());
      CHECK(parameter.value().grad().defined());
    }
  }
}

/// Whether a type makes a module of this name for some case.
std::string module_of(const std::string& type) {
  for (const LayerCase& c : test::layer_cases()) {
    std::string message;
    if (const std::optional<Model> model = build(sample_layer(type), c, message)) {
      return model->module->children().front()->class_name();
    }
  }
  return "";
}

}  // namespace

TEST_CASE("layers: every module has a type, or a reason why not", "[train]") {
  std::set<std::string> made;
  for (const std::string& type : type_names()) {
    if (!kNoModule.contains(type)) {
      CAPTURE(type);
      const std::string name = module_of(type);
      CHECK(name != "");
      CHECK(made.insert(name).second);
      std::string joined = type;
      joined.erase(std::remove(joined.begin(), joined.end(), '_'), joined.end());
      std::string lower = name;
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
      CHECK(joined == lower);  // the module's name in snake case
    }
  }
  const auto modules = declared_modules();
  CHECK(modules.size() > 80);
  for (const auto& [name, header] : modules) {
    CAPTURE(name, header);
    const bool loss = header.find("loss") != std::string::npos;  // of a task, not a layer
    CHECK((loss || kWithoutType.contains(name)) != made.contains(name));
  }
  for (const auto& [name, reason] : kWithoutType) {
    CAPTURE(name);
    CHECK(modules.contains(name));
  }
}

TEST_CASE("layers: every type runs forward and backward", "[train]") {
  for (const std::string& type : type_names()) {
    std::size_t runs = 0;
    for (const LayerCase& c : test::layer_cases()) {
      CAPTURE(type, c.shape, sample_layer(type));
      std::string message;
      if (const std::optional<Model> model = build(sample_layer(type), c, message)) {
        check_runs(*model, c);
        ++runs;
      } else {
        // Where, path, type, and the shape of a batch of one.
        CHECK_THAT(message, StartsWith("x.toml:2:"));
        if (type != "use") {
          const std::string shown = type == "residual" ? "tanh" : type;
          CHECK_THAT(message, ContainsSubstring("in [model.layers.0") && ContainsSubstring("], " + shown + ": "));
          DimVector shape = c.shape;
          shape.insert(0, 1);
          CHECK_THAT(message, ContainsSubstring(to_text(shape)));
        }
      }
    }
    CAPTURE(type);
    CHECK((runs > 0 || type == "use"));
  }
}

TEST_CASE("layers: whatever keys a configuration accepts, the layer runs", "[train]") {
  const std::vector<std::string> values = {"0",    "1",      "2",      "3",     "-1",     "7",         "0.3",  "2.5",
                                           "true", "[1, 2]", "[2, 1]", "[0,1]", "'same'", "'reflect'", "70000"};
  for (const std::string& type : type_names()) {
    const std::string sample = sample_layer(type);
    const io::Config config = io::Config::parse("layers = [" + sample + "]\n", "x.toml");
    read_layers(config.root(), "layers", {std::make_shared<Blocks>(), std::make_shared<std::size_t>(0), nullptr});
    for (const std::string& path : config.asked()) {
      const std::string key = path.substr(path.rfind('.') + 1);
      if (!path.starts_with("layers.0.") || path.find('.', 9) != std::string::npos || key == "type") {
        continue;
      }
      for (const std::string& value : values) {
        // The key once, with this value.
        const std::string layer = std::regex_replace(sample, std::regex(", " + key + R"( = (\[[^\]]*\]|[^,}]*))"), "");
        const std::string changed = layer.substr(0, layer.size() - 1) + ", " + key + " = " + value + "}";
        for (std::size_t i = 0; i < test::layer_cases().size(); i += 2) {
          const LayerCase& c = test::layer_cases()[i];
          CAPTURE(changed, c.shape, c.vocabulary);
          std::string message;
          if (const std::optional<Model> model = build(changed, c, message)) {
            if (numel_of(model->output_shape) < 10'000) {  // what is larger takes longer, and runs all the same
              check_runs(*model, c);
            }
          } else {
            CHECK_THAT(message, StartsWith("x.toml:2:"));
          }
        }
      }
    }
  }
}

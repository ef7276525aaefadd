// What Schema::of finds in readers, and what is made of it.
#include <nlohmann/json.hpp>

#include <backflow/io/schema.h>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

void read_layers(const Section& s) {
  for (const Section& layer : s.sections({"layers", "in their order"})) {
    const std::string type = layer.choice({"type", "what it computes"}, {"linear", "branches", "relu"});
    if (type == "linear") layer.integer({"units", "numbers of a result"}, {.at_least = 1});
    if (type == "branches") {
      if (layer.choice({"combine", "how"}, {"sum", "concat"}, "sum") == "concat")
        layer.integer({"dim", "along"}, {}, 1);
      for (const Section& branch : layer.sections({"branches", "side by side"})) read_layers(branch);
    }
  }
}

void read(const Config& config) {
  const Section root = config.root();
  root.string({"name", "of the run"});
  root.section({"model", "what is trained"}).attempt([](const Section& s) {
    if (s.choice({"name", "which"}, {"mlp", "layers"}, s.has("layers") ? "layers" : "mlp") == "mlp") {
      s.integers({"hidden", "sizes"}, {.at_least = 1, .at_most = 9});
    } else {
      read_layers(s);
      for (const auto& [name, block] : s.named_sections({"blocks", "layers that are used again"})) read_layers(block);
    }
    s.fail("name", "a blank model is none");
  });
  const Section optimizer = root.section({"optimizer", "the updates"});
  const std::string name = optimizer.choice({"name", "the method"}, {"sgd", "adam", "adagrad"}, "sgd");
  name == "sgd" ? optimizer.number({"lr", "learning rate"}, {.above = 0})
                : optimizer.number({"lr", "learning rate"}, {.above = 0}, 0.001);
  if (name != "adagrad") optimizer.number({"decay", "of weights"}, {.at_least = 0}, 0.0);
  if (name == "adam") optimizer.choices({"on", "a|b"}, {"a", "b"}, std::vector<std::string>{});
  root.section({"train", "the loop"}).boolean({"shuffle", "a new order"}, true);
}

const Schema& schema() {
  static const Schema all = Schema::of(read);
  return all;
}

std::vector<std::string> paths() {
  std::vector<std::string> all;
  for (const SchemaKey& key : schema().keys()) all.push_back(key.path);
  return all;
}

}  // namespace

TEST_CASE("schema: all keys of all choices, by tables, each once") {
  CHECK(paths() == std::vector<std::string>{"name",
                                            "model",
                                            "model.name",
                                            "model.hidden",
                                            "model.layers",
                                            "model.layers[].type",
                                            "model.layers[].units",
                                            "model.layers[].combine",
                                            "model.layers[].dim",
                                            "model.layers[].branches",
                                            "model.layers[].branches[].layers",
                                            "model.blocks",
                                            "model.blocks.NAME",
                                            "model.blocks.NAME.layers",
                                            "optimizer",
                                            "optimizer.name",
                                            "optimizer.lr",
                                            "optimizer.decay",
                                            "optimizer.on",
                                            "train",
                                            "train.shuffle"});
  CHECK(schema().find("model.layers[].branches[].layers")->same_as == "model.layers[]");
  CHECK(schema().find("model.blocks.NAME.layers")->same_as == "model.layers[]");
}

TEST_CASE("schema: what keys are, and under which conditions") {
  const auto when = [](const std::string& path, std::size_t variant = 0) {
    return schema().find(path)->variants.at(variant).when;
  };
  using When = std::vector<KeyCondition>;
  CHECK(when("train.shuffle").empty());
  CHECK(when("model.hidden") == When{{"model.name", {"mlp"}}});
  CHECK(when("model.layers[].dim") == When{{"model.name", {"layers"}},
                                           {"model.layers[].type", {"branches"}},
                                           {"model.layers[].combine", {"concat"}}});
  CHECK(when("optimizer.decay") == When{{"optimizer.name", {"sgd", "adam"}}});
  REQUIRE(schema().find("optimizer.lr")->variants.size() == 2);
  CHECK(when("optimizer.lr", 0) == When{{"optimizer.name", {"sgd"}}});
  CHECK(schema().find("optimizer.lr")->variants[0].required);
  CHECK(when("optimizer.lr", 1) == When{{"optimizer.name", {"adam", "adagrad"}}});
  CHECK(schema().find("optimizer.lr")->variants[1].fallback == "0.001");
  CHECK(schema().find("optimizer.name")->variants.size() == 1);
  CHECK(schema().find("model.hidden")->variants[0].accepts() == "an integer from 1 to 9 for each element of an array");
}

TEST_CASE("schema: keys are found by the paths that messages and overrides have") {
  CHECK(schema().find("model.layers.2.units")->path == "model.layers[].units");
  CHECK(schema().find("model.layers.2.branches.0.layers.1.dim")->path == "model.layers[].dim");
  CHECK(schema().find("model.blocks.encoder.layers.0.units")->path == "model.layers[].units");
  CHECK(schema().find("model.layers.units")->path == "model.layers[].units");
  CHECK(schema().find("model.unit") == nullptr);
  CHECK(schema().find("") == nullptr);
}

TEST_CASE("schema: a blank configuration with its choices is one without mistakes") {
  for (const SchemaKey& key : schema().keys()) {
    for (const KeyVariant& variant : key.variants) {
      const Config blank = Config::blank(variant.forced());
      read(blank);
      const Config again = Config::parse(blank.resolved(), "blank.toml");
      again.root().string("name");
      CAPTURE(key.path, blank.resolved());
      // Its own readers have asked for the key.
      const std::vector<std::string> asked = blank.asked();
      CHECK((key.is_table() || !key.path.starts_with("optimizer.") ||
             std::find(asked.begin(), asked.end(), key.path) != asked.end()));
    }
  }
}

TEST_CASE("schema: a key of another choice is explained") {
  const auto message = [](const std::string& text) {
    return error_of([&] {
      const Config config = Config::parse(text, "x.toml");
      config.root().string("name", "");
      const Section optimizer = config.section("optimizer");
      if (optimizer.choice("name", {"sgd", "adam", "adagrad"}, "sgd") != "adagrad") optimizer.number("decay", {}, 0.0);
      config.check(schema);
    });
  };
  CHECK(message("[optimizer]\non = []\n") ==
        "x.toml:2:1: unknown key 'on' in [optimizer]: it is a key of name = \"adam\", not of \"sgd\"; to leave it out: "
        "--set optimizer.on=unset");
  CHECK(
      message("[optimizer]\nname = 'adagrad'\ndecay = 1\n") ==
      "x.toml:3:1: unknown key 'decay' in [optimizer]: it is a key of name = \"sgd\" or \"adam\", not of \"adagrad\"; "
      "to leave it out: --set optimizer.decay=unset");
  // Of a choice that is itself mistaken the keys may be right.
  const std::string mistyped = message("[optimizer]\nname = 'adamm'\non = []\n");
  CAPTURE(mistyped);
  CHECK(mistyped.starts_with("x.toml:2:8: 'name' in [optimizer] is \"adamm\": "));
  CHECK(mistyped.find('\n') == std::string::npos);
}

TEST_CASE("schema: texts") {
  CHECK(schema_text(schema(), "train.shuffle") ==
        "train.shuffle: a new order\n  accepts: true or false\n  default: true\n");
  CHECK(schema_text(schema(), "lr") ==
        "optimizer.lr: learning rate\n  accepts: a number above 0\n"
        "  default: required with name = \"sgd\"; 0.001 with name = \"adam\" or \"adagrad\"\n");
  CHECK(
      schema_text(schema(), "model.layers.3.dim") ==
      "model.layers[].dim: along\n  accepts: an integer\n  default: 1\n  only with: type = \"branches\" and combine = "
      "\"concat\"\n");
  CHECK_THAT(schema_text(schema(), "optimizer"),
             StartsWith("[optimizer]  the updates\n  name   the method [\"sgd\"]\n"));
  const std::string all = schema_text(schema());
  for (const SchemaKey& key : schema().keys()) CHECK_THAT(all, ContainsSubstring(key.name()));
  CHECK(error_of([] { schema_text(schema(), "train.shufle"); }) ==
        "unknown key 'train.shufle': need one of 'backflow --help-config'; did you mean 'train.shuffle'?");
  CHECK(error_of([] { schema_text(schema(), "shufle"); }) ==
        "unknown key 'shufle': need one of 'backflow --help-config'; did you mean 'train.shuffle'?");

  const std::string markdown = schema_markdown(schema());
  CHECK_THAT(markdown, ContainsSubstring("### `[[model.layers]]`\n\nIn their order; with `name = \"layers\"`.\n"));
  CHECK_THAT(markdown, ContainsSubstring("| `on` | `name = \"adam\"` | an array of \"a\" or \"b\" | `[]` | a\\|b |\n"));
  CHECK_THAT(markdown, ContainsSubstring("| `shuffle` | true or false | `true` | a new order |\n"));
}

TEST_CASE("schema: JSON") {
  const nlohmann::json json = nlohmann::json::parse(schema_json(schema()));
  CHECK(json["additionalProperties"] == false);
  const auto& optimizer = json["properties"]["optimizer"];
  CHECK(optimizer["properties"]["lr"]["exclusiveMinimum"] == 0);
  CHECK(optimizer["properties"]["lr"]["description"] == "learning rate; required");
  CHECK(optimizer["properties"]["name"]["anyOf"][0]["enum"] == std::vector<std::string>{"sgd", "adam", "adagrad"});
  // A key of another choice is refused where the choice is given.
  bool refuses = false;
  for (const auto& condition : optimizer["allOf"]) {
    refuses = refuses || (condition["if"]["properties"]["name"]["enum"] == std::vector<std::string>{"adagrad"} &&
                          condition["then"]["properties"]["decay"] == false);
  }
  CHECK(refuses);
  const auto& layer = json["definitions"]["model.layers"];
  CHECK(layer["additionalProperties"] == true);  // blocks have parameters
  CHECK(layer["properties"]["branches"]["items"]["$ref"] == "#/definitions/model.layers.branches");
  CHECK(json["definitions"]["model.layers.branches"]["properties"]["layers"]["items"]["$ref"] ==
        "#/definitions/model.layers");
  CHECK(json["properties"]["model"]["properties"]["blocks"]["additionalProperties"]["properties"]["layers"]["items"]
            ["$ref"] == "#/definitions/model.layers");
}

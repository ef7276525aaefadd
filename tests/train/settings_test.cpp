// What is said of settings that do not go together, of names and sizes, and of options that are none.
#include <string>
#include <vector>

#include <backflow/io/config.h>
#include <backflow/train/experiment.h>
#include <backflow/train/model/layers.h>
#include <backflow/train/usage.h>

#include <backflow/tests/catch2.h>

using namespace backflow;
using namespace backflow::train;

namespace {

std::string message_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    Experiment::read(io::Config::parse(text, "x.toml", overrides));
  } catch (const io::ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("settings: a key of another optimizer, type or model says whose it is, and how to leave it out", "[train]") {
  const std::string text = "name = 't'\n[model]\nhidden = [4]\n[optimizer]\nlr = 0.1\nmomentum = 0.9\n";
  CHECK(message_of(text, {"optimizer.name=adam"}) ==
        "x.toml:6:1: unknown key 'momentum' in [optimizer]: it is a key of name = \"sgd\" or \"rmsprop\", not of "
        "\"adam\"; to leave it out: --set optimizer.momentum=unset");
  CHECK(message_of(text, {"optimizer.name=adam", "optimizer.momentum=unset"}).empty());
  CHECK(message_of(text, {"optimizer.betas=[0.9, 0.9]"}) ==
        "--set optimizer.betas=[0.9, 0.9]: unknown key 'betas' in [optimizer]: it is a key of name = \"adam\" "
        "or \"adamw\", not of \"sgd\"; to leave it out: --set optimizer.betas=unset");
  CHECK_THAT(message_of(text, {"optimizer.momentun=1"}), ContainsSubstring("did you mean 'momentum'?"));

  CHECK_THAT(message_of(text, {"model.name=resnet19"}),
             StartsWith("--set model.name=resnet19: 'name' in [model] is \"resnet19\": need \"layers\", \"mlp\", ") &&
                 ContainsSubstring("did you mean \"resnet18\"?"));
  CHECK(message_of(text, {"model.name=layers"}) ==
        "x.toml:2:1: no layers in [model]: need at least one [[model.layers]]");
  CHECK(message_of(text, {"model.layers=[{type = 'relu'}]"}) ==
        "x.toml:3:1: unknown key 'hidden' in [model]: it is a key of name = \"mlp\" or \"autoencoder\" or \"vae\", not "
        "of "
        "\"layers\"; to leave it out: --set model.hidden=unset");
  CHECK(
      message_of(text, {"model.layers=[{type = 'relu'}]", "model.name=mlp"}) ==
      "--set model.layers=[{type = 'relu'}]: unknown section [model.layers]: they belong to name = \"layers\", not to "
      "\"mlp\"; to leave it out: --set model.layers=unset");
  CHECK_THAT(message_of(text, {"model.layers=[{type = 'relu', kernel_size = 3}]", "model.hidden=unset"}),
             StartsWith("--set model.layers=[{type = 'relu', kernel_size = 3}]: unknown key 'kernel_size' in "
                        "[model.layers.0]: it is a key of type = \"conv1d\" or \"conv2d\" or ") &&
                 ContainsSubstring(" or \"max_pool2d\" or ") &&
                 EndsWith(", not of \"relu\"; to leave it out: --set model.layers.0.kernel_size=unset"));
}

TEST_CASE("settings: names that no directory can have are refused with their place", "[train]") {
  const auto message = [](const std::string& name) {
    return message_of("name = \"" + name + "\"\nmodel.hidden = [4]\noptimizer.lr = 0.1\n");
  };
  for (const std::string name : {"", ".", "..", "a/b", "/", "a\\nb", "\\u0000", "\\u007f"}) {
    CAPTURE(name);
    CHECK_THAT(message(name), StartsWith("x.toml:1:8: 'name' in the top level is \"") &&
                                  ContainsSubstring(": need a name that a directory can have"));
  }
  CHECK(message(std::string(200, 'x')) != "");
  for (const std::string& name : {std::string(199, 'x'), std::string("..."), std::string("é 1")}) {
    CHECK(message(name).empty());
  }
}

TEST_CASE("settings: models have a bounded number of layers", "[train]") {
  const auto repeat = [](const std::string& text, std::size_t count) {
    std::string result;
    for (std::size_t i = 0; i < count; ++i) {
      result += text;
    }
    return result;
  };
  const std::string head = "name = 't'\n[optimizer]\nlr = 0.1\n[model]\n";
  CHECK(message_of(head + "hidden = [" + repeat("1,", kMaxLayers) + "]\n").empty());
  CHECK(message_of(head + "hidden = [" + repeat("1,", 2'000'000) + "]\n") ==
        "x.toml:5:20011: 'hidden' in [model]: 2000000 layers: need at most 10000");
  CHECK(message_of(head + repeat("[[model.layers]]\ntype = 'relu'\n", kMaxLayers)).empty());
  CHECK(message_of(head + repeat("[[model.layers]]\ntype = 'relu'\n", 100'000)) ==
        "x.toml:20005:1: [model.layers.10000]: more than 10000 layers up to this one: need at most 10000");
  // Branches in branches, as deep as TOML goes.
  for (const int depth : {10, 1000, 100'000}) {
    const std::string message = message_of(head + "layers = [" + repeat("{type='branches',branches=[{layers=[", depth) +
                                           repeat("]}]}", depth) + "]\n");
    CAPTURE(depth);
    CHECK(message.empty() == (depth == 10));
    CHECK((message.empty() || message.starts_with("x.toml:5:")));
  }
}

TEST_CASE("settings: an option that is none, or a key without --set, gets the right words", "[train]") {
  const std::vector<std::string> options = {"--out", "--set", "--threads", "--help"};
  const std::vector<std::string> keys = Experiment::keys();
  const auto said = [&](const std::string& word, const std::string& next = "") {
    return unknown_argument(word, next, options, keys);
  };
  CHECK(said("--epochs", "2") == "unknown option --epochs; did you mean --set train.epochs=2?");
  CHECK(said("--epochs=2", "x") == "unknown option --epochs; did you mean --set train.epochs=2?");
  CHECK(said("--lr=0.1") == "unknown option --lr; did you mean --set optimizer.lr=0.1?");
  CHECK(said("--train.epochs", "2") == "unknown option --train.epochs; did you mean --set train.epochs=2?");
  CHECK(said("--batch-size", "64") == "unknown option --batch-size; did you mean --set train.batch_size=64?");
  CHECK(said("--epoch", "2") == "unknown option --epoch; did you mean --set train.epochs=2?");
  CHECK(said("--momentum", "--out") == "unknown option --momentum; did you mean --set optimizer.momentum=VALUE?");
  CHECK(said("--lr", "-1") == "unknown option --lr; did you mean --set optimizer.lr=-1?");
  CHECK(said("--betas", "[0.9, 0.99]") == "unknown option --betas; did you mean --set optimizer.betas=[0.9, 0.99]?");
  CHECK(said("--name", "x") ==
        "unknown option --name; did you mean --set name=x, --set model.name=x, --set optimizer.name=x, --set "
        "task.name=x or --set schedule.name=x?");
  CHECK(said("--treads", "2") == "unknown option --treads; did you mean --threads?");
  CHECK(said("--xyzzy") == "unknown option --xyzzy: need one of --out, --set, --threads, --help");
  CHECK(said("train.epochs=2") == "unexpected argument 'train.epochs=2'; did you mean --set train.epochs=2?");
  CHECK(said("b.toml") == "unexpected argument 'b.toml': need no further one");
  // Every key is recognised by its last part.
  for (const std::string& key : keys) {
    CHECK_THAT(said("--" + key.substr(key.rfind('.') + 1), "7"), ContainsSubstring("--set " + key + "=7"));
  }
  CHECK(unknown_command("trian", {"train", "evaluate"}) ==
        "unknown command 'trian': need train or evaluate; did you mean 'train'?");
  CHECK(unknown_command("x.toml", {"train", "evaluate"}) == "unknown command 'x.toml': need train or evaluate");
}

#include <backflow/io/config.h>

#include <cmath>

#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

const char* const kText = R"(name = "mlp" # a comment
seed = 7
[model]
hidden = [1024, 512]
[[model.layers]]
name = "linear"
units = 10
[[model.layers]]
name = "relu"
[optimizer]
lr = 1
momentum = 0.9
nesterov = true
)";

// Reads everything in `kText`, and some keys that are not there.
struct Settings {
  std::string name, note, kind, mode;
  std::int64_t seed, batch_size;
  std::vector<std::int64_t> hidden;
  std::vector<double> betas;
  std::vector<std::string> layers, tags;
  std::vector<std::int64_t> units;
  double lr, momentum, decay;
  bool nesterov, amsgrad;

  bool operator==(const Settings&) const = default;
};

Settings read(const Config& config) {
  Settings s;
  s.name = config.root().string("name");
  s.seed = config.root().integer("seed", {.at_least = 0}, 1);
  s.note = config.root().string("note", "a \"quoted\"\n\ttext \\ \x01 é");
  s.hidden = config.section("model").integers("hidden", {.at_least = 1});
  for (const Section& layer : config.section("model").sections("layers")) {
    s.layers.push_back(layer.choice("name", {"linear", "relu"}));
    s.units.push_back(layer.integer("units", {}, -1));
    s.kind += layer.section("init").string("kind", "he");
  }
  const Section optimizer = config.section("optimizer");
  s.lr = optimizer.number("lr", {.above = 0});
  s.momentum = optimizer.number("momentum", {.at_least = 0, .below = 1}, 0.0);
  s.decay = optimizer.number("decay", {}, 1e-5);
  s.betas = optimizer.numbers("betas", {}, std::vector<double>{0.9, 100.0});
  s.nesterov = optimizer.boolean("nesterov", false);
  s.amsgrad = optimizer.boolean("amsgrad", false);
  s.batch_size = config.section("train").integer("batch_size", {.at_least = 1}, 128);
  s.mode = config.section("train").choice("mode", {"fast", "reproducible"}, "fast");
  s.tags = config.section("train").strings("tags", std::vector<std::string>{});
  return s;
}

}  // namespace

TEST_CASE("config: values, defaults and tables are read") {
  const Config config = Config::parse(kText, "a.toml");
  const Settings s = read(config);
  CHECK(s.name == "mlp");
  CHECK(s.seed == 7);
  CHECK(s.hidden == std::vector<std::int64_t>{1024, 512});
  CHECK(s.layers == std::vector<std::string>{"linear", "relu"});
  CHECK(s.units == std::vector<std::int64_t>{10, -1});
  CHECK(s.lr == 1.0);
  CHECK(s.momentum == 0.9);
  CHECK(s.decay == 1e-5);
  CHECK(s.nesterov);
  CHECK(s.batch_size == 128);
  CHECK(s.mode == "fast");
  CHECK_NOTHROW(config.check());
}

TEST_CASE("config: the resolved text reads back to the same, and is stable") {
  const Config config =
      Config::parse(kText, "a.toml", {"optimizer.decay=1e-300", "name=x#y", "model.layers.1.units=3"});
  const Settings s = read(config);
  const std::string text = config.resolved();
  INFO(text);
  const Config again = Config::parse(text, "resolved.toml");
  CHECK(read(again) == s);
  CHECK_NOTHROW(again.check());
  CHECK(again.resolved() == text);
  CHECK_THAT(text, StartsWith("name = \"x#y\"\nseed = 7\nnote = "));
  CHECK_THAT(text, ContainsSubstring("\n[train]\nbatch_size = 128\nmode = \"fast\"\ntags = []\n"));
  CHECK_THAT(text, ContainsSubstring("\n[[model.layers]]\nname = \"relu\"\nunits = 3\n\n[model.layers.init]\n"));
}

TEST_CASE("config: values are listed one by one under their whole names, defaults included") {
  const Config config = Config::parse("[a]\nx = 1\n[[a.list]]\ny = 'z'\n[[a.list]]\n[b.c]\n", "a.toml");
  const Section a = config.section("a");
  a.number("x");
  for (const Section& element : a.sections("list")) {
    element.string("y", "none");
  }
  config.section("b").section("c").boolean("odd key", true);
  const std::vector<std::pair<std::string, std::string>> expected = {{"a.x", "1"},
                                                                     {"a.list", "2 tables"},
                                                                     {"a.list.0.y", "\"z\""},
                                                                     {"a.list.1.y", "\"none\""},
                                                                     {"b.c.\"odd key\"", "true"}};
  CHECK(config.values() == expected);
}

TEST_CASE("config: a key that is no longer needed may stay, and says so") {
  const auto read_old = [](const std::string& text, const std::vector<std::string>& overrides = {}) {
    const Config config = Config::parse(text, "a.toml", overrides);
    config.root().integer("x", {}, 1);
    config.section("old").obsolete("way", "fast", "there is one way");
    config.check();
    return config;
  };
  CHECK(read_old("x = 1\n").notes().empty());
  const Config config = read_old("x = 1\n[old]\nway = 'fast'\n");
  CHECK(config.notes() ==
        std::vector<std::string>{"a.toml:3:7: 'way' in [old] is no longer needed: there is one way; remove it"});
  CHECK(config.resolved() == "x = 1\n");
  CHECK(config.values().size() == 1);
  CHECK_THAT(read_old("", {"old.way=fast"}).notes().at(0), StartsWith("--set old.way=fast: 'way' in [old] is no"));
  CHECK(error_of([&] { read_old("[old]\nway = 'slow'\n"); }) ==
        "a.toml:2:7: 'way' in [old] is \"slow\": there is one way: need it left out");
  CHECK(error_of([&] { read_old("[old]\nway = 1\n"); }) ==
        "a.toml:2:7: 'way' in [old] is 1: there is one way: need it left out");
  CHECK_THAT(error_of([&] { read_old("[old]\nwya = 'fast'\n"); }),
             StartsWith("a.toml:2:1: unknown key 'wya' in [old]"));
}

TEST_CASE("config: resolved values are those in the file's own words where they matter") {
  const Config config = Config::parse("x = 0.1\ny = 1e300\nz = inf\n\"odd key\" = 1\n", "a.toml");
  config.root().number("x");
  config.root().number("y");
  config.root().number("z", {.infinite_or_nan = true});
  config.root().integer("odd key");
  config.section("empty");
  CHECK(config.resolved() == "x = 0.1\ny = 1e+300\nz = inf\n\"odd key\" = 1\n");
}

TEST_CASE("config: has, keys, where and fail") {
  const Config config = Config::parse(kText, "a.toml", {"train.epochs=3"});
  const Section optimizer = config.section("optimizer");
  CHECK(optimizer.has("lr"));
  CHECK_FALSE(optimizer.has("beta"));
  CHECK(optimizer.keys() == std::vector<std::string>{"lr", "momentum", "nesterov"});
  CHECK(optimizer.where("momentum") == "a.toml:12:12");
  CHECK(optimizer.where() == "a.toml:10:1");
  CHECK(optimizer.where("beta") == "a.toml:10:1");
  CHECK(config.section("data").where("path") == "a.toml");
  CHECK(config.section("train").where("epochs") == "--set train.epochs=3");
  const Section layer = config.section("model").sections("layers").at(1);
  CHECK(layer.path() == "model.layers.1");
  CHECK(error_of([&] { layer.fail("name", "does not fit"); }) == "a.toml:9:8: does not fit");
}

TEST_CASE("config: a section outlives its configuration") {
  const Section train = Config::parse("[train]\nepochs = 3\n", "a.toml").section("train");
  CHECK(train.integer("epochs") == 3);
}

TEST_CASE("config: overrides are TOML values or bare words") {
  const Config config = Config::parse(
      kText, "a.toml",
      {"optimizer.lr=0.5", "data.path=/usr/share/x.gz", "model.hidden=[1, 2]", "train.tags=[\"a\", \"b\"]",
       "train.mode='reproducible'", "data.n=12", "data.flag=true", "data.empty=''", "data.date_like=2020-01-01x",
       "a.b.c.d=1", "model.layers.0.units=5", "table={x = 1}", "name=two words"});
  CHECK(config.section("optimizer").number("lr") == 0.5);
  CHECK(config.section("data").string("path") == "/usr/share/x.gz");
  CHECK(config.section("model").integers("hidden") == std::vector<std::int64_t>{1, 2});
  CHECK(config.section("train").strings("tags") == std::vector<std::string>{"a", "b"});
  CHECK(config.section("train").string("mode") == "reproducible");
  CHECK(config.section("data").integer("n") == 12);
  CHECK(config.section("data").boolean("flag"));
  CHECK(config.section("data").string("empty").empty());
  CHECK(config.section("data").string("date_like") == "2020-01-01x");
  CHECK(config.section("a").section("b").section("c").integer("d") == 1);
  CHECK(config.section("model").sections("layers").at(0).integer("units") == 5);
  CHECK(config.section("table").integer("x") == 1);
  CHECK(config.root().string("name") == "two words");
}

TEST_CASE("config: arrays of inline tables and dotted keys are tables like others") {
  const Config config = Config::parse("a.b.c = 1\nlayers = [{n = 1}, {n = 2}]\nnone = []\n", "a.toml");
  CHECK(config.section("a").section("b").integer("c") == 1);
  CHECK(config.root().sections("layers").size() == 2);
  CHECK(config.root().sections("layers")[1].integer("n") == 2);
  CHECK(config.root().sections("layers")[0].integer("n") == 1);
  CHECK(config.root().sections("none").empty());
  CHECK(config.root().sections("absent").empty());
  CHECK_NOTHROW(config.check());
  const Config again = Config::parse(config.resolved(), "again.toml");
  CHECK(again.root().sections("layers").size() == 2);
}

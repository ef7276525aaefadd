#include <functional>
#include <random>

#include <backflow/io/config.h>
#include <backflow/tests/catch2.h>
#include <backflow/tests/io/support.h>

using namespace backflow;
using namespace backflow::io;
using backflow::test::error_of;

namespace {

using Overrides = std::vector<std::string>;

// The error of reading `text` with `read` and then checking that all was read.
std::string message(const std::string& text, const std::function<void(const Config&)>& read,
                    const Overrides& overrides = {}) {
  return error_of([&] {
    const Config config = Config::parse(text, "x.toml", overrides);
    read(config);
    config.check_all_read();
  });
}

void read_optimizer(const Config& config) {
  const Section optimizer = config.section("optimizer");
  optimizer.string("name", "sgd");
  optimizer.number("learning_rate", {.above = 0}, 0.1);
  optimizer.number("momentum", {.at_least = 0, .below = 1}, 0);
  config.section("train").integer("batch_size", {.at_least = 1}, 128);
  for (const Section& layer : config.section("model").sections("layers")) layer.integer("units");
}

}  // namespace

TEST_CASE("config errors: unknown keys and sections, with the nearest") {
  CHECK(message("[optimizer]\n      learning_rat = 1\n", read_optimizer) ==
        "x.toml:2:7: unknown key 'learning_rat' in [optimizer]; did you mean 'learning_rate'?");
  CHECK(message("[optimizer]\nlearnign_rate = 1\n", read_optimizer) ==
        "x.toml:2:1: unknown key 'learnign_rate' in [optimizer]; did you mean 'learning_rate'?");
  CHECK(message("[optimzer]\nname = 'adam'\n", read_optimizer) ==
        "x.toml:1:2: unknown section [optimzer]; did you mean [optimizer]?");
  CHECK(message("[optimizer]\nxyz = 1\n", read_optimizer) ==
        "x.toml:2:1: unknown key 'xyz' in [optimizer]: need one of 'name', 'learning_rate', 'momentum'");
  CHECK(message("[train]\nmomentum = 0.5\n", read_optimizer) ==
        "x.toml:2:1: unknown key 'momentum' in [train]; did you mean 'momentum' in [optimizer]?");
  CHECK(message("batch_size = 1\n", read_optimizer) ==
        "x.toml:1:1: unknown key 'batch_size' in the top level; did you mean 'batch_size' in [train]?");
  CHECK(message("[[model.layers]]\nunits = 1\n[[model.layers]]\nunits = 2\nunit = 3\n", read_optimizer) ==
        "x.toml:5:1: unknown key 'unit' in [model.layers.1]; did you mean 'units'?");
  CHECK(message("x = 1\n", [](const Config&) {}) == "x.toml:1:1: unknown key 'x' in the top level: need none here");
  CHECK(message("[train.\"a b\"]\nx = 1\n", read_optimizer) ==
        "x.toml:1:8: unknown section [train.\"a b\"]: need one of 'batch_size'");
}

TEST_CASE("config errors: the first unknown key by place is named") {
  CHECK_THAT(message("[train]\nzzz = 1\n[optimizer]\naaa = 1\n", read_optimizer), StartsWith("x.toml:2:1: "));
}

TEST_CASE("config errors: wrong types say what the value is and what is needed") {
  const auto read = [](const Config& config) { read_optimizer(config); };
  CHECK(message("[train]\nbatch_size = 'a'\n", read) ==
        "x.toml:2:14: 'batch_size' in [train] is a string: need an integer of at least 1");
  CHECK(message("[train]\nbatch_size = 1.5\n", read) ==
        "x.toml:2:14: 'batch_size' in [train] is a float: need an integer of at least 1");
  CHECK(message("[optimizer]\nname = 2020-01-01\n", read) ==
        "x.toml:2:8: 'name' in [optimizer] is a date: need a string");
  CHECK(message("[optimizer]\nmomentum = [1]\n", read) ==
        "x.toml:2:12: 'momentum' in [optimizer] is an array: need a number of at least 0 and below 1");
  CHECK(message("optimizer = 1\n", read) ==
        "x.toml:1:13: 'optimizer' in the top level is an integer: need a table, [optimizer]");
  CHECK(message("[model]\nlayers = {units = 1}\n", read) ==
        "x.toml:2:10: 'layers' in [model] is a table: need an array of tables, [[layers]]");
  CHECK(message("[model]\nlayers = [1]\n", read) ==
        "x.toml:2:11: 'layers[0]' in [model] is an integer: need an array of tables, [[layers]]");
  CHECK(message("x = 1\n", [](const Config& c) { c.root().boolean("x", false); }) ==
        "x.toml:1:5: 'x' in the top level is an integer: need true or false");
  CHECK(message("x = ['a', 1]\n", [](const Config& c) { c.root().strings("x"); }) ==
        "x.toml:1:11: 'x[1]' in the top level is an integer: need an array of strings");
}

TEST_CASE("config errors: values out of range") {
  CHECK(message("[train]\nbatch_size = 0\n", read_optimizer) ==
        "x.toml:2:14: 'batch_size' in [train] is 0: need an integer of at least 1");
  CHECK(message("[optimizer]\nmomentum = 1\n", read_optimizer) ==
        "x.toml:2:12: 'momentum' in [optimizer] is 1.0: need a number of at least 0 and below 1");
  CHECK(message("[optimizer]\nlearning_rate = nan\n", read_optimizer) ==
        "x.toml:2:17: 'learning_rate' in [optimizer] is nan: need a number above 0");
  CHECK(message("x = inf\n", [](const Config& c) { c.root().number("x"); }) ==
        "x.toml:1:5: 'x' in the top level is inf: need a finite number");
  CHECK(message("x = [1, -3]\n", [](const Config& c) { c.root().integers("x", {.at_least = 1, .at_most = 9}); }) ==
        "x.toml:1:9: 'x[1]' in the top level is -3: need an integer from 1 to 9 for each element of an array");
  CHECK(message("x = 11\n", [](const Config& c) { c.root().integer("x", {.at_most = 10}); }) ==
        "x.toml:1:5: 'x' in the top level is 11: need an integer of at most 10");
  CHECK(
      message("x = 'fsat'\n", [](const Config& c) {
        c.root().choice("x", {"fast", "reproducible"});
      }) == "x.toml:1:5: 'x' in the top level is \"fsat\": need \"fast\" or \"reproducible\"; did you mean \"fast\"?");
}

TEST_CASE("config errors: missing keys") {
  const auto read = [](const Config& c) { c.section("train").integer("epochs", {.at_least = 1}); };
  CHECK(message("[train]\n", read) == "x.toml:1:1: missing key 'epochs' in [train]: need an integer of at least 1");
  CHECK(message("", read) == "x.toml: missing key 'epochs' in [train]: need an integer of at least 1");
  CHECK(message("[train]\nepoch = 1\n", read) ==
        "x.toml:1:1: missing key 'epochs' in [train]: need an integer of at least 1; is it 'epoch' at x.toml:2:1?");
}

TEST_CASE("config errors: overrides") {
  const auto nothing = [](const Config&) {};
  CHECK(message("", read_optimizer, {"train.batch_size=no"}) ==
        "--set train.batch_size=no: 'batch_size' in [train] is a string: need an integer of at least 1");
  CHECK(message("", read_optimizer, {"train.batchsize=1"}) ==
        "--set train.batchsize=1: unknown key 'batchsize' in [train]; did you mean 'batch_size'?");
  CHECK(message("", read_optimizer, {"trian.epochs=1"}) ==
        "--set trian.epochs=1: unknown section [trian]; did you mean [train]?");
  CHECK(message("", nothing, {"a.b"}) == "--set a.b: no value: need KEY=VALUE, as in train.batch_size=64");
  CHECK(message("", nothing, {"a.b="}) == "--set a.b=: no value: need KEY=VALUE, as in train.batch_size=64");
  CHECK(message("", nothing, {"a..b=1"}) ==
        "--set a..b=1: not a key: need names joined by dots, as in train.batch_size=64");
  CHECK_THAT(message("", nothing, {"a=[1, 2"}), StartsWith("--set a=[1, 2: not a TOML value: "));
  CHECK(message("a = 1\n", nothing, {"a.b=1"}) ==
        "--set a.b=1: 'a' in the top level is not a table (x.toml:1:5): need a table to set a key of it");
  CHECK(message("[[a]]\n[[a]]\n", nothing, {"a.2.b=1"}) == "--set a.2.b=1: no element '2': need a number from 0 to 1");
  CHECK(message("[[a]]\n", nothing, {"a.x.b=1"}) == "--set a.x.b=1: no element 'x': need a number from 0 to 0");
  // A line break must not smuggle in a second key.
  CHECK(message("", [](const Config& c) { CHECK(c.root().string("a") == "1\nb=2"); }, {"a=1\nb=2"}) == "no error");
}

TEST_CASE("config errors: text that is not TOML gives one line with its place") {
  const std::vector<std::string> texts{"a = \n",
                                       "a = 1\na = 2\n",
                                       "[x]\n[x]\n",
                                       "a",
                                       "\xff\xfe",
                                       std::string("a = 1\0b", 7),
                                       std::string("a = \"x\ny\"\n"),
                                       std::string("a = 'x")};
  for (const std::string& text : texts) {
    const std::string error = message(text, [](const Config&) {});
    INFO(error);
    CHECK_THAT(error, StartsWith("x.toml:") && ContainsSubstring(": not TOML: "));
    CHECK(error.find('\n') == std::string::npos);
  }
  CHECK(message("a = 1\n\n[[[b]]]\nc = '''\n", [](const Config&) {}) == "x.toml:3:1: not TOML: malformed text");
  CHECK_THAT(message("\n  a = = 1\n", [](const Config&) {}), StartsWith("x.toml:2:"));
}

TEST_CASE("config errors: files that cannot be read") {
  const test::TemporaryDirectory directory;
  const std::string file = directory.file("x.toml");
  CHECK(error_of([&] { Config::load(file); }) == file + ": cannot read: No such file or directory: need a TOML file");
  CHECK(error_of([&] { Config::load(directory.path()); }) == directory.path() + ": is a directory: need a TOML file");
  test::write_text(file, "");
  CHECK_NOTHROW(Config::load(file).check_all_read());
  test::write_text(file, std::string((16 << 20) + 1, '\n'));
  CHECK(error_of([&] { Config::load(file); }) == file + ": more than 16 MiB: need a TOML file");
}

TEST_CASE("config errors: letters beyond ASCII need quotes") {
  const auto read = [](const Config& config) { config.root().string("é"); };
  CHECK(message("é = 1\n", read) ==
        "x.toml:1:1: not TOML: a character that needs quotes: need ASCII outside of strings and comments");
  CHECK(message("a = 1\nb = \xc2\xa0", read).substr(0, 13) == "x.toml:2:5: n");
  CHECK(message("# é ¡\n\"é\" = \"\"\"é\"\"\"\"\n", read) == "no error");
  CHECK(message("'é' = '''\né''' # ¡\n", read) == "no error");
  CHECK(message("", [](const Config& c) { CHECK(c.root().string("a") == "é"); }, {"a=é"}) == "no error");
}

TEST_CASE("config: byte order mark, carriage returns and Unicode") {
  const Config config = Config::parse(
      "\xef\xbb\xbf"
      "a = 1\r\n[b]\r\nc = 'é'\r\n",
      "x.toml");
  CHECK(config.root().integer("a") == 1);
  CHECK(config.section("b").string("c") == "é");
  CHECK_NOTHROW(config.check_all_read());
}

TEST_CASE("config: junk of any kind is an error or a configuration, never a crash") {
  std::mt19937 random(1);
  const std::string alphabet = "ab.=[]{}\"'\\#,\n 1\x01\xc3\xa9";
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    error_of([&] { Config::parse(text, "x.toml", {"a.b=" + text, text}).check_all_read(); });
  }
  std::string large(10 << 20, ' ');
  for (char& c : large) c = static_cast<char>(random());
  CHECK(error_of([&] { Config::parse(large, "x.toml"); }) != "no error");
}

TEST_CASE("config: deep and long input") {
  const auto nothing = [](const Config&) {};
  const auto repeat = [](const std::string& text, int count) {
    std::string result;
    for (int i = 0; i < count; ++i) result += text;
    return result;
  };
  for (const std::string& text :
       {repeat("a.", 1000000) + "a = 1\n", repeat("[", 1) + repeat("a.", 1000000) + "a]\n",
        repeat("\"=\".", 1000000) + "a = 1\n", repeat("a = ", 1) + repeat("[", 1000000),
        repeat("a = ", 1) + repeat("{a=", 1000000), repeat("a = {", 1) + repeat("a.", 1000000) + "a=1}"}) {
    CHECK(message(text, nothing) != "no error");
  }
  CHECK(message(repeat("a.", 200) + "a = 1\n", nothing) ==
        "x.toml:1:200: not TOML: a key of more than 100 parts: need a key of fewer");
  CHECK(message("", nothing, {repeat("a.", 1000000) + "a=1"}) != "no error");
  // Dots in strings, comments and numbers are no keys.
  CHECK(message("a = '" + repeat(".", 500) + "' # " + repeat(".", 500) + "\nb = [" + repeat("1.5, ", 500) + "]\n",
                [](const Config& c) {
                  c.root().string("a");
                  c.root().numbers("b");
                }) == "no error");
}

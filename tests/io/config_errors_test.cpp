#include <algorithm>
#include <cctype>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <sstream>

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
    config.check();
  });
}

bool one_line(const std::string& error) {
  return std::none_of(error.begin(), error.end(), [](unsigned char c) { return std::iscntrl(c) != 0; });
}

// What an error of a text that nobody reads is about.
std::string kind_of(const std::string& error) {
  if (error == "no error") return "accepted";
  for (const char* kind : {"not TOML", "unknown"}) {
    if (error.find(to_text(": ", kind, " ")) != std::string::npos ||
        error.find(to_text(": ", kind, ": ")) != std::string::npos) {
      return kind;
    }
  }
  return error.find(": not a TOML value: ") != std::string::npos ? "not TOML" : "malformed";
}

// An error of a text has lines that start with a place in the text.
void check_places(const std::string& error, const std::string& text) {
  std::istringstream lines(error);
  for (std::string one; std::getline(lines, one);) {
    if (one.starts_with("and ")) continue;
    CHECK(one_line(one));
    REQUIRE_THAT(one, StartsWith("x.toml:"));
    int line = 0;
    int column = 0;
    REQUIRE(std::sscanf(one.c_str(), "x.toml:%d:%d: ", &line, &column) == 2);
    CHECK(line >= 1);
    CHECK(line <= 1 + std::count(text.begin(), text.end(), '\n'));
    CHECK(column >= 1);
  }
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

TEST_CASE("config errors: all mistakes are named at once, by place") {
  CHECK(message("[train]\nzzz = 1\nbatch_size = 'a'\n[optimizer]\nxyz = 1\nmomentum = 1\n[model]\nlayers = [{}]\n",
                read_optimizer, {"model.layers.0.units=no", "train.batchsize=1", "a..b=1"}) ==
        "x.toml:2:1: unknown key 'zzz' in [train]: need one of 'batch_size'\n"
        "x.toml:3:14: 'batch_size' in [train] is a string: need an integer of at least 1\n"
        "x.toml:5:1: unknown key 'xyz' in [optimizer]: need one of 'momentum', 'name', 'learning_rate'\n"
        "x.toml:6:12: 'momentum' in [optimizer] is 1.0: need a number of at least 0 and below 1\n"
        "--set model.layers.0.units=no: 'units' in [model.layers.0] is a string: need an integer\n"
        "--set train.batchsize=1: unknown key 'batchsize' in [train]; did you mean 'batch_size'?\n"
        "--set a..b=1: not a key: need names joined by dots, as in train.batch_size=64");
  // Fifty lines, and how many more there are.
  std::string text;
  for (int i = 0; i < 60; ++i) text += to_text("x", i, " = 1\n");
  const std::string all = message(text, [](const Config&) {});
  CHECK(std::count(all.begin(), all.end(), '\n') == 50);
  CHECK_THAT(all, EndsWith("\nand 10 more mistakes"));
}

TEST_CASE("config errors: what may follow from another mistake is not said") {
  const auto read = [](const Config& config) {
    const Section s = config.section("optimizer");
    if (s.choice("name", {"sgd", "adam"}) == "sgd") {
      s.number("lr");
    } else {
      s.numbers("betas", {}, std::vector<double>{});
    }
    if (s.number("momentum", {}, 0.0) == 0) s.report("momentum", "'momentum' in [optimizer]: need more");
  };
  // The keys of the word that was meant are known, and none of a word that means nothing. Neither makes a key missing.
  CHECK(message("[optimizer]\nname = 'adm'\nbetas = [1]\nmomentum = 1\n", read) ==
        "x.toml:2:8: 'name' in [optimizer] is \"adm\": need \"sgd\" or \"adam\"; did you mean \"adam\"?");
  CHECK(message("[optimizer]\nname = 'sgdd'\n", read) ==
        "x.toml:2:8: 'name' in [optimizer] is \"sgdd\": need \"sgd\" or \"adam\"; did you mean \"sgd\"?");
  CHECK(message("[optimizer]\nname = 'xxxxxxx'\nbetas = [1]\n", read) ==
        "x.toml:2:8: 'name' in [optimizer] is \"xxxxxxx\": need \"sgd\" or \"adam\"");
  // A wrong momentum is none of 0; a key that is misspelt is not also unknown; a table that is none lacks no keys.
  CHECK(message("[optimizer]\nname = 'sgd'\nlr = 1\nmomentum = 'a'\n", read) ==
        "x.toml:4:12: 'momentum' in [optimizer] is a string: need a finite number");
  CHECK(message("[optimizer]\nname = 'sgd'\nmomentum = 0\nlr = 1\n", read) ==
        "x.toml:3:12: 'momentum' in [optimizer]: need more");
  CHECK(message("[optimizer]\nname = 'sgd'\nlrr = 1\nmomentum = 1\n", read) ==
        "x.toml:1:1: missing key 'lr' in [optimizer]: need a finite number; is it 'lrr' at x.toml:3:1?");
  CHECK(message("optimizer = 1\n", read) ==
        "x.toml:1:13: 'optimizer' in the top level is an integer: need a table, [optimizer]");
  // A reader that gives up leaves keys unread, which are no mistakes.
  const auto stop = [](const Config& config) {
    config.section("a").attempt([](const Section& s) { s.fail("x", "need another x"); });
    config.section("b").integer("y");
  };
  CHECK(message("[a]\nx = 1\nz = 1\n[b]\ny = 'a'\n", stop) ==
        "x.toml:2:5: need another x\nx.toml:5:5: 'y' in [b] is a string: need an integer");
}

TEST_CASE("config errors: messages have the sentence of a key") {
  const auto read = [](const Config& config) {
    config.section({"train", "the loop"}).integer({"epochs", "passes over the data"}, {.at_least = 1});
  };
  CHECK(message("[train]\nepochs = 0\n", read) ==
        "x.toml:2:10: 'epochs' in [train] is 0: need an integer of at least 1 (passes over the data)");
  CHECK(message("[train]\n", read) ==
        "x.toml:1:1: missing key 'epochs' in [train]: need an integer of at least 1 (passes over the data)");
  CHECK(message("train = 1\n", read) ==
        "x.toml:1:9: 'train' in the top level is an integer: need a table, [train] (the loop)");
  CHECK(message("[train]\nepochs = 1\nepoch = 1\n", read) ==
        "x.toml:3:1: unknown key 'epoch' in [train]; did you mean 'epochs'? (passes over the data)");
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
  CHECK_THAT(
      message("a = 1\n", nothing, {"a.b=1"}),
      EndsWith("--set a.b=1: 'a' in the top level is not a table (x.toml:1:5): need a table to set a key of it"));
  CHECK_THAT(message("[[a]]\n[[a]]\n", nothing, {"a.2.b=1"}),
             EndsWith("--set a.2.b=1: no element '2': need a number from 0 to 1"));
  CHECK_THAT(message("[[a]]\n", nothing, {"a.x.b=1"}),
             EndsWith("--set a.x.b=1: no element 'x': need a number from 0 to 0"));
  // A line break must not smuggle in a second key.
  CHECK(message("", [](const Config& c) { CHECK(c.root().string("a") == "1\nb=2"); }, {"a=1\nb=2"}) == "no error");
}

TEST_CASE("config errors: a key that does not belong is explained, with the override that leaves it out") {
  const auto read = [](const Config& c) {
    const Section s = c.section("model").sections("layers").at(0);
    s.explain("units", "it is a key of \"linear\", not of \"relu\"");
    s.integer("size", {}, 1);
  };
  CHECK(message("[[model.layers]]\nunits = 5\n", read) ==
        "x.toml:2:1: unknown key 'units' in [model.layers.0]: it is a key of \"linear\", not of \"relu\"; to leave it "
        "out: "
        "--set model.layers.0.units=unset");
  CHECK(message("[[model.layers]]\nunits = 5\n", read, {"model.layers.0.units=unset"}) == "no error");
  CHECK(message("[[model.layers]]\nsizes = 5\n", read) ==
        "x.toml:2:1: unknown key 'sizes' in [model.layers.0]; did you mean 'size'?");
}

TEST_CASE("config: a blank one tells which keys its readers ask for") {
  const Config blank = Config::blank();
  CHECK(blank.root().string("name") == "text");
  CHECK(blank.section("train").integer("epochs", {.at_least = 3}) == 3);
  CHECK(blank.section("train").boolean("shuffle", true));
  CHECK(blank.section("model").integers("hidden") == std::vector<std::int64_t>{1});
  CHECK_FALSE(blank.root().has("seed"));
  CHECK_NOTHROW(blank.check());
  CHECK(blank.asked() == std::vector<std::string>{"name", "train.epochs", "train.shuffle", "model.hidden"});
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
  CHECK_NOTHROW(Config::load(file).check());
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
  CHECK_NOTHROW(config.check());
}

TEST_CASE("config: junk of any kind is an error with its place, or a configuration whose keys are found") {
  std::mt19937 random(1);
  const std::string alphabet = "ab.=[]{}\"'\\#,\n 1\x01\xc3\xa9";
  const std::vector<std::string> lines = {"\na=1\n", "\n[b]\n", "\nb.a=[1,{a=1}]\n", "\n\"a\\n\"=''\n", "\n[[a]]\n"};
  std::map<std::string, int> seen;
  for (int i = 0; i < 3000; ++i) {
    // Of every third text half is lines that are TOML, so that some texts are.
    std::string text;
    for (std::size_t length = random() % (i % 3 == 0 ? 6 : 60); length > 0; --length) {
      text += i % 3 == 0 && random() % 2 == 0 ? lines[random() % lines.size()]
                                              : std::string(1, alphabet[random() % alphabet.size()]);
    }
    CAPTURE(i, text);

    // As a file: not TOML, or a configuration whose first key nobody knows, or one without keys.
    const std::string error = error_of([&] { Config::parse(text, "x.toml").check(); });
    const std::string kind = kind_of(error);
    ++seen["file: " + kind];
    if (kind == "accepted") {
      CHECK(Config::parse(text, "x.toml").root().keys().empty());
    } else {
      check_places(error, text);
    }

    // As the value of an override: the one key is there, or its place is the override.
    const std::string valued =
        message("", [&](const Config& c) { CHECK(c.root().keys().size() == (text.empty() ? 0 : 1)); }, {"a=" + text});
    ++seen["value: " + kind_of(valued)];
    CHECK_THAT(valued, StartsWith("--set a="));
    CHECK(one_line(valued));

    // As an override.
    const std::string override = message("", [](const Config&) {}, {text});
    ++seen["override: " + kind_of(override)];
    CHECK_THAT(override, StartsWith("--set "));
    CHECK(one_line(override));
  }
  // All of these occur: what is checked above is no empty claim.
  CHECK(seen["file: not TOML"] > 1000);
  for (const char* kind : {"file: accepted", "file: unknown", "value: not TOML", "value: unknown", "value: malformed",
                           "override: malformed", "override: unknown"}) {
    CAPTURE(kind);
    CHECK(seen[kind] > 10);
  }
  CHECK(seen["value: accepted"] == 0);
  CHECK(seen["override: accepted"] == 0);

  std::string large(10 << 20, ' ');
  for (char& c : large) c = static_cast<char>(random());
  const std::string error = error_of([&] { Config::parse(large, "x.toml"); });
  CHECK(kind_of(error) == "not TOML");
  check_places(error, large);
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

TEST_CASE("config: a section is sound when nothing in it is known to be wrong") {
  const auto is_sound = [](const std::string& text) {
    const Config config = Config::parse(text, "x.toml");
    const io::Section a = config.section("a");
    a.integer("n", {.at_least = 1}, 1);
    a.section("inner").string("word", "");
    config.section("b").integer("n", {}, 1);
    return a.is_sound();
  };
  CHECK(is_sound(""));
  CHECK(is_sound("[a]\nn = 3\n[b]\nn = 'wrong'"));
  CHECK_FALSE(is_sound("[a]\nn = 0"));
  CHECK_FALSE(is_sound("[a]\nm = 1"));
  CHECK_FALSE(is_sound("[a.inner]\nword = 1"));
  CHECK_FALSE(is_sound("[a.inner]\nwrod = ''"));
  CHECK_FALSE(is_sound("a = 3"));
  const Config config = Config::parse("[a]\nn = 1", "x.toml");
  config.section("a").integer("n");
  config.section("a").report("n", "need another one");
  CHECK_FALSE(config.section("a").is_sound());
}
